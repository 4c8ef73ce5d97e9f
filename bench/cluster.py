"""Clusters of agents on loopback addresses, watched through their logs.

Every agent gets an address of its own (127.B.x.y) and writes its log to a pipe that one selector
reads, so that watching costs the agents nothing: a view is whole when the agent has logged a join
of every other member, an event has arrived when it is logged.
"""

import contextlib
import os
import re
import selectors
import signal
import socket
import subprocess
import time

JOIN = re.compile(rb"serf: EventMemberJoin: (\S+) ")
FAILED = re.compile(rb"serf: EventMemberFailed: (\S+) ")
LEFT = re.compile(rb"serf: EventMemberLeave(?: \(forced\))?: (\S+) ")
EVENT = re.compile(rb"agent: Received event: user-event: (\S+)")


def address(block, index):
    return f"127.{block}.{index // 250}.{index % 250 + 1}"


class Agent:
    def __init__(self, cluster, index, arguments):
        self.cluster, self.index = cluster, index
        self.name = f"n{index}"
        self.address = address(cluster.block, index)
        self.alive, self.failed, self.events = set(), [], {}
        self.rest = b""
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [cluster.program, "agent", f"-node={self.name}", f"-bind={self.address}",
             f"-rpc-addr={self.address}:7373", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"})
        os.set_blocking(self.process.stdout.fileno(), False)

    @property
    def pid(self):
        return self.process.pid

    def feed(self, data, now):
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            if found := JOIN.search(line):
                self.alive.add(found[1])
            elif found := FAILED.search(line):
                self.alive.discard(found[1])
                self.failed.append((now, found[1].decode()))
            elif found := LEFT.search(line):
                self.alive.discard(found[1])
            elif found := EVENT.search(line):
                self.events.setdefault(found[1].decode(), now)


class Cluster:
    """`program` is a serf-like binary; `block` the second byte of its addresses."""

    def __init__(self, program, block, arguments=()):
        self.program, self.block, self.arguments = program, block, list(arguments)
        self.agents = []
        self.selector = selectors.DefaultSelector()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for agent in self.agents:
            if agent.process.poll() is None:
                agent.process.kill()
        for agent in self.agents:
            agent.process.wait()
            agent.process.stdout.close()
        self.selector.close()

    def start(self, index, join=None):
        join = [f"-join={join}"] if join else []
        agent = Agent(self, index, [*self.arguments, *join])
        self.selector.register(agent.process.stdout, selectors.EVENT_READ, agent)
        self.agents.append(agent)
        return agent

    def stop(self, agent, with_signal=signal.SIGKILL):
        agent.process.send_signal(with_signal)
        agent.process.wait()
        self.selector.unregister(agent.process.stdout)
        agent.process.stdout.close()
        self.agents.remove(agent)
        return time.monotonic()

    def pump(self, seconds):
        for key, _ in self.selector.select(seconds):
            try:
                data = os.read(key.fd, 1 << 16)
            except BlockingIOError:
                continue
            if data:
                key.data.feed(data, time.monotonic())
            else:
                self.selector.unregister(key.fileobj)

    def wait(self, condition, seconds):
        """Until the condition holds; the seconds it took, or None at the deadline."""
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            if condition():
                return time.monotonic() - start
            self.pump(min(0.01, max(0.0, start + seconds - time.monotonic())))
        return time.monotonic() - start if condition() else None

    def idle(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.pump(left)

    def whole(self):
        count = len(self.agents)
        return all(len(agent.alive) >= count for agent in self.agents)

    def form(self, count, seconds=150):
        """Starts `count` agents, all joining the first at once; seconds until every view is
        whole, from the moment the last was started. None if that never happened."""
        first = self.start(0)
        assert self.wait(lambda: rpc_up(first.address), 20) is not None, "the first did not start"
        for index in range(1, count):
            self.start(index, join=first.address)
            self.pump(0)
        return self.wait(self.whole, seconds)


class NotFormed(Exception):
    """Agents that did not find together, in several attempts."""


@contextlib.contextmanager
def formed(program, block, count, arguments=(), attempts=4):
    """A cluster of `count` whose views are all whole. The real agent sometimes stalls on the way
    there; that is what `join` measures, so here it starts anew."""
    for attempt in range(attempts):
        with Cluster(program, block, arguments) as cluster:
            if cluster.form(count, 60) is not None:
                yield cluster
                return
        print(f"{program}: {count} agents not whole after 60 s, attempt {attempt + 1}", flush=True)
    raise NotFormed(f"{program}: {count} agents did not become one cluster")


@contextlib.contextmanager
def attention():
    """While this runs, the watcher goes before the agents, so that it sees what they do when they
    do it, and not when they leave it a processor. Without the right to that nothing changes."""
    own = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, own - 10)
    except PermissionError:
        pass
    try:
        yield
    finally:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, own)
        except PermissionError:
            pass


def load():
    """The load average of the last minute: how much else the machine had to do."""
    return os.getloadavg()[0]


def rpc_up(host):
    try:
        socket.create_connection((host, 7373), timeout=1).close()
        return True
    except OSError:
        return False


def members(host):
    """How many members an agent counts, by its RPC; None if it does not answer (yet)."""
    requests = bytes.fromhex("82a7436f6d6d616e64a968616e647368616b65a3536571"
                             "0181a756657273696f6e01"
                             "82a7436f6d6d616e64a57374617473a353657102")
    try:
        with socket.create_connection((host, 7373), timeout=1) as stream:
            stream.sendall(requests)
            answer = b""
            while True:
                _, found, value = answer.partition(b"\xa7members")
                # A short string: its length, then the digits.
                if found and value and len(value) > (value[0] & 31):
                    return int(value[1:1 + (value[0] & 31)])
                if not (data := stream.recv(4096)):
                    return None
                answer += data
    except OSError:
        return None


def status(pid):
    """VmRSS and private memory in KiB (written to, so no pages of the program's text), CPU seconds,
    voluntary switches and number of threads."""
    fields = {}
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            fields[name] = value.split()[0] if value.split() else ""
    private = 0
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as lines:
        for line in lines:
            if line.startswith("Private_Dirty:"):
                private = int(line.split()[1])
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        times = stat.read().rsplit(")", 1)[1].split()
    switches = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("voluntary_ctxt_switches"):
                    switches += int(line.split()[1])
    return {
        "rss": int(fields["VmRSS"]),
        "private": private,
        "cpu": (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK"),
        "switches": switches,
        "threads": int(fields["Threads"]),
    }
