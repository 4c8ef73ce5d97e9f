"""The mixed-cluster suite's own small framework: tests by decorator, and the stage that they play on."""

import functools
import os

from harness import agent as agents
from harness import report
from harness.waiting import until

REAL, OURS = "real", "ours"

CASES = {}


class Case:
    def __init__(self, function, kinds, smoke, improvement, slow):
        self.function = function
        self.kinds = kinds
        self.smoke = smoke
        self.improvement = improvement
        self.slow = slow


def test(kinds=None, smoke=False, improvement=False, slow=False):
    """Registers a test under `module.function`.

    `kinds` is how many roles the function takes after the stage (1 or 2, each `real` or `ours`): it becomes one test for
    every assignment in which ours takes part. `improvement` marks what the real program is known not to do: such a test
    is left out when the program under test is the real one. `slow` tests begin first.
    """

    def register(function):
        name = "%s.%s" % (function.__module__.rsplit(".", 1)[-1], function.__name__)
        for roles in assignments(kinds):
            title = name + ("[%s]" % ",".join(roles) if roles else "")
            CASES[title] = Case(functools.partial(call, function, roles), roles, smoke, improvement, slow)
        return function

    return register


def call(function, roles, stage):
    return function(stage, *roles)


def assignments(kinds):
    return {None: [()], 1: [(OURS,)], 2: [(REAL, OURS), (OURS, REAL)]}[kinds]


class Stage:
    """Agents of both programs on addresses of one loopback network."""

    def __init__(self, program, directory):
        self.programs = {REAL: report.REAL, OURS: program}
        self.directory = directory
        self.agents = []

    def agent(self, name, kind, *arguments, join=None, start=True, profile="local", address=None, folder=None, **more):
        """An agent of this kind on the next free address, started unless told otherwise."""
        number = len(self.agents) + 1
        address = address or "127.0.0.%d" % (10 + number)
        folder = folder or "%s-%d" % (name, number)
        words = ["-profile=" + profile] + list(arguments)
        if join is not None:
            words.append("-join=%s:%d" % (join.address, join.port))
        directory = os.path.join(self.directory, folder)
        node = agents.Agent(self.programs[kind], name, address, directory, words, **more)
        node.kind = kind
        self.agents.append(node)
        return node.start() if start else node

    def cluster(self, *kinds, names=None, arguments=(), **more):
        """One agent per kind, joined to the first, every view whole."""
        names = names or ["n%d" % (number + 1) for number in range(len(kinds))]
        nodes = [self.agent(names[0], kinds[0], *arguments, **more)]
        for name, kind in zip(names[1:], kinds[1:]):
            nodes.append(self.agent(name, kind, *arguments, join=nodes[0], **more))
        whole(nodes)
        return nodes

    def clis(self):
        """The command lines of both programs."""
        return [self.programs[REAL], self.programs[OURS]]

    def stop(self):
        for node in self.agents:
            node.kill()


def whole(nodes, seconds=30):
    """Waits until every one of these sees exactly these, all alive."""
    wanted = {node.name: "alive" for node in nodes}
    for node in nodes:
        node.sees(wanted, seconds)


def clocks_agree(nodes, clock="member_time", seconds=30):
    """Waits until everybody has heard of the newest time: an order given before that may be older than what it undoes."""
    times = []

    def agree():
        times[:] = [node.stats()["serf"][clock] for node in nodes]
        return len(set(times)) == 1

    until(agree, seconds, lambda _: "%s stands at %s" % (clock, times))


def all_see(nodes, name, status, seconds=40):
    for node in nodes:
        node.sees_status(name, status, seconds)


def undisturbed(nodes, action, others=None):
    """Runs `action` and checks that no member was suspected dead, left or vanished meanwhile, by anybody's log."""
    marks = [len(node.log()) for node in nodes]
    value = action()
    for node, mark in zip(nodes, marks):
        assert node.running(), "%s ended:\n%s" % (node, node.log()[-3000:])
        trouble = [
            line
            for line in node.log()[mark:].splitlines()
            if any(word in line for word in ("EventMemberFailed", "EventMemberLeave", "EventMemberReap", "panic"))
        ]
        assert not trouble, "%s logged %s" % (node, trouble)
    whole(others or nodes)
    return value


def command(node, *words, program=None, code=0, **more):
    """A command of the command line that must end with `code`; returns what it printed."""
    done = node.cli(*words, program=program, **more)
    assert done.returncode == code, "%s ended with %s: %s%s" % (words, done.returncode, done.stdout, done.stderr)
    return done.stdout


class Stream:
    """A subscription to events of an agent, open until the test ends."""

    def __init__(self, node, kind="*"):
        self.client = node.client()
        self.client.call("stream", {"Type": kind})
        self.seq = self.client.next_seq

    def next(self, seconds=15):
        return self.client.record(self.seq, seconds)

    def wait(self, wanted, seconds=15):
        """The next record with these fields, whatever comes before it."""
        seen = []

        def matches():
            record = self.next(seconds)
            seen.append(record)
            return record if all(record.get(key) == value for key, value in wanted.items()) else None

        return until(matches, seconds, lambda _: "no record %s among %s" % (wanted, seen))

    def collect(self, names, seconds, complaint):
        """Reads an event of each of these names, in any order, and nothing else."""
        missing = set(names)
        while missing:
            try:
                name = self.next(seconds).get("Name")
            except AssertionError as problem:
                raise AssertionError("%s %s: %s" % (complaint, sorted(missing), problem))
            assert name in missing, "%s came, which is unknown or came before" % name
            missing.remove(name)

    def drain(self, until_name, seconds=15):
        """All records up to a user event of this name, which ends the list and is not part of it."""
        records = []
        while True:
            record = self.next(seconds)
            if record.get("Name") == until_name:
                return records
            records.append(record)
