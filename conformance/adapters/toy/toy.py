#!/usr/bin/env python3
"""The toy Raft (raft.py) under Highwater's conformance suite: an adapter, of which specs/adapter.md is the protocol.

Try it: highwater adapter check "python3 conformance/adapters/toy/toy.py"
"""
import json
import sys

from raft import Node

CAPABILITIES = ["processes", "lost-tails", "timers", "messages", "quorum", "votes", "no-pre-vote", "push",
                "opening-record", "eager-appends"]


class Refused(Exception):
    """Nothing happened: why."""


class World:
    """The nodes and what is under way: an act of the protocol a method."""

    def build(self, quorum, **_setup):
        self.nodes = {name: Node(name, quorum, self.send) for name in quorum}
        self.down, self.mail, self.ids = set(), {}, 0

    def send(self, sender, to, kind, body):
        self.ids += 1
        self.mail[self.ids] = (sender, to, kind, body)

    def node(self, name):
        if name in self.down:
            raise Refused(f"{name} is down")
        return self.nodes[name]

    def letter(self, message):
        if message not in self.mail:
            raise Refused(f"there is no message {message}")
        return self.mail[message]

    def kill(self, node):
        self.node(node)
        self.down.add(node)

    crash = kill  # What was not flushed is lost: there is nothing that was not.

    def start(self, node):
        if node not in self.down:
            raise Refused(f"{node} is up")
        self.down.remove(node)
        self.nodes[node].start()

    def expire(self, node):
        self.node(node).expire()

    def beat(self, node):
        self.node(node).beat()

    def pending(self):
        return [{"id": number, "kind": kind, "from": sender, "to": to, "text": json.dumps(body)}
                for number, (sender, to, kind, body) in self.mail.items()]

    def duplicate(self, message):
        sender, to, kind, body = self.letter(message)
        self.node(to).take(sender, kind, body)

    def deliver(self, message):
        self.duplicate(message)
        del self.mail[message]

    def lose(self, message):
        self.letter(message)
        del self.mail[message]

    def append(self, node, value):
        if self.node(node).role != "leader":
            raise Refused(f"{node} does not lead")
        self.nodes[node].append(value)

    def view(self, node):
        at = self.nodes[node]
        return dict(at.disk, role=at.role, leader=at.leader, committed=at.committed) if node not in self.down else None


def main():
    world = World()
    for line in sys.stdin:
        request = json.loads(line)
        number, act, answer = request.pop("id"), request.pop("do"), {}
        try:
            if act == "hello":
                answer["ok"] = {"version": 1, "name": "toy", "capabilities": CAPABILITIES}
            elif act == "bye" or hasattr(world, act):
                answer["ok"] = None if act == "bye" else getattr(world, act)(**request)
            else:
                answer["error"] = {"kind": "unsupported", "message": f"no {act} here"}
        except Refused as why:
            answer = {"error": {"kind": "refused", "message": str(why)}}
        print(json.dumps(dict(answer, id=number)), flush=True)
        if act == "bye":
            return


main()
