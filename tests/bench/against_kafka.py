#!/usr/bin/env python3
"""Highwater beside the real Kafka: three combined nodes each, the same machine, the same client, in one run.

against_kafka.py HIGHWATER LIB WORK [--quick] [--only highwater|kafka] [--parts load,fail-over,partitions] …

HIGHWATER is the command, LIB holds Kafka's jars, WORK is a directory for data. Load is Kafka's own ProducerPerformance and
ConsumerPerformance: one partition, three replicas, records of 100 bytes, the clients' defaults. Both systems run at once while they take turns
under load, so that what else the machine does hits both; a figure is the median of its turns. Fail-over and many partitions are measured with
one system at a time, by a client that asks again at once (kafka_wire.py), as real ones wait and back off.

What a run leaves in WORK are some 100,000 small files. Remove them, but not shortly before a run: ext4 looks for five minutes at each inode that
was deleted before it gives a new file one, and then making files is all that is measured.

Prints the machine and one table. Fails if something does not work, never because something is slow.
"""

import argparse
import os
import pathlib
import platform
import re
import resource
import signal
import socket
import statistics
import subprocess
import threading
import time

import kafka_wire

ARGUMENTS = argparse.ArgumentParser()
ARGUMENTS.add_argument("highwater")
ARGUMENTS.add_argument("lib")
ARGUMENTS.add_argument("work", type=lambda path: pathlib.Path(path).resolve())
ARGUMENTS.add_argument("--quick", action="store_true", help="one turn, a third of the records, 1,000 partitions")
ARGUMENTS.add_argument("--only", choices=["highwater", "kafka"], help="one system, while tuning it")
ARGUMENTS.add_argument("--parts", default="load,fail-over,partitions")
ARGUMENTS.add_argument("--half-load", type=int, help="records/s for latencies, instead of half of what Kafka does with acks=all")
ARGUMENTS.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a property of Highwater's, while tuning it")
ARGUMENTS = ARGUMENTS.parse_args()
QUICK = ARGUMENTS.quick
TURNS = 1 if QUICK else 3
RECORDS = {"all": 300_000 if QUICK else 1_000_000, "1": 500_000 if QUICK else 2_000_000}
CONSUMED = sum(RECORDS.values())
HALF_LOAD_S, WARM_S = (8, 3) if QUICK else (20, 5)
THOUSAND = 1_000
TOPICS = 1 if QUICK else 10  # Kafka takes no request that makes 10,000 partitions at once.
SESSION_S = 3.0
STARTED = time.strftime("%m%d-%H%M%S")
JAVA = ["java", "-XX:+UseSerialGC", "-cp", f"{ARGUMENTS.lib}/*"]
BROKER = ["-Xms32m", "-XX:TieredStopAtLevel=4", "-Xss512k"]
HEAP = {"load": "-Xmx256m", "fail-over": "-Xmx256m", "partitions": "-Xmx1g"}
PATIENCE_S = 120

PROPERTIES = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={directory}
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
offsets.topic.num.partitions=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.num.partitions=1
log.cleaner.dedupe.buffer.size=8388608
auto.leader.rebalance.enable=false
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
controller.quorum.election.timeout.ms=1000
controller.quorum.fetch.timeout.ms=2000
"""


# Figure, unit, goal in words, whether it is reached: of Kafka's figure and ours.
GOALS = {
    "acks=all": ("records/s", "at least 2 times Kafka's", lambda kafka, ours: kafka and ours >= 2 * kafka),
    "acks=1": ("records/s", "at least Kafka's", lambda kafka, ours: kafka and ours >= kafka),
    "consuming": ("records/s", "at least Kafka's", lambda kafka, ours: kafka and ours >= kafka),
    "p99 at half of Kafka's acks=all": ("ms", "at most half of Kafka's", lambda kafka, ours: kafka and ours <= kafka / 2),
    "the same, linger.ms=0": ("ms", "at most half of Kafka's", lambda kafka, ours: kafka and ours <= kafka / 2),
    "the same, acks=0: the client's own part": ("ms", None, None),
    "processor time of all nodes a million records, acks=all": ("s", None, None),
    "processor time of all nodes a million records, acks=1": ("s", None, None),
    "start to the first acknowledged record": ("s", "at most 0.5", lambda _, ours: ours <= 0.5),
    "memory of a node, idle": ("MB", "at most 40", lambda _, ours: ours <= 40),
    "memory of a node, at half of Kafka's acks=all": ("MB", "at most 80", lambda _, ours: ours <= 80),
    "memory of a node, at full load": ("MB", None, None),
    "kill -9 of a leader to an acknowledged record, 1 partition": ("s", "at most 3.5", lambda _, ours: ours <= SESSION_S + 0.5),
    "the same, 1,000 partitions that it led": ("s", "at most 3.5", lambda _, ours: ours <= SESSION_S + 0.5),
    "the same, 1 partition, of the active controller": ("s", None, None),
    "{many} partitions created, and known to each broker": ("s", "under 10", lambda _, ours: ours < 10),
    "{many} partitions have each taken a record, acks=all": ("s", None, None),
    "memory of a node with {many} partitions": ("MB", "under 300", lambda _, ours: ours < 300),
    "acks=all beside {many} idle partitions": ("records/s", None, None),
}
MANY = f"{TOPICS * THOUSAND:,}"


def fail(what):
    raise SystemExit(f"FAILED: {what}")


def note(what):
    print(f"  {time.strftime('%H:%M:%S')} {what}", flush=True)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def run(command, seconds=600):
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    if done.returncode != 0:
        fail(f"{' '.join(command[:12])}…: {done.stderr[-2000:]}{done.stdout[-2000:]}")
    return done.stdout


def tool(name, *options):
    return run([*JAVA, "-Xmx512m", f"org.apache.kafka.tools.{name}", *options])


class Cluster:
    """Three combined nodes of one system."""

    def __init__(self, name, purpose):
        self.name, self.heap = name, HEAP[purpose]
        self.work = ARGUMENTS.work / f"{STARTED}-{name}-{purpose}"
        self.work.mkdir(parents=True)
        ports = free_ports(6)
        self.ports = dict(enumerate(ports[:3], 1))
        self.bootstrap = ",".join(f"127.0.0.1:{port}" for port in self.ports.values())
        voters = ",".join(f"{node}@127.0.0.1:{port}" for node, port in enumerate(ports[3:], 1))
        for node, port in self.ports.items():
            directory = self.work / f"data-{node}"
            text = PROPERTIES.format(node=node, voters=voters, port=port, controller=ports[node + 2], directory=directory)
            text += "".join(line + "\n" for line in ARGUMENTS.set if name == "highwater")
            (self.work / f"{node}.properties").write_text(text)
        self.processes = {}
        identity = self.command("storage", "random-uuid").strip().splitlines()[-1]
        for node in self.ports:
            self.command("storage", "format", "-t", identity, "-c", str(self.work / f"{node}.properties"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for node in list(self.processes):
            self.kill(node)
        # Only what is large: see above on what deleting many files does to who makes some.
        for log in self.work.glob("data-*/perf-0/*.log"):
            log.unlink()

    def command(self, *words):
        if self.name == "kafka":
            return run([*JAVA, "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", *words[1:]])
        return run([ARGUMENTS.highwater, *words])

    def start(self, node):
        properties = str(self.work / f"{node}.properties")
        if self.name == "kafka":
            command = [*JAVA, *BROKER, self.heap, "kafka.Kafka", properties]
        else:
            command = [ARGUMENTS.highwater, "broker", properties]
        with open(self.work / f"{node}.txt", "a") as out:
            self.processes[node] = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)

    def kill(self, node):
        process = self.processes.pop(node)
        process.send_signal(signal.SIGKILL)
        process.wait(60)

    def start_all(self):
        """Starts the nodes; seconds until there is a record that is acknowledged by all."""
        begin = time.monotonic()
        for node in self.ports:
            self.start(node)
        if not Probe(self).acknowledged({"first": 1}, create=True):
            fail(f"{self.name} does not start")
        return time.monotonic() - begin

    def memory_mb(self):
        """Of the largest node."""
        return max(resident_mb(process.pid) for process in self.processes.values())

    def processor_s(self):
        """User and system time of all nodes."""
        ticks = 0
        for process in self.processes.values():
            fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def asked(self, ask, seconds=60):
        """What the first node says that says anything."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for node in list(self.processes):
                try:
                    connection = kafka_wire.Node(self.ports[node], seconds)
                except OSError:
                    continue
                try:
                    return ask(connection)
                except OSError:
                    continue
                finally:
                    connection.close()
            time.sleep(0.01)
        fail(f"{self.name}: no node answers")

    def create(self, topic, partitions=1, leader_of=None):
        error, message = self.asked(lambda node: node.create(topic, partitions, leader_of))
        if error not in (0, 36):  # It may be there already if the answer was lost.
            fail(f"{self.name}: creating {topic}: error {error}, {message}")

    def wait_in_sync(self, topics, live=3):
        """Until all live brokers know of a leader and of so many in sync, for each partition."""

        def is_there(node):
            _, found = node.metadata(list(topics))
            states = [state for topic in topics for state in found[topic].values()]
            return len(states) == sum(topics.values()) and all(leader > 0 and len(isr) >= live for leader, isr in states)

        deadline = time.monotonic() + 3 * PATIENCE_S
        for node in self.processes:
            connection = kafka_wire.Node(self.ports[node], 60)
            while not is_there(connection):
                if time.monotonic() > deadline:
                    fail(f"{self.name}: not all of {topics} are in sync on node {node}")
                time.sleep(0.02)
            connection.close()


def resident_mb(pid):
    try:
        return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024
    except (OSError, TypeError):
        return 0.0


class Probe:
    """Produces with acks=all to whoever leads, and asks again at once."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.connections = {}
        self.records = kafka_wire.batch(b"probe", int(time.time() * 1000))

    def connection(self, node):
        if node not in self.connections:
            self.connections[node] = kafka_wire.Node(self.cluster.ports[node], 60)
        return self.connections[node]

    def drop(self, node):
        if node in self.connections:
            self.connections.pop(node).close()

    def acknowledged(self, topics, create=False):
        """Until each partition has taken a record. `topics` says how many partitions each has. Whether that was in time."""
        left = {(topic, index) for topic, count in topics.items() for index in range(count)}
        deadline = time.monotonic() + PATIENCE_S
        while left and time.monotonic() < deadline:
            taken = self.round(left, create)
            left.difference_update(taken)
            if left and not taken:
                time.sleep(0.004)
        for node in list(self.connections):
            self.drop(node)
        if left:
            note(f"{self.cluster.name}: {len(left)} partitions took no record within {PATIENCE_S} s")
        return not left

    def round(self, left, create):
        found = self.leaders(sorted({topic for topic, _ in left}), create)
        wanted = {}
        for topic, index in sorted(left):
            leader = found.get(topic, {}).get(index, (-1, []))[0]
            if leader in self.cluster.processes:
                wanted.setdefault(leader, {}).setdefault(topic, []).append(index)
        sent, taken = [], []
        for node, topics in wanted.items():
            try:
                self.connection(node).send_produce(self.records, topics)
                sent.append(node)
            except OSError:
                self.drop(node)
        for node in sent:
            try:
                taken += self.connections[node].receive_produced()
            except OSError:
                self.drop(node)
        return taken

    def leaders(self, topics, create):
        for node in list(self.cluster.processes):
            try:
                return self.connection(node).metadata(topics, create)[1]
            except OSError:
                self.drop(node)
        return {}


class Peak:
    """The most memory that a node of a cluster takes meanwhile."""

    def __init__(self, cluster):
        self.cluster, self.mb, self.over = cluster, 0.0, threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.over.wait(0.1):
            self.mb = max(self.mb, self.cluster.memory_mb())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


class Figures:
    """What was measured, by figure; the median is what counts."""

    def __init__(self):
        self.seen = {}

    def note(self, figure, value):
        if figure not in GOALS:
            fail(f"there is no figure {figure!r}")
        self.seen.setdefault(figure, []).append(value)
        note(f"{figure.format(many=MANY)}: {value:,.2f} {GOALS[figure][0]}")

    def of(self, figure):
        return statistics.median(self.seen[figure]) if figure in self.seen else None


def produce(cluster, acks, records, throughput=-1, *more):
    """Records a second and the 99th percentile of latencies, as the producer says, once Java has compiled what is hot in it."""
    warm = WARM_S * throughput if throughput > 0 else records // 4
    out = tool("ProducerPerformance", "--topic", "perf", "--num-records", str(records), "--record-size", "100", "--throughput", str(throughput),
               "--warmup-records", str(warm), "--bootstrap-server", cluster.bootstrap,
               "--command-property", f"acks={acks}", "enable.idempotence=false", *more)
    last = out.strip().splitlines()[-1]
    if "steady state" not in last:
        fail(f"expected the steady state as the producer's last line, found {last!r}")
    return float(re.search(r"([\d.]+) records/sec", last)[1]), float(re.search(r"([\d.]+) ms 99th", last)[1])


def consume(cluster, records):
    """Records a second once the group has formed."""
    out = tool("ConsumerPerformance", "--bootstrap-server", cluster.bootstrap, "--topic", "perf", "--messages", str(records), "--hide-header",
               "--timeout", "60000")
    # Start, end, MB, MB/s, records, records/s, time of the rebalance and of fetching in ms, MB/s and records/s of fetching.
    fields = [field.strip() for field in out.strip().splitlines()[-1].split(",")]
    if len(fields) < 10 or int(fields[4]) < records:
        fail(f"{cluster.name}: expected {records} records to be consumed, found {out!r}")
    return float(fields[9])


def load(figures):
    """Throughput, latency and memory: the systems take turns."""
    clusters = {}
    try:
        for name, seen in figures.items():
            note(name)
            clusters[name] = Cluster(name, "load")
            seen.note("start to the first acknowledged record", clusters[name].start_all())
            clusters[name].create("perf")
        time.sleep(3)
        for name, seen in figures.items():
            note(name)
            seen.note("memory of a node, idle", clusters[name].memory_mb())
            produce(clusters[name], "all", RECORDS["all"] // 4)  # Java compiles what is hot.
        half = ARGUMENTS.half_load
        for turn in range(TURNS):
            for name, seen in figures.items():
                note(f"{name}, turn {turn + 1} of {TURNS}")
                cluster = clusters[name]
                with Peak(cluster) as peak:
                    for acks, records in RECORDS.items():
                        before = cluster.processor_s()
                        seen.note(f"acks={acks}", produce(cluster, acks, records)[0])
                        spent = cluster.processor_s() - before
                        seen.note(f"processor time of all nodes a million records, acks={acks}", spent * 1e6 / records)
                seen.note("memory of a node, at full load", peak.mb)
                seen.note("consuming", consume(cluster, CONSUMED))
        half = half or int(next(iter(figures.values())).of("acks=all") / 2)
        for turn in range(TURNS):
            for name, seen in figures.items():
                note(f"{name}, {half:,} records/s, turn {turn + 1} of {TURNS}")
                with Peak(clusters[name]) as peak:
                    records = half * HALF_LOAD_S
                    seen.note("p99 at half of Kafka's acks=all", produce(clusters[name], "all", records, half)[1])
                    seen.note("the same, linger.ms=0", produce(clusters[name], "all", records, half, "linger.ms=0")[1])
                    seen.note("the same, acks=0: the client's own part", produce(clusters[name], "0", records, half)[1])
                seen.note("memory of a node, at half of Kafka's acks=all", peak.mb)
        return half
    finally:
        for cluster in clusters.values():
            cluster.__exit__()


def fail_over(name, seen):
    """Seconds after kill -9 of the leader until its partitions take records again."""
    with Cluster(name, "fail-over") as cluster:
        cluster.start_all()
        one = "kill -9 of a leader to an acknowledged record, 1 partition"
        kills = [(one, 1, False)] * TURNS + [("the same, 1,000 partitions that it led", THOUSAND, False)]
        kills += [("the same, 1 partition, of the active controller", 1, True)]
        for number, (figure, partitions, of_controller) in enumerate(kills):
            controller = cluster.asked(kafka_wire.Node.active_controller)
            victim = next(node for node in cluster.ports if (node == controller) == of_controller)
            others = [node for node in cluster.ports if node != victim]
            topic = {f"led-{number}": partitions}
            cluster.create(*topic, partitions, lambda index: [victim, *(others if index % 2 else others[::-1])])
            cluster.wait_in_sync(topic)
            Probe(cluster).acknowledged(topic)
            begin = time.monotonic()
            cluster.kill(victim)
            if not Probe(cluster).acknowledged(topic):
                fail(f"{name}: leadership did not come back")
            seen.note(figure, time.monotonic() - begin)
            cluster.start(victim)
            Probe(cluster).acknowledged(topic)
            time.sleep(1)
            while True:
                try:
                    cluster.wait_in_sync({"first": 1, **topic})
                    break
                except OSError:  # The one that was started does not listen yet.
                    time.sleep(0.05)


def many_partitions(name, seen):
    """Creation of many partitions, and what they take."""
    with Cluster(name, "partitions") as cluster:
        cluster.start_all()
        topics = {f"many-{number}": THOUSAND for number in range(TOPICS)}
        begin = time.monotonic()
        for topic, partitions in topics.items():
            cluster.create(topic, partitions)
        cluster.wait_in_sync(topics)
        seen.note("{many} partitions created, and known to each broker", time.monotonic() - begin)
        if Probe(cluster).acknowledged(topics):
            seen.note("{many} partitions have each taken a record, acks=all", time.monotonic() - begin)
        time.sleep(2)
        seen.note("memory of a node with {many} partitions", cluster.memory_mb())
        cluster.create("perf")
        seen.note("acks=all beside {many} idle partitions", produce(cluster, "all", 50_000)[0])


def number(value):
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def table(figures):
    print("\n| figure | goal | Kafka 4.3.1 | Highwater | ratio | reached |\n|---|---|---|---|---|---|")
    for figure, (unit, goal, is_reached) in GOALS.items():
        kafka, ours = (figures[name].of(figure) if name in figures else None for name in ("kafka", "highwater"))
        if kafka is None and ours is None:
            continue
        ratio = f"{ours / kafka:.2f}" if kafka and ours else ""
        reached = "" if goal is None or ours is None or is_reached(kafka, ours) is None else "yes" if is_reached(kafka, ours) else "no"
        print(f"| {figure.format(many=MANY)}, {unit} | {goal or ''} | {number(kafka)} | {number(ours)} | {ratio} | {reached} |")


def main():
    # A partition has open files; both systems have as many as they may.
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    busy = os.getloadavg()[0]
    print(f"{model}, {os.cpu_count()} cores, {memory:.1f} GiB, Linux {platform.release()}, load {busy:.1f} before; {time.strftime('%Y-%m-%d %H:%M')}")
    began = time.monotonic()
    figures = {name: Figures() for name in ([ARGUMENTS.only] if ARGUMENTS.only else ["kafka", "highwater"])}
    parts = ARGUMENTS.parts.split(",")
    half = load(figures) if "load" in parts else None
    for part, measure in [("fail-over", fail_over), ("partitions", many_partitions)]:
        for name, seen in figures.items():
            if part in parts:
                note(f"{name}, {part}")
                measure(name, seen)
    table(figures)
    if half:
        print(f"\nLatencies at {half:,} records/s.", end=" ")
    print(f"{TURNS} turns, of which the median; {time.monotonic() - began:.0f} s in all.")


if __name__ == "__main__":
    main()
