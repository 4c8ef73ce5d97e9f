#!/usr/bin/env python3
"""Ends the server with SIGKILL in the midst of writes, again and again: what it acknowledged is there afterwards.

Writers put, delete, count by check-and-set, and hold locks; each knows what it was told. After every restart the checker
holds the whole store against that: a write that was acknowledged has happened, one that was refused has not, one that was
cut off has or has not, and no index has gone back. At last the disk is full: writes are refused with the reason, reads go
on, and when there is room again so do writes.
"""

import base64
import http.client
import json
import os
import random
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import server
from harness import report, sandbox
from harness.waiting import until

ROUNDS = 20
SECONDS_PER_ROUND = 30
ROUND_WRITES = (1, 150)
KEYS = 25
HEAL_SECONDS = 15
# The log takes no writes when less than 32 MiB are free.
DISK = "48m"
CUT_OFF = (OSError, http.client.HTTPException)


class Cut(Exception):
    """The answer did not come: the write has happened, or it has not."""


class Tally:
    """How much was acknowledged, by all writers together; and what somebody found wrong."""

    def __init__(self):
        self.lock = threading.Lock()
        self.acknowledged = 0
        self.problems = []
        self.stopped = threading.Event()

    def count(self):
        with self.lock:
            self.acknowledged += 1

    def complain(self, text):
        with self.lock:
            self.problems.append(text)


class Writer:
    """One client. What it writes, nobody else writes."""

    def __init__(self, stage, tally, seed):
        self.stage, self.tally = stage, tally
        self.random = random.Random(seed)

    def run(self):
        """Writes until the server is gone."""
        while not self.tally.stopped.is_set():
            try:
                self.write()
            except Cut:
                return
            except Exception as problem:  # whatever ends a client early is a fault: nobody would look for what it had to find
                self.tally.complain(f"{type(self).__name__}: {problem!r}")
                return

    def ask(self, method, path, body=None):
        """The JSON of an acknowledged request."""
        try:
            status, _, content = self.stage.ask(method, path, body)
        except CUT_OFF:
            raise Cut from None
        assert status == 200, f"{method} {path}: {status} {content[:200]!r}"
        self.tally.count()
        return json.loads(content)

    def write(self):
        raise NotImplementedError

    def check(self, store):
        """Fails if the store, by key, is not what this client was told."""
        raise NotImplementedError


class Keys(Writer):
    """Puts and deletes. `allowed` has the values that a key may have; None is none."""

    def __init__(self, stage, tally, number):
        super().__init__(stage, tally, f"keys {number}")
        self.prefix = f"keys/{number}/"
        self.allowed = {f"{self.prefix}{key}": {None} for key in range(KEYS)}
        self.written = 0

    def write(self):
        key = self.random.choice(list(self.allowed))
        self.written += 1
        value = None if self.random.random() < 0.2 else f"{self.written} " + "x" * self.random.choice((0, 10, 5000))
        self.allowed[key].add(value)
        self.ask("DELETE" if value is None else "PUT", "/v1/kv/" + key, value)
        self.allowed[key] = {value}

    def check(self, store):
        for key, allowed in self.allowed.items():
            value = store[key].value if key in store else None
            assert value in allowed, f"{key} is {value!r:.80}, not of {[str(one)[:80] for one in allowed]}"
            self.allowed[key] = {value}
        extra = {key for key in store if key.startswith(self.prefix)} - set(self.allowed)
        assert not extra, f"keys that nobody wrote: {extra}"


class Counter(Writer):
    """Counts by check-and-set, against a rival."""

    KEY = "counter"

    def __init__(self, stage, tally, number):
        super().__init__(stage, tally, number)
        self.done = self.cut = 0

    def write(self):
        try:
            status, _, content = self.stage.ask("GET", "/v1/kv/" + self.KEY)
        except CUT_OFF:
            raise Cut from None
        pair = json.loads(content)[0] if status == 200 else {"ModifyIndex": 0, "Value": base64.b64encode(b"0")}
        value = int(base64.b64decode(pair["Value"])) + 1
        self.cut += 1
        if self.ask("PUT", f"/v1/kv/{self.KEY}?cas={pair['ModifyIndex']}", str(value)):
            self.done += 1
        self.cut -= 1

    def check(self, store):
        """By `check_counters`: the value belongs to all of them."""


def check_counters(counters, store):
    value = int(store[Counter.KEY].value) if Counter.KEY in store else 0
    done, cut = (sum(getattr(one, name) for one in counters) for name in ("done", "cut"))
    assert done <= value <= done + cut, f"counted to {value}, but {done} were acknowledged and {cut} cut off"
    counters[0].done += value - done
    for counter in counters:
        counter.cut = 0


class Locks(Writer):
    """Makes a session, takes a key with it, and lets go, or ends the session."""

    def __init__(self, stage, tally, number):
        super().__init__(stage, tally, f"locks {number}")
        self.key = f"locks/{number}"
        self.session = None
        # The sessions that may hold the key, and those that certainly live or do not.
        self.holders, self.living, self.ended = {None}, set(), set()

    def write(self):
        if self.session is None:
            self.session = self.ask("PUT", "/v1/session/create", {"LockDelay": "0s"})["ID"]
            self.living.add(self.session)
            self.holders.add(self.session)
            assert self.ask("PUT", f"/v1/kv/{self.key}?acquire={self.session}", "held"), "a free lock was not to be had"
            self.holders = {self.session}
            return
        session, self.session = self.session, None
        self.holders.add(None)
        if self.random.random() < 0.5:
            assert self.ask("PUT", f"/v1/kv/{self.key}?release={session}"), "a held lock was not to be let go"
            self.holders = {None}
        self.living.discard(session)
        assert self.ask("PUT", "/v1/session/destroy/" + session) is True
        self.holders = {None}
        self.ended.add(session)

    def check(self, store):
        holder = store[self.key].session if self.key in store else None
        assert holder in self.holders, f"{self.key} is held by {holder}, not by one of {self.holders}"
        there = {session["ID"] for session in self.stage.read("/v1/session/list")}
        assert self.living <= there, f"sessions are lost: {self.living - there}"
        assert not self.ended & there, f"ended sessions are back: {self.ended & there}"
        assert holder is None or holder in there, f"{self.key} is held by a session that is not there"
        self.session, self.holders = holder, {holder}
        self.living = {holder} - {None}


class Reader(Writer):
    """What it has seen once stays: indexes only grow."""

    def __init__(self, stage, tally, number):
        super().__init__(stage, tally, number)
        self.index = 0
        self.seen = {}

    def write(self):
        try:
            status, index, content = self.stage.ask("GET", "/v1/kv/?recurse")
        except CUT_OFF:
            raise Cut from None
        if status == 200:
            self.compare(index, pairs(content))

    def check(self, store):
        _, index, _ = self.stage.ask("GET", "/v1/kv/?recurse")
        self.compare(index, store)

    def compare(self, index, store):
        assert index >= self.index, f"the index went back from {self.index} to {index}"
        self.index = index
        for key, pair in store.items():
            seen = self.seen.get(key)
            assert seen is None or pair.modified >= seen.modified, f"{key} went back from {seen} to {pair}"
            same = seen is None or pair.modified != seen.modified or pair == seen
            assert same, f"{key} changed but its index did not: {seen}, {pair}"
            self.seen[key] = pair


class Pair:
    """A key's value, holder and index."""

    def __init__(self, entry):
        self.value = base64.b64decode(entry["Value"] or "").decode()
        self.session = entry.get("Session")
        self.modified = entry["ModifyIndex"]

    def __eq__(self, other):
        return (self.value, self.session, self.modified) == (other.value, other.session, other.modified)

    def __repr__(self):
        return f"{self.value[:20]!r} of {self.session} at {self.modified}"


def pairs(content):
    return {entry["Key"]: Pair(entry) for entry in json.loads(content)}


def whole_store(stage):
    status, _, content = stage.ask("GET", "/v1/kv/?recurse&consistent")
    assert status in (200, 404), f"the store is not to be read: {status} {content[:200]!r}"
    return pairs(content) if status == 200 else {}


# ---------------------------------------------------------------------------------------------- rounds


def rounds(program, directory, count, seed):
    """Plays the rounds; returns how many writes were acknowledged."""
    stage = server.Server(program, directory)
    tally = Tally()
    chance = random.Random(seed)
    counters = [Counter(stage, tally, number) for number in range(2)]
    clients = [*(Keys(stage, tally, number) for number in range(3)), *(Locks(stage, tally, number) for number in range(2)),
               *counters, Reader(stage, tally, 0)]
    try:
        stage.start()
        for number in range(count):
            one_round(stage, tally, clients, counters, chance)
            assert not tally.problems, f"seed {seed}, round {number}: {tally.problems}"
    finally:
        tally.stopped.set()
        stage.kill()
    return tally.acknowledged


def one_round(stage, tally, clients, counters, chance):
    threads = [threading.Thread(target=client.run, daemon=True) for client in clients]
    enough = tally.acknowledged + chance.randint(*ROUND_WRITES)
    for thread in threads:
        thread.start()
    until(lambda: tally.acknowledged >= enough or tally.problems, SECONDS_PER_ROUND, "the writers do not get on")
    stage.kill()
    for thread in threads:
        thread.join(SECONDS_PER_ROUND)
        assert not thread.is_alive(), "a client still waits for a server that is gone"
    stage.start()
    store = whole_store(stage)
    for client in clients:
        client.check(store)
    check_counters(counters, store)


# ---------------------------------------------------------------------------------------------- full disk


def full_disk(program, directory):
    """Fills the disk, makes room again, and restarts."""
    data = os.path.join(directory, "data")
    os.makedirs(data)
    sandbox.mount(data, DISK)
    stage = server.Server(program, directory)
    filler = os.path.join(data, "filler")
    written = {}
    try:
        stage.start()
        put(stage, written, "before")
        fill(filler)
        status, content = refused(stage, written)
        assert status == 500 and b"no space for writes" in content, f"a full disk is answered with {status} {content!r}"
        assert {key: pair.value for key, pair in read_all(stage).items()} == written, "reads do not go on as before"
        os.remove(filler)
        until(lambda: stage.ask("PUT", "/v1/kv/healed", "yes")[0] == 200, HEAL_SECONDS, "there is room, but writes fail")
        written["healed"] = "yes"
        put(stage, written, "after")
        stage.kill()
        stage.start()
        left = {key: pair.value for key, pair in whole_store(stage).items()}
        assert left == written, "what is there is not what was acknowledged"
    finally:
        stage.kill()


def put(stage, written, name):
    for number in range(50):
        key = f"{name}/{number}"
        stage.write("/v1/kv/" + key, "x" * number)
        written[key] = "x" * number


def fill(path):
    with open(path, "wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 65536):
                pass
        except OSError:
            pass


def refused(stage, written):
    """Writes until one fails: what was in flight may still be taken. The first that failed."""
    for number in range(100):
        status, _, content = stage.ask("PUT", f"/v1/kv/filling/{number}", "y")
        if status != 200:
            return status, content
        written[f"filling/{number}"] = "y"
    raise AssertionError("a full disk takes a hundred writes more")


def read_all(stage):
    status, _, content = stage.ask("GET", "/v1/kv/?recurse&stale")
    assert status == 200, f"reads fail, too: {status} {content[:200]!r}"
    return pairs(content)


# ---------------------------------------------------------------------------------------------- command line


def play(job, program, directory):
    if job["name"] == "full disk":
        full_disk(program, directory)
        return ""
    return str(rounds(program, directory, job["rounds"], job["seed"]))


def main():
    parser = report.arguments(__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often the server is ended")
    parser.add_argument("--seed", type=int, default=1, help="of what is written, and of how much before the end")
    options = parser.parse_args()
    if options.worker:
        sandbox.work(options.worker, lambda job, directory: play(job, options.program, directory))
        return 0
    report.check_ground(options.program)
    names = report.chosen(["kill", "full disk"], options.names)
    jobs = [{"name": name, "rounds": options.rounds, "seed": options.seed} for name in names]
    passed = 0
    words = ["--program", os.path.abspath(options.program)]
    # Once only: one lost write in many rounds is the fault that this looks for.
    for job, result in sandbox.run_once(__file__, jobs, words, 2, SECONDS_PER_ROUND * (options.rounds + 10), fresh=True):
        report.show(job["name"], result, options.verbose)
        passed += result["ok"]
        if result["ok"] and job["name"] == "kill":
            print(f"kill: {job['rounds']} rounds, {result['detail']} acknowledged writes, all there ({result['seconds']:.0f} s)")
    return report.close(passed, len(jobs) - passed)


if __name__ == "__main__":
    sys.exit(main())
