"""kafka-python against a cluster: kafka_python.py BOOTSTRAP [soak TOPIC SECONDS]

Without more it goes through everything that such a client does, and says what it did. `soak` writes numbered records for some
seconds, whatever happens to the cluster meanwhile, then reads all of them back.
"""

import sys
import threading
import time
import uuid

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError
from kafka.structs import OffsetAndMetadata

BOOTSTRAP = sys.argv[1].split(",")
RUN = uuid.uuid4().hex[:8]
CODECS = [None, "gzip", "snappy", "lz4", "zstd"]
PATIENCE_S = 60
# How long a member of a group polls. This client learns of a topic's partitions 100 ms after it asks, mostly when it has joined its group
# already, and then joins again. If the poll in which that begins ends before it is done, the client loses the answer for good: the next
# poll finds nothing to join for, since the leader's snapshot of the metadata is the new one, never looks at what the coordinator assigned,
# and sends no heartbeats (3.0.12, `join_group_async`). So a poll has to be much longer than those 100 ms.
POLL_MS = 1000


def check(condition, what):
    if not condition:
        raise SystemExit(f"FAILED: kafka-python: {what}")


def say(what):
    print(f"kafka-python: {what}", flush=True)


def wait_for(what, condition, seconds=PATIENCE_S):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise SystemExit(f"FAILED: kafka-python: {what}: not within {seconds} s")


def read_all(topic, count, partitions):
    """The first `count` records of a topic, by partition and offset."""
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP, auto_offset_reset="earliest", enable_auto_commit=False)
    consumer.assign([TopicPartition(topic, partition) for partition in range(partitions)])
    found = []
    deadline = time.monotonic() + PATIENCE_S
    while len(found) < count and time.monotonic() < deadline:
        for records in consumer.poll(timeout_ms=500).values():
            found.extend(records)
    consumer.close()
    check(len(found) == count, f"{len(found)} records of {topic}, expected {count}")
    return found


def topics(admin):
    name = f"python-{RUN}"
    admin.create_topics([NewTopic(name, 3, -1)])
    try:
        admin.create_topics([NewTopic(name, 3, -1)])
        check(False, "a topic was created twice")
    except TopicAlreadyExistsError:
        pass
    wait_for("the new topic in the list", lambda: name in admin.list_topics())
    described = admin.describe_topics([name])[0]
    check(len(described["partitions"]) == 3, f"three partitions: {described}")
    say("topics created, refused, listed, described")
    return name


def produce(name):
    sent = 0
    for acks in (0, 1, "all"):
        for codec in CODECS:
            producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, acks=acks, compression_type=codec, linger_ms=5, enable_idempotence=False)
            label = f"{acks}-{codec}"
            sends = []
            for number in range(50):
                headers = [("number", str(number).encode())]
                value = f"{label}-{number}-{'x' * 100}".encode()
                sends.append(producer.send(name, value, key=label.encode(), headers=headers))
            producer.flush(timeout=PATIENCE_S)
            if acks != 0:
                offsets = [send.get(timeout=PATIENCE_S).offset for send in sends]
                check(offsets == list(range(offsets[0], offsets[0] + 50)), f"{label}: offsets in a row: {offsets}")
            producer.close()
            sent += 50
    return sent


def consume(name, sent):
    found = read_all(name, sent, 3)
    by_key = {}
    for record in found:
        by_key.setdefault(record.key.decode(), []).append(record)
    for acks in (0, 1, "all"):
        for codec in CODECS:
            label = f"{acks}-{codec}"
            records = by_key[label]
            expected = [f"{label}-{number}-{'x' * 100}" for number in range(50)]
            check([record.value.decode() for record in records] == expected, f"{label}: its records in their order")
            numbers = [int(dict(record.headers)["number"]) for record in records]
            check(numbers == list(range(50)), f"{label}: their headers")
    say(f"{sent} records written with every acks and codec, read in order")
    return found


def offsets(name, found):
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP)
    partitions = [TopicPartition(name, partition) for partition in range(3)]
    check(set(consumer.beginning_offsets(partitions).values()) == {0}, "logs begin at 0")
    ends = consumer.end_offsets(partitions)
    for partition in partitions:
        records = sorted((r for r in found if r.partition == partition.partition), key=lambda r: r.offset)
        check(ends[partition] == len(records), f"the end of {partition}: {ends[partition]}")
        if not records:
            continue
        middle = records[len(records) // 2]
        at = consumer.offsets_for_times({partition: middle.timestamp})[partition]
        first = next(r for r in records if r.timestamp >= middle.timestamp)
        check(at.offset == first.offset, f"offset by timestamp: {at}, expected {first.offset}")
    consumer.close()
    say("offsets by timestamp, ends and beginnings")


def groups(admin, name, sent):
    group = f"group-{RUN}"
    seen, owned, stop = {}, {}, {}
    lock = threading.Lock()

    def member(label):
        consumer = KafkaConsumer(
            name,
            bootstrap_servers=BOOTSTRAP,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=10_000,
            heartbeat_interval_ms=300,
        )
        while not stop[label].is_set():
            batches = consumer.poll(timeout_ms=POLL_MS)
            with lock:
                owned[label] = set(consumer.assignment())
                for records in batches.values():
                    for record in records:
                        seen.setdefault((record.partition, record.offset), []).append(label)
            if batches:
                consumer.commit()
        consumer.close()
        with lock:
            owned[label] = set()

    def start(label):
        stop[label] = threading.Event()
        owned[label] = set()
        thread = threading.Thread(target=member, args=(label,), daemon=True)
        thread.start()
        return thread

    first = start("first")
    wait_for("one member has all partitions", lambda: len(owned["first"]) == 3)
    wait_for("it reads all", lambda: len(seen) == sent)
    second = start("second")
    wait_for("two members share", lambda: owned["second"] and len(owned["first"]) + len(owned["second"]) == 3)
    stop["first"].set()
    first.join(PATIENCE_S)
    wait_for("the second has all", lambda: len(owned["second"]) == 3)
    stop["second"].set()
    second.join(PATIENCE_S)
    check(all(len(labels) == 1 for labels in seen.values()), "committed records were read again")

    check(group in [found["group_id"] if isinstance(found, dict) else found[0] for found in listed(admin)], "the group is listed")
    committed = admin.list_group_offsets(group)
    total = sum(entry.offset for entry in offsets_of(committed, group).values())
    check(total == sent, f"committed offsets add up to {total}, expected {sent}")
    note = KafkaConsumer(bootstrap_servers=BOOTSTRAP, group_id=group, enable_auto_commit=False)
    partition = TopicPartition(name, 0)
    note.assign([partition])
    note.commit({partition: OffsetAndMetadata(1, "a note", -1)})
    check(note.committed(partition, metadata=True).metadata == "a note", "the note of a commit comes back")
    note.close()
    admin.delete_groups([group])
    say("groups: joined, rebalanced, left, committed, listed, deleted")


def listed(admin):
    return admin.list_groups()


def offsets_of(found, group):
    return found[group] if group in found else found


def configs(admin, name):
    resource = ConfigResource(ConfigResourceType.TOPIC, name, {"retention.ms": "123456"})
    admin.alter_configs([resource])

    def retention():
        described = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
        return "123456" in str(described)

    wait_for("the changed configuration", retention)
    admin.create_partitions({name: NewPartitions(5)})
    wait_for("more partitions", lambda: len(admin.describe_topics([name])[0]["partitions"]) == 5)
    admin.delete_records({TopicPartition(name, 0): 1})
    admin.delete_topics([name])
    wait_for("the deleted topic is gone", lambda: name not in admin.list_topics())
    say("configuration changed, partitions added, records and topics deleted")


def idempotent():
    name = f"python-idempotent-{RUN}"
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, enable_idempotence=True, acks="all")
    for number in range(200):
        producer.send(name, str(number).encode(), partition=0)
    producer.flush(timeout=PATIENCE_S)
    producer.close()
    found = read_all(name, 200, 1)
    check([int(record.value) for record in found] == list(range(200)), "an idempotent producer's order")
    say("an idempotent producer, into a topic made by asking for it")


def soak(name, seconds):
    admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    admin.create_topics([NewTopic(name, 1, -1)])
    producer = KafkaProducer(
        bootstrap_servers=BOOTSTRAP,
        enable_idempotence=True,
        acks="all",
        retries=10_000,
        delivery_timeout_ms=120_000,
        request_timeout_ms=5_000,
        linger_ms=2,
    )
    acknowledged, number, failed = [], 0, []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        send = producer.send(name, str(number).encode(), partition=0)
        send.add_callback(lambda _, number=number: acknowledged.append(number))
        send.add_errback(lambda error, number=number: failed.append((number, error)))
        number += 1
        time.sleep(0.001)
    producer.flush(timeout=120)
    producer.close()
    check(not failed, f"writes failed: {failed[:3]}")
    check(acknowledged == list(range(number)), f"{len(acknowledged)} of {number} acknowledged, in order")
    found = [int(record.value) for record in read_all(name, number, 1)]
    check(found == list(range(number)), "what was acknowledged is there once and in order")
    say(f"soak: {number} records acknowledged, all there, once, in order")


def main():
    if sys.argv[2:3] == ["soak"]:
        return soak(sys.argv[3], float(sys.argv[4]))
    admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    name = topics(admin)
    sent = produce(name)
    found = consume(name, sent)
    offsets(name, found)
    groups(admin, name, sent)
    configs(admin, name)
    idempotent()
    admin.close()
    say("all done")


main()
