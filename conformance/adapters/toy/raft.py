"""A toy Raft: a replica that is told what happens, and says what it sends. It knows nothing of the suite.

No snapshots, no changes of the voters, no batches; a record at a time.
"""


class Node:
    """One replica. What is in `disk` outlives a crash: everything is written there at once."""

    def __init__(self, name, names, send):
        self.name, self.names, self.post = name, names, send
        self.disk = {"epoch": 0, "voted": None, "log": []}
        self.start()

    def start(self):
        self.role, self.leader, self.committed = "unattached", None, 0
        self.votes, self.held, self.next = set(), {}, {}

    def others(self):
        return [name for name in self.names if name != self.name]

    def send(self, to, kind, **body):
        self.post(self.name, to, kind, dict(body, epoch=self.disk["epoch"]))

    def follow(self, epoch, leader=None):
        if epoch > self.disk["epoch"]:
            self.disk.update(epoch=epoch, voted=None)
        self.role, self.leader = "follower" if leader else "unattached", leader

    def last(self):
        log = self.disk["log"]
        return [log[-1]["epoch"] if log else 0, len(log)]

    def expire(self):
        if self.role == "leader":
            return
        self.follow(self.disk["epoch"] + 1)
        self.disk["voted"], self.role, self.votes = self.name, "candidate", {self.name}
        for other in self.others():
            self.send(other, "vote", last=self.last())
        self.count_votes()

    def count_votes(self):
        if len(self.votes) * 2 > len(self.names):
            self.role, self.leader = "leader", self.name
            self.held = {other: 0 for other in self.others()}
            self.next = {other: len(self.disk["log"]) for other in self.others()}
            self.append(None)

    def append(self, value):
        entry = {"epoch": self.disk["epoch"]}
        self.disk["log"].append(entry if value is None else dict(entry, value=value))
        self.beat()
        self.commit()

    def beat(self):
        for other in self.others() if self.role == "leader" else []:
            self.send_records(other)

    def send_records(self, to):
        at, log = self.next[to], self.disk["log"]
        self.send(to, "records", at=at, before=log[at - 1]["epoch"] if at else 0, records=log[at:at + 1],
                  committed=self.committed)

    def commit(self):
        ends = sorted([len(self.disk["log"]), *self.held.values()], reverse=True)
        end = ends[len(ends) // 2]
        # A majority holds it; only a record of this epoch commits by that, and what is before it with it.
        if end > self.committed and self.disk["log"][end - 1]["epoch"] == self.disk["epoch"]:
            self.committed = end

    def take(self, sender, kind, body):
        if body["epoch"] > self.disk["epoch"]:
            self.follow(body["epoch"])
        current = body["epoch"] == self.disk["epoch"]
        if kind == "vote":
            granted = current and self.disk["voted"] in (None, sender) and body["last"] >= self.last()
            if granted:
                self.disk["voted"] = sender
            self.send(sender, "vote-answer", granted=granted)
        elif kind == "vote-answer" and current and self.role == "candidate" and body["granted"]:
            self.votes.add(sender)
            self.count_votes()
        elif kind == "records" and current:
            self.follow(body["epoch"], sender)
            self.take_records(sender, body, self.disk["log"])
        elif kind == "position" and current and self.role == "leader":
            if body["fits"]:
                self.held[sender] = max(self.held[sender], body["end"])
                self.next[sender] = max(self.next[sender], self.held[sender])
                self.commit()
            elif body["at"] == self.next[sender]:
                self.next[sender] = max(body["end"], self.held[sender])
            if self.next[sender] < len(self.disk["log"]):
                self.send_records(sender)

    def take_records(self, sender, body, log):
        at = body["at"]
        if at > len(log) or (at and log[at - 1]["epoch"] != body["before"]):
            self.send(sender, "position", fits=False, at=at, end=min(len(log), at - 1))
            return
        for place, record in enumerate(body["records"], at):
            if place < len(log) and log[place]["epoch"] != record["epoch"]:
                del log[place:]
            if place == len(log):
                log.append(record)
        end = at + len(body["records"])
        self.committed = max(self.committed, min(body["committed"], end))
        self.send(sender, "position", fits=True, at=at, end=end)
