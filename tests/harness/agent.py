"""Agents and commands of the program under test, or of the real one, inside a worker's namespace."""

import json
import os
import signal
import subprocess
import time

from . import report, rpc
from .waiting import until

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


def run(program, arguments, directory=".", env=None, seconds=60, stdin=None):
    """Runs a command to its end and returns it with text output; its environment is almost empty."""
    return subprocess.run(
        ["serf"] + list(arguments),
        executable=program,
        cwd=directory,
        env=dict(ENVIRONMENT, **(env or {})),
        stdin=subprocess.DEVNULL if stdin is None else stdin,
        capture_output=True,
        timeout=seconds,
        encoding="utf-8",
        errors="surrogateescape",
    )


class Agent:
    """One `serf agent` in a directory of its own, reached over RPC."""

    def __init__(self, program, name, address, directory, arguments=(), config=None, port=7946, rpc_port=7373, auth=None, env=None, argv=None):
        self.program = program
        self.name = name
        self.address = address
        self.port = port
        self.rpc_port = rpc_port
        self.auth = auth
        self.env = env or {}
        self.directory = directory
        self.arguments = list(arguments)
        self.recorded_argv = argv
        self.config = dict(config or {})
        if auth is not None:
            self.config["rpc_auth"] = auth
        self.process = None
        os.makedirs(directory, exist_ok=True)

    def __repr__(self):
        return self.name

    def argv(self):
        """The command line, without the program's name; a recorded one is used as it is."""
        if self.recorded_argv:
            return self.recorded_argv
        host = "[%s]" % self.address if ":" in self.address else self.address
        argv = ["agent", "-node=" + self.name]
        argv.append("-bind=%s:%d" % (host, self.port))
        argv.append("-rpc-addr=%s:%d" % (host, self.rpc_port))
        if self.config:
            self.write_config()
            argv.append("-config-file=agent.json")
        return argv + self.arguments

    def write_config(self):
        with open(os.path.join(self.directory, "agent.json"), "w") as file:
            json.dump(self.config, file)

    def start(self, wait=True):
        """Starts the process, again if it ran before, and waits until it answers RPC."""
        with open(self.path("stdout"), "ab") as out, open(self.path("stderr"), "ab") as err:
            self.process = subprocess.Popen(
                ["serf"] + self.argv(),
                executable=self.program,
                cwd=self.directory,
                env=dict(ENVIRONMENT, **self.env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        if wait:
            self.wait_ready()
        return self

    def path(self, name):
        return os.path.join(self.directory, name)

    def wait_ready(self, seconds=10):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError("%s ended with %s:\n%s" % (self.name, self.process.returncode, self.log()))
            try:
                self.client(seconds=2).close()
                return True
            except (OSError, rpc.Closed):
                return False

        until(ready, seconds, lambda _: "%s does not answer RPC:\n%s" % (self.name, self.log()))

    def client(self, seconds=5):
        return rpc.Client(self.address, self.rpc_port, self.auth, seconds, late_records=self.program == report.REAL)

    def call(self, command, body=None, seconds=15):
        """One command on a connection of its own."""
        with self.client() as client:
            return client.call(command, body, seconds)

    def cli(self, *arguments, program=None, seconds=60, env=None):
        """A command of the command line, addressed at this agent; `program` chooses whose command line."""
        words = list(arguments)
        host = "[%s]" % self.address if ":" in self.address else self.address
        words.insert(1, "-rpc-addr=%s:%d" % (host, self.rpc_port))
        if self.auth is not None:
            words.insert(2, "-rpc-auth=" + self.auth)
        return run(program or self.program, words, self.directory, env, seconds)

    def members(self):
        """The member records by name."""
        return {member["Name"]: member for member in self.call("members")["Members"]}

    def statuses(self):
        return {name: member["Status"] for name, member in self.members().items()}

    def sees(self, wanted, seconds=20):
        """Waits until the statuses are exactly these, `{name: status}`."""
        until(lambda: self.statuses() == wanted, seconds, lambda _: "%s sees %s, not %s" % (self, self.statuses(), wanted))

    def sees_status(self, name, status, seconds=30):
        """Waits until one member has this status; None means it is not listed."""
        until(
            lambda: self.statuses().get(name) == status,
            seconds,
            lambda _: "%s sees %s, wanted %s %s" % (self, self.statuses(), name, status),
        )

    def stats(self):
        return self.call("stats")

    def tags(self):
        return self.members()[self.name]["Tags"]

    def log(self):
        """Everything printed so far."""
        try:
            with open(self.path("stdout"), encoding="utf-8", errors="surrogateescape") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def log_lines(self):
        """The log lines without the four spaces in front."""
        return [line[4:] for line in self.log().splitlines() if line.startswith("    2")]

    def wait_log(self, text, seconds=20, count=1):
        until(
            lambda: self.log().count(text) >= count,
            seconds,
            lambda _: "%s never logged %r %d times; the log ends:\n%s" % (self, text, count, self.log()[-3000:]),
        )

    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=15):
        """Waits for the end and returns the exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError("%s still runs after %g s; the log ends:\n%s" % (self, seconds, self.log()[-2000:]))

    def kill(self):
        """SIGKILL, as a crash."""
        if self.running():
            self.process.kill()
        if self.process is not None:
            self.process.wait()

    def interrupt(self, seconds=15):
        """SIGINT, the graceful way out; returns the exit code."""
        self.signal(signal.SIGINT)
        return self.wait(seconds)

    def memory_kib(self):
        """Resident memory of the process."""
        with open("/proc/%d/status" % self.process.pid) as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        return 0

    def cpu_s(self):
        with open("/proc/%d/stat" % self.process.pid) as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def elapsed(action):
    """How long `action` takes, and what it returns."""
    started = time.monotonic()
    value = action()
    return time.monotonic() - started, value
