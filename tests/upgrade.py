#!/usr/bin/env python3
"""The steps of docs/upgrade-from-serf.md, taken literally: the binary is swapped in place.

Every member runs a file of its own named `serf`, first a copy of the real one. Swapping is copying over that file; the
configuration, snapshot, keyring and tags files stay as they are. `--program` is what is upgraded to.

Gossip is best effort, and the real agent sends a message just twice in a cluster of three: an event that missed a member
comes with a full exchange (every 15 s), a query never does. What goes round is waited for that long, or asked again.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import agent as agents
from harness import report, sandbox
from harness.waiting import holds, until
from mixed.stage import clocks_agree

SECONDS = 300
# How long gossip, and what asks over it, may take.
ROUND_S = 45
# The real agent writes its snapshot with the first event that comes so long after the last write.
FLUSH_S = 0.5
KEY = base64.b64encode(bytes(range(32))).decode()
NEW_KEY = base64.b64encode(bytes(range(50, 82))).decode()
HANDLER = 'user=echo "$SERF_USER_EVENT" >> seen'
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


class Member(agents.Agent):
    """A member as an operator has it: `serf agent -config-dir`, with all that it keeps in files."""

    def __init__(self, number, folder, config):
        name = "n%d" % number
        home = os.path.join(folder, name)
        own = {
            "node_name": name,
            "profile": "local",
            "snapshot_path": os.path.join(home, "snapshot"),
            "keyring_file": os.path.join(home, "keyring"),
            "tags_file": os.path.join(home, "tags"),
            "event_handlers": [HANDLER, "query:load=printf %s" % name],
        }
        binary = os.path.join(home, "bin", "serf")
        super().__init__(binary, name, "127.0.0.1%d" % number, home, ["-config-dir=conf.d"], None)
        os.makedirs(os.path.dirname(binary))
        os.makedirs(self.path("conf.d"))
        self.configure(dict(own, **config))
        with open(self.path("keyring"), "w") as file:
            json.dump([KEY], file)
        self.swap(report.REAL)

    def configure(self, config):
        self.settings = {key: value for key, value in config.items() if value is not None}
        with open(os.path.join(self.path("conf.d"), "agent.json"), "w") as file:
            json.dump(self.settings, file)

    def swap(self, program):
        """Copies a program over the member's, as a package or `install` would."""
        shutil.copy(program, self.program + ".new")
        os.rename(self.program + ".new", self.program)

    def shell(self, *words, code=0):
        done = self.cli(*words)
        assert done.returncode == code, "%s: %s ended with %d: %s%s" % (self, words, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def settles(self, *words):
        """A command that asks all members, until all have answered in time."""
        done = None

        def succeeds():
            nonlocal done
            done = self.cli(*words)
            return done.returncode == 0

        until(succeeds, ROUND_S, lambda _: "%s: %s ends with %d: %s%s" % (self, words, done.returncode, done.stdout, done.stderr))

    def sees_event(self, name):
        until(lambda: name in self.seen(), ROUND_S, lambda _: "%s did not see the event %s, but %s" % (self, name, self.seen()))

    def seen(self):
        """The user events that the handler has noted."""
        try:
            with open(self.path("seen")) as file:
                return file.read().split()
        except FileNotFoundError:
            return []

    def told(self, *names):
        """Waits until the snapshot file names these members; the real agent writes it with the next event."""

        poked = None

        def poke():
            nonlocal poked
            if poked is None or time.monotonic() - poked > FLUSH_S:
                self.call("event", {"Name": "poke", "Payload": None, "Coalesce": False})
                poked = time.monotonic()
            with open(self.path("snapshot")) as file:
                text = file.read()
            return all("alive: %s " % name in text for name in names) and "event-clock: " in text

        until(poke, 30, "%s never wrote its snapshot" % self)

    def files(self):
        """A digest of everything that is kept on disk, but the program and what it prints."""
        found = {}
        for folder, _, names in os.walk(self.directory):
            for name in names:
                path = os.path.join(folder, name)
                if "/bin/" not in path and name not in ("stdout", "stderr", "seen"):
                    with open(path, "rb") as file:
                        found[path] = hashlib.sha256(file.read()).hexdigest()
        return found


class Cluster:
    def __init__(self, folder, program, **config):
        self.program = program
        self.members = [Member(number, folder, config) for number in (1, 2, 3)]

    def start(self):
        """Three real members, with run-time tags, a rotated key and a few events behind them."""
        first = self.members[0]
        for member in self.members:
            member.start()
            if member is not first:
                member.shell("join", first.address)
        self.whole()
        for member in self.members:
            member.settles("tags", "-set", "shard=" + member.name)
        first.settles("keys", "-install=" + NEW_KEY)
        first.settles("keys", "-use=" + NEW_KEY)
        clocks_agree(self.members, "event_time")
        first.shell("event", "-coalesce=false", "before")
        for member in self.members:
            member.sees_event("before")
            member.told(*[other.name for other in self.members if other is not member])
        return self

    def whole(self, seconds=30):
        for member in self.members:
            member.sees({other.name: "alive" for other in self.members}, seconds)

    def agree(self, round):
        """What the page says to look at between two members, from every member."""
        self.whole()
        names = sorted(member.name for member in self.members)
        until(lambda: len(set(self.tables())) == 1, ROUND_S, lambda _: "the tables of members differ: %s" % self.tables())
        for member in self.members:
            assert member.tags() == {"shard": member.name}, "%s has the tags %s" % (member, member.tags())
            until(
                lambda: "Successfully contacted all live nodes" in member.cli("reachability").stdout,
                ROUND_S,
                "%s does not reach everybody" % member,
            )
            until(lambda: self.every_key(member), ROUND_S, "%s does not list every key of every member" % member)
            until(
                lambda: self.ask(member) == (names, {name: name.encode() for name in names}),
                ROUND_S,
                lambda _: "%s got acks and answers %s" % (member, self.ask(member)),
            )
            # Who has joined ignores events older than the newest time that it was told: lawfully, if one is on its way.
            clocks_agree(self.members, "event_time")
            event = "%s-from-%s" % (round, member.name)
            member.shell("event", "-coalesce=false", event)
            for other in self.members:
                other.sees_event(event)
        for member in self.members:
            assert member.seen().count("before") == 1, "%s saw an old event again" % member

    def tables(self):
        return [tuple(rows(member.shell("members", "-detailed"))) for member in self.members]

    def ask(self, member):
        """Who acknowledges a query, and the answers by name."""
        with member.client() as client:
            acks, answers = client.query("load", timeout_s=0.5)
        return sorted(acks), answers

    def every_key(self, member):
        """Whether all members list both keys."""
        listed = member.cli("keys", "-list").stdout
        return all("%s  [%d/%d]" % (key, len(self.members), len(self.members)) in listed for key in (KEY, NEW_KEY))

    def stop(self):
        for member in self.members:
            member.kill()


def rows(table):
    """The lines of a table in a stable order, blanks and the order of tags left out."""
    return sorted(" ".join(line.split()) for line in table.splitlines())


def is_ours(member):
    return member.shell("version").splitlines()[2:3] != []


def clocks(member):
    found = member.stats()["serf"]
    return [int(found[name]) for name in ("member_time", "event_time", "query_time")]


@case
def configuration_is_checked_before(folder, program):
    """`-validate` takes the running member's configuration, and changes nothing."""
    member = Member(1, folder, {"rejoin_after_leave": True})
    member.start()
    member.told()
    member.interrupt()
    before = member.files()
    done = agents.run(program, ["agent", "-validate", "-bind=127.0.0.11", "-config-dir=conf.d"], member.directory)
    assert done.returncode == 0, done.stdout
    assert member.files() == before, "files were changed"
    member.configure(dict(member.settings, retry_jion=["127.0.0.11"]))
    done = agents.run(program, ["agent", "-validate", "-config-dir=conf.d"], member.directory)
    assert done.returncode == 1 and "retry_jion" in done.stdout and "retry_join" in done.stdout, done.stdout


def rolling(cluster, end):
    """Every member to the new program, then every one back, with a look around after each."""
    assert not any(is_ours(member) for member in cluster.members)
    for round, program in (("there", cluster.program), ("back", report.REAL)):
        for member in cluster.members:
            times = clocks(member)
            others = [other for other in cluster.members if other is not member]
            member.told(*[other.name for other in others])
            end(member, others)
            member.swap(program)
            member.start()
            cluster.whole()
            assert is_ours(member) == (program != report.REAL)
            later = clocks(member)
            assert all(now >= then - 1 for now, then in zip(later, times)), "clocks went from %s to %s" % (times, later)
            cluster.agree("%s-%s" % (round, member.name))


@case
def rolling_with_leaves_there_and_back(folder, program):
    cluster = Cluster(folder, program, rejoin_after_leave=True)

    def leave(member, others):
        assert member.interrupt() == 0, member.log()[-1500:]
        for other in others:
            other.sees_status(member.name, "left")

    try:
        rolling(cluster.start(), leave)
    finally:
        cluster.stop()


@case
def rolling_with_kills_there_and_back(folder, program):
    cluster = Cluster(folder, program)

    def kill(member, others):
        member.kill()
        for other in others:
            other.sees_status(member.name, "failed")

    try:
        rolling(cluster.start(), kill)
    finally:
        cluster.stop()


@case
def retry_join_finds_the_cluster(folder, program):
    """After a leave, `retry_join` brings the new member back without any `-join`."""
    cluster = Cluster(folder, program, retry_join=["127.0.0.11", "127.0.0.12"], retry_interval="30s")
    try:
        cluster.start()
        member = cluster.members[2]
        member.shell("leave")
        member.wait()
        member.swap(program)
        member.start()
        cluster.whole()
    finally:
        cluster.stop()


@case
def without_either_a_join_is_needed(folder, program):
    cluster = Cluster(folder, program)
    try:
        cluster.start()
        member = cluster.members[2]
        member.interrupt()
        member.swap(program)
        member.start()
        holds(lambda: list(member.statuses()) == [member.name], 1.5, "it joined although it had left")
        member.interrupt()
        member.arguments.append("-join=127.0.0.11")
        member.start()
        cluster.whole()
    finally:
        cluster.stop()


@case
def way_back_needs_own_keys_removed(folder, program):
    """The old agent names the first key of ours that it does not know; without them it goes on."""
    member = Member(1, folder, {"encrypt_verify_incoming": True, "dead_node_reclaim_time": "1m", "label": "blue"})
    member.swap(program)
    member.start()
    member.told()
    member.interrupt()
    member.swap(report.REAL)
    refused = subprocess.run([member.program] + member.argv(), cwd=member.directory, capture_output=True, text=True, timeout=20)
    assert refused.returncode == 1 and "invalid keys" in refused.stdout, refused.stdout
    own = ("encrypt_verify_incoming", "dead_node_reclaim_time", "label")
    member.configure({key: value for key, value in member.settings.items() if key not in own})
    member.start()
    member.kill()


def play(name, folder, program):
    return CASES[name](folder, program)


def main():
    options = report.arguments(__doc__.split("\n", 1)[0]).parse_args()
    if options.worker:
        sandbox.work(options.worker, lambda name, folder: play(name, folder, options.program))
        return 0
    report.check_ground(options.program)
    if not os.access(report.REAL, os.X_OK):
        sys.exit("the real program is needed beside ours: install Debian's package `serf`")
    names = report.chosen(CASES, options.names)
    passed = 0
    arguments = ["--program", os.path.abspath(options.program)]
    for name, result in sandbox.run(__file__, names, arguments, options.width, SECONDS, fresh=True):
        report.show(name, result, options.verbose)
        passed += result["ok"]
    return report.close(passed, len(names) - passed)


if __name__ == "__main__":
    sys.exit(main())
