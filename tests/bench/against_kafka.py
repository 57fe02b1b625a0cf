#!/usr/bin/env python3
"""Highwater beside the real Kafka: three combined nodes each, the same machine, the same client, in one run.

against_kafka.py HIGHWATER LIB WORK [--quick]

HIGHWATER is the command, LIB holds Kafka's jars, WORK is a directory for data. The load is Kafka's own ProducerPerformance and
ConsumerPerformance: one partition, three replicas, records of 100 bytes. Prints the machine and one table; the figures are of one run each, so
that ratios count, not numbers. Fails if something does not work, never because something is slow.
"""

import json
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

HIGHWATER, LIB, WORK = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]).resolve()
QUICK = "--quick" in sys.argv
RECORDS = 200_000 if QUICK else 2_000_000
CONSUMED = 1_000_000 if QUICK else 10_000_000
PARTITIONS = 1_000 if QUICK else 10_000
SESSION_S = 3.0
JAVA = ["java", "-XX:+UseSerialGC", "-cp", f"{LIB}/*"]
BROKER_HEAP = ["-Xms32m", "-Xmx256m", "-XX:TieredStopAtLevel=4", "-Xss512k"]

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


def fail(what):
    raise SystemExit(f"FAILED: {what}")


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


def tool(name, *options, seconds=600):
    return run([*JAVA, "-Xmx512m", f"org.apache.kafka.tools.{name}", *options], seconds)


class Cluster:
    """Three combined nodes of one system."""

    def __init__(self, name):
        self.name = name
        self.work = WORK / name
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        ports = free_ports(6)
        self.ports = ports[:3]
        self.bootstrap = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        voters = ",".join(f"{node}@127.0.0.1:{port}" for node, port in enumerate(ports[3:], 1))
        for node in range(1, 4):
            directory = self.work / f"data-{node}"
            text = PROPERTIES.format(node=node, voters=voters, port=ports[node - 1], controller=ports[node + 2], directory=directory)
            (self.work / f"{node}.properties").write_text(text)
        self.processes = {}
        identity = self.command("storage", "random-uuid").strip().splitlines()[-1]
        for node in range(1, 4):
            self.command("storage", "format", "-t", identity, "-c", str(self.work / f"{node}.properties"))

    def command(self, *words):
        if self.name == "kafka":
            return run([*JAVA, "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", *words[1:]])
        return run([HIGHWATER, *words])

    def start(self, node):
        out = open(self.work / f"{node}.txt", "a")
        properties = str(self.work / f"{node}.properties")
        if self.name == "kafka":
            command = [*JAVA, *BROKER_HEAP, "kafka.Kafka", properties]
        else:
            command = [HIGHWATER, "broker", properties]
        self.processes[node] = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)

    def kill(self, node, how=signal.SIGKILL):
        process = self.processes.pop(node)
        process.send_signal(how)
        process.wait(60)

    def stop(self):
        for node in list(self.processes):
            self.kill(node)

    def memory_mb(self):
        sizes = []
        for process in self.processes.values():
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            sizes.append(int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024)
        return max(sizes)

    def create(self, topic, partitions=1):
        tool("TopicCommand", "--bootstrap-server", self.bootstrap, "--create", "--topic", topic, "--partitions", str(partitions), "--replication-factor", "3")

    def first_acknowledged(self):
        """Starts the nodes; seconds until the first record that all have."""
        begin = time.monotonic()
        for node in range(1, 4):
            self.start(node)
        command = ["kcat", "-b", self.bootstrap, "-P", "-t", "first", "-X", "acks=all", "-X", "reconnect.backoff.ms=5",
                   "-X", "reconnect.backoff.max.ms=20", "-X", "retry.backoff.ms=5", "-X", "topic.metadata.refresh.fast.interval.ms=10",
                   "-X", "message.timeout.ms=60000", "-X", "log_level=0"]
        while True:
            done = subprocess.run(command, input=b"first\n", stderr=subprocess.DEVNULL, timeout=90)
            if done.returncode == 0:
                return time.monotonic() - begin
            if time.monotonic() - begin > 60:
                fail(f"{self.name}: no record was acknowledged within 60 s")

    def leaders(self, topic):
        """Leader and ISR by partition."""
        done = subprocess.run(["kcat", "-b", self.bootstrap, "-L", "-J", "-t", topic, "-m", "2"], capture_output=True, text=True)
        if done.returncode != 0:
            return {}
        found = json.loads(done.stdout)["topics"][0]["partitions"]
        return {one["partition"]: (one["leader"], {isr["id"] for isr in one["isrs"]}) for one in found}


def produce(cluster, topic, acks, records, throughput=-1, size=100):
    out = tool("ProducerPerformance", "--topic", topic, "--num-records", str(records), "--record-size", str(size), "--throughput", str(throughput),
               "--producer-props", f"bootstrap.servers={cluster.bootstrap}", f"acks={acks}", "linger.ms=5", "enable.idempotence=false")
    last = out.strip().splitlines()[-1]
    rate = float(re.search(r"([\d.]+) records/sec", last)[1])
    p99 = float(re.search(r"([\d.]+) ms 99th", last)[1])
    return rate, p99


def consume(cluster, topic, records):
    out = tool("ConsumerPerformance", "--bootstrap-server", cluster.bootstrap, "--topic", topic, "--messages", str(records), "--hide-header",
               "--timeout", "60000")
    fields = [field.strip() for field in out.strip().splitlines()[-1].split(",")]
    # start, end, MB, MB/s, records, records/s, rebalance ms, fetch ms, fetch MB/s, fetch records/s
    return float(fields[9])


def fail_over(cluster, topic):
    """Seconds after kill -9 of the leader of partition 0 until every partition has a leader that lives."""
    wait(lambda: all(len(isr) == 3 for _, isr in cluster.leaders(topic).values()), f"{cluster.name}: all replicas of {topic} in sync")
    dead = cluster.leaders(topic)[0][0]
    begin = time.monotonic()
    cluster.kill(dead)

    def moved():
        leaders = cluster.leaders(topic)
        return leaders and all(leader not in (dead, -1) for leader, _ in leaders.values())

    wait(moved, f"{cluster.name}: new leaders of {topic}")
    took = time.monotonic() - begin
    cluster.start(dead)
    return took


def wait(condition, what, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            fail(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def measure(name, half_load):
    """All figures of one system. `half_load` is a rate, or None to take half of what this system does with acks=all."""
    cluster, figures = Cluster(name), {}
    try:
        figures["start to first acknowledged record, s"] = cluster.first_acknowledged()
        time.sleep(2)
        figures["memory of a node idle, MB"] = cluster.memory_mb()
        cluster.create("perf")
        produce(cluster, "perf", "all", RECORDS // 4)  # warms both sides
        figures["acks=all, records/s"], _ = produce(cluster, "perf", "all", RECORDS)
        figures["acks=1, records/s"], _ = produce(cluster, "perf", "1", RECORDS)
        half_load = half_load or figures["acks=all, records/s"] / 2
        _, figures["p99 at half of Kafka's load, acks=all, ms"] = produce(cluster, "perf", "all", int(half_load * 15), int(half_load))
        figures["memory of a node under load, MB"] = cluster.memory_mb()
        produce(cluster, "perf", "1", max(0, CONSUMED - 2 * RECORDS - RECORDS // 4 - int(half_load * 15)) or 1)
        figures["consuming, records/s"] = consume(cluster, "perf", CONSUMED)
        figures["leadership back, 1 partition, s"] = fail_over(cluster, "perf")
        cluster.create("thousand", 1_000)
        figures["leadership back, 1,000 partitions, s"] = fail_over(cluster, "thousand")
        begin = time.monotonic()
        cluster.create("many", PARTITIONS)
        wait(lambda: len(leaders := cluster.leaders("many")) == PARTITIONS and all(leader >= 0 for leader, _ in leaders.values()), "leaders of all")
        figures[f"{PARTITIONS:,} partitions created, s"] = time.monotonic() - begin
        figures[f"memory of a node with {PARTITIONS:,} partitions, MB"] = cluster.memory_mb()
    finally:
        cluster.stop()
    return figures, half_load


def main():
    cores = os.cpu_count()
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    print(f"{cores} cores, {model}, Linux {platform.release()}; Kafka's client for both; {RECORDS:,} records a run", flush=True)
    kafka, half_load = measure("kafka", None)
    highwater, _ = measure("highwater", half_load)
    print(f"\n| figure | Kafka 4.3.1 | Highwater | ratio |\n|---|---|---|---|")
    for figure, theirs in kafka.items():
        ours = highwater[figure]
        print(f"| {figure} | {theirs:,.2f} | {ours:,.2f} | {ours / theirs:.2f} |")


main()
