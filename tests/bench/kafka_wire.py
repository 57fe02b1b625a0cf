"""The few requests by which a benchmark sees, within milliseconds, what a cluster does: Kafka's protocol over plain sockets.

Real clients wait, back off and cache; what they report is their own patience as much as the broker's work. This one asks again at once.
"""

import socket
import struct

PRODUCE, METADATA, CREATE_TOPICS, DESCRIBE_QUORUM = 0, 3, 19, 55
CLUSTER_METADATA = b"__cluster_metadata"


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


def _crc32c(data, table=_crc_table()):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def batch(value, at_ms):
    """One record without a key, as a producer without an id sends it."""
    body = struct.pack(">bbbb", 0, 0, 0, 1) + bytes([len(value) * 2]) + value + b"\0"
    record = bytes([len(body) * 2]) + body
    rest = struct.pack(">hiqqqhii", 0, 0, at_ms, at_ms, -1, -1, -1, 1) + record
    return struct.pack(">qiibI", 0, 9 + len(rest), -1, 2, _crc32c(rest)) + rest


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


class Reader:
    """Takes an answer apart."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, kind):
        found = struct.unpack_from(">" + kind, self.data, self.at)
        self.at += struct.calcsize(">" + kind)
        return found[0] if len(found) == 1 else found

    def bytes(self, length):
        self.at += length
        return self.data[self.at - length : self.at]

    def text(self):
        length = self.take("h")
        return None if length < 0 else self.bytes(length).decode()

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take("B")
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def each(self, read):
        return [read() for _ in range(max(0, self.take("i")))]


class Node:
    """A connection to one node. Raises OSError if that is not there."""

    def __init__(self, port, seconds=5):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self):
        self.socket.close()

    def send(self, api, version, body, flexible=False):
        frame = struct.pack(">hhi", api, version, 7) + text("bench") + (b"\0" if flexible else b"") + body
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)

    def receive(self):
        length = struct.unpack(">i", self._exactly(4))[0]
        return Reader(self._exactly(length)[4:])

    def _exactly(self, count):
        data = bytearray()
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise ConnectionResetError("the node closed the connection")
            data += more
        return bytes(data)

    def ask(self, api, version, body, flexible=False):
        self.send(api, version, body, flexible)
        return self.receive()

    def metadata(self, topics, create=False):
        """Ports by node, and of each topic (leader, ISR) by partition."""
        body = struct.pack(">i", len(topics)) + b"".join(map(text, topics)) + bytes([create])
        answer = self.ask(METADATA, 4, body)
        answer.take("i")

        def broker():
            node, _, port, _ = answer.take("i"), answer.text(), answer.take("i"), answer.text()
            return node, port

        def partition():
            _, index, leader = answer.take("hii")
            answer.each(lambda: answer.take("i"))
            return index, (leader, answer.each(lambda: answer.take("i")))

        def topic():
            answer.take("h")
            name, _ = answer.text(), answer.take("b")
            return name, dict(answer.each(partition))

        brokers = dict(answer.each(broker))
        answer.text()
        answer.take("i")
        return brokers, dict(answer.each(topic))

    def send_produce(self, records, topics):
        """Of the same records for each partition of each topic; acks=all. `topics` has partitions by topic."""
        body = struct.pack(">hhii", -1, -1, 30_000, len(topics))
        for name, partitions in topics.items():
            body += text(name) + struct.pack(">i", len(partitions))
            body += b"".join(struct.pack(">ii", index, len(records)) + records for index in partitions)
        self.send(PRODUCE, 3, body)

    def receive_produced(self):
        """The (topic, partition) that took it."""
        answer, taken = self.receive(), []
        for _ in range(answer.take("i")):
            name = answer.text()
            found = answer.each(lambda: answer.take("ihqq"))
            taken += [(name, index) for index, error, _, _ in found if error == 0]
        return taken

    def create(self, name, partitions=1, leader_of=None):
        """A topic of three replicas; `leader_of` names the replicas of each partition, the leader first."""
        assigned = b""
        if leader_of:
            for index in range(partitions):
                replicas = leader_of(index)
                assigned += struct.pack(f">ii{len(replicas)}i", index, len(replicas), *replicas)
        counts = (-1, -1, partitions) if leader_of else (partitions, 3, 0)
        body = struct.pack(">i", 1) + text(name) + struct.pack(">ihi", *counts) + assigned + struct.pack(">iib", 0, 60_000, 0)
        answer = self.ask(CREATE_TOPICS, 2, body)
        answer.take("ii")
        answer.text()
        return answer.take("h"), answer.text()

    def active_controller(self):
        """The node that leads the metadata quorum; -1 if that is not known."""
        name = bytes([len(CLUSTER_METADATA) + 1]) + CLUSTER_METADATA
        answer = self.ask(DESCRIBE_QUORUM, 0, b"\2" + name + b"\2" + struct.pack(">i", 0) + b"\0\0\0", flexible=True)
        answer.varint()
        if answer.take("h") != 0:
            return -1
        answer.varint()
        answer.bytes(answer.varint() - 1)
        answer.varint()
        _, error, leader = answer.take("ihi")
        return leader if error == 0 else -1
