"""The server of a datacenter, the floor and the load for it, as processes that are measured.

Everything is at a loopback address of its own. What a process used is read from /proc, so that the
load, which is another process, is not in it.
"""

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import tempfile
import time

from cluster import status

PORT = 8500


class Daemon:
    """A process that answers HTTP at `host`."""

    def __init__(self, command, host, folder):
        self.host, self.folder = host, folder
        self.begun = time.monotonic()
        with open(os.path.join(folder, "log"), "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)

    @property
    def pid(self):
        return self.process.pid

    @property
    def address(self):
        return f"{self.host}:{PORT}"

    def status(self):
        return status(self.pid)

    def cpu(self):
        return self.status()["cpu"]

    def ran(self):
        """CPU seconds of the threads that live, to the nanosecond: for little use, where the ticks
        of cpu() are too long."""
        total = 0
        for thread in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{thread}/schedstat", encoding="ascii") as figures:
                total += int(figures.read().split()[0])
        return total / 1e9

    def ask(self, method, path, body=None, seconds=60):
        """Status, headers and body of one answer."""
        connection = http.client.HTTPConnection(self.host, PORT, timeout=seconds)
        with contextlib.closing(connection):
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def need(self, method, path, body=None):
        """The same; another status than 200 ends the measurement."""
        code, headers, answer = self.ask(method, path, body)
        if code != 200:
            raise RuntimeError(f"{method} {path}: {code} {answer[:200]!r}")
        return headers, answer

    def until(self, condition, seconds=30):
        """Asks until the condition holds; seconds since the start of the process."""
        while time.monotonic() - self.begun < seconds:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if condition(self):
                    return time.monotonic() - self.begun
            if self.process.poll() is not None:
                break
            time.sleep(0.0002)
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as log:
            raise RuntimeError(f"{self.address} is not ready: {log.read()[-800:]}")

    def quiet(self, seconds=120):
        """Waits until the process has nothing more to do: a second with 2 % of a core at most."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            before = self.cpu()
            time.sleep(1)
            if self.cpu() - before <= 0.02:
                return
        raise RuntimeError(f"{self.address} has not become quiet in {seconds} s")

    def kill(self):
        self.process.kill()
        self.process.wait()


class Bench:
    """Where the programs are, and one directory for all that they write."""

    def __init__(self, tribune, examples, folder):
        self.tribune, self.examples, self.folder = tribune, examples, folder
        self.daemons = []

    def close(self):
        for daemon in self.daemons:
            if daemon.process.poll() is None:
                daemon.kill()

    def launch(self, command, host, folder):
        daemon = Daemon(command, host, folder)
        self.daemons.append(daemon)
        return daemon

    @contextlib.contextmanager
    def directory(self):
        folder = tempfile.mkdtemp(dir=self.folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    def start_server(self, folder, dev=False, arguments=()):
        """A server of ours, not yet ready."""
        host = "127.93.0.1"
        way = ["-dev"] if dev else ["-server", "-bootstrap-expect=1", f"-data-dir={folder}/data"]
        return self.launch([self.tribune, "agent", *way, "-node=bench", f"-bind={host}",
                            f"-client={host}", "-log-level=err", *arguments], host, folder)

    @contextlib.contextmanager
    def server(self, dev=False, arguments=()):
        """A server of ours that leads."""
        with self.directory() as folder:
            daemon = self.start_server(folder, dev, arguments)
            try:
                daemon.until(leads)
                daemon.until(registered)
                yield daemon
            finally:
                daemon.kill()

    @contextlib.contextmanager
    def floor(self, answer=b""):
        """What answers every read with the same bytes."""
        with self.directory() as folder:
            with open(os.path.join(folder, "answer"), "wb") as file:
                file.write(answer)
            host = "127.94.0.1"
            daemon = self.launch([os.path.join(self.examples, "floor"), f"{host}:{PORT}",
                                  f"{folder}/ring", f"{folder}/answer"], host, folder)
            try:
                daemon.until(lambda daemon: daemon.ask("PUT", "/", b"x")[0] == 200)
                yield daemon
            finally:
                daemon.kill()

    def press(self, daemon, method, path, body="", connections=64, seconds=5.0, count=0, rate=0):
        """Presses a daemon: operations a second, median wait and CPU of each in microseconds."""
        before = daemon.cpu()
        report = self.load("press", daemon.address, connections, seconds, count, rate, method,
                           path, body)
        used = daemon.cpu() - before
        if report["failed"]:
            raise RuntimeError(f"{method} {path}: {report['failed']} answers were not 200")
        if count and report["operations"] != count:
            raise RuntimeError(f"{method} {path}: {report['operations']} of {count} in {seconds} s")
        return {"rate": report["operations"] / report["seconds"], "p50": report["p50"],
                "p99": report["p99"], "cpu": used * 1e6 / report["operations"],
                "operations": report["operations"], "seconds": report["seconds"], "used": used}

    def load(self, *arguments):
        output = subprocess.run([os.path.join(self.examples, "load"), *map(str, arguments)],
                                check=True, stdout=subprocess.PIPE).stdout
        return json.loads(output)

    @contextlib.contextmanager
    def parked(self, daemon, count, path, sources=64, seconds=30):
        """Reads that wait; the function that is given ends them, by a write or without."""
        process = subprocess.Popen(
            [os.path.join(self.examples, "load"), "park", daemon.address, str(count), str(sources),
             str(seconds), path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def end(write=""):
            process.stdin.write(write + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        try:
            if process.stdout.readline() != "parked\n":
                raise RuntimeError("the watchers could not be parked")
            daemon.quiet()
            yield end
        finally:
            process.kill()
            process.wait()


def leads(daemon):
    """Whether a leader is known."""
    code, _, answer = daemon.ask("GET", "/v1/status/leader")
    return code == 200 and len(answer) > 2


def registered(daemon):
    """Whether the server itself stands in the catalogue with its health."""
    code, _, answer = daemon.ask("GET", "/v1/health/node/bench")
    return code == 200 and b"serfHealth" in answer
