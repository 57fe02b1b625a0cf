"""Many idle connections to one broker: idle_connections.py HOST:PORT PID COUNT

Opens so many connections, has each of them answered once, and then leaves them alone. Says how much memory the broker's process takes
before and with them, and fails if that is more than 16 KiB a connection, or if the broker does not go on serving.
"""

import resource
import socket
import struct
import sys

PLACE, PID, COUNT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
BYTES_MAX = 16 << 10


def fail(what):
    raise SystemExit(f"FAILED: idle connections: {what}")


def resident():
    """Bytes of the broker's process."""
    with open(f"/proc/{PID}/status") as status:
        line = next(line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def ask(connection, number):
    """ApiVersions in version 0: the answer names the request and has no error."""
    header = struct.pack(">hhih", 18, 0, number, -1)
    connection.sendall(struct.pack(">i", len(header)) + header)
    frame = read(connection, struct.unpack(">i", read(connection, 4))[0])
    answered, error = struct.unpack(">ih", frame[:6])
    if (answered, error) != (number, 0):
        fail(f"request {number} is answered as {answered} with error {error}")


def read(connection, length):
    found = b""
    while len(found) < length:
        some = connection.recv(length - len(found))
        if not some:
            fail(f"the broker closed a connection: found {len(found)} bytes, expected {length}")
        found += some
    return found


def connect():
    host, port = PLACE.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=60)


def main():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < COUNT + 100:
        fail(f"found a limit of {most} open files, expected {COUNT + 100}: raise it with ulimit -n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    ask(connect(), 0)
    before = resident()
    connections = []
    for number in range(COUNT):
        connections.append(connect())
        ask(connections[-1], number)
    grown = resident() - before
    print(
        f"idle connections: {COUNT}; the broker takes {before >> 20} MiB without and {(before + grown) >> 20} MiB with them, "
        f"{grown // COUNT} bytes each",
        flush=True,
    )
    if grown > COUNT * BYTES_MAX:
        fail(f"found {grown // COUNT} bytes a connection, expected at most {BYTES_MAX}")
    for number, connection in enumerate((connections[0], connections[-1], connect())):
        ask(connection, number)
    print("idle connections: the broker goes on serving them and new ones", flush=True)


main()
