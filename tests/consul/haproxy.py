#!/usr/bin/env python3
"""HAProxy follows a service by the SRV records of DNS while `wrk` asks without a pause.

* planned: an instance is put in maintenance, 5 s later its process is stopped; no request is lost, ever. Then a new one
  comes and gets its share.
* killed: an instance ends by SIGKILL, its HTTP check runs every second; 5 s later no request is lost any more.

HAProxy itself checks nothing: what it knows of the instances, it knows from DNS.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import server
from harness import report, sandbox
from harness.waiting import holds, until

JOBS = ("planned", "killed")
JOB_SECONDS = 240
READY_SECONDS = 20
# What an operator is told to wait before the process is stopped, and until a failure is over.
GRACE_SECONDS = 5
CONNECTIONS = 16
INSTANCE_PORT = 9000
PROXY = "http://127.0.0.1:8080/"
# A server is asked for every half second; one that is no longer in the answer is not used from then on.
CONFIGURATION = """
global
    maxconn 256
    stats socket {directory}/control
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 30s
resolvers tribune
    nameserver ours 127.0.0.1:8600
    accepted_payload_size 8192
    resolve_retries 3
    timeout resolve 500ms
    timeout retry 500ms
    hold valid 500ms
    hold obsolete 0s
    hold nx 0s
    hold refused 30s
    hold timeout 30s
    hold other 30s
frontend web
    bind 127.0.0.1:8080
    default_backend web
backend web
    balance roundrobin
    server-template web 10 _web._tcp.service.consul resolvers tribune resolve-prefer ipv4 init-addr none
"""


class Backend:
    """One instance: a process that answers every request with its name."""

    def __init__(self, number):
        self.name, self.address = f"web-{number}", f"127.0.1.{number}"
        words = [sys.executable, os.path.abspath(__file__), "--instance", self.address, self.name]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
        until(self.is_open, READY_SECONDS, f"{self.name} does not listen")

    def is_open(self):
        with socket.socket() as probe:
            return probe.connect_ex((self.address, INSTANCE_PORT)) == 0

    def definition(self):
        check = {"HTTP": f"http://{self.address}:{INSTANCE_PORT}/", "Interval": "1s", "Timeout": "1s", "Status": "passing"}
        return {"ID": self.name, "Name": "web", "Address": self.address, "Port": INSTANCE_PORT, "Check": check}

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait()


def instance(address, name):
    """Answers requests, several on a connection, until it is ended."""
    import asyncio  # pylint: disable=import-outside-toplevel
    answer = f"HTTP/1.1 200 OK\r\nContent-Length: {len(name)}\r\n\r\n{name}".encode()

    async def serve(reader, writer):
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(answer)
                await writer.drain()
        except (OSError, EOFError):
            writer.close()

    async def run():
        listener = await asyncio.start_server(serve, address, INSTANCE_PORT)
        await listener.serve_forever()

    asyncio.run(run())


class Load:
    """`wrk` for some seconds, in the background."""

    def __init__(self, seconds):
        words = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", PROXY]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)

    def result(self):
        """How many were answered and how many were lost; it waits for the end."""
        text, _ = self.process.communicate()
        answered = int(re.search(r"(\d+) requests in", text).group(1))
        refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
        lost = (int(refused.group(1)) if refused else 0) + sum(map(int, errors.groups()) if errors else ())
        return answered, lost

    def runs(self):
        return self.process.poll() is None


class Stage:
    """An agent, three instances and HAProxy."""

    def __init__(self, program, directory):
        self.agent = server.Server(program, directory, ("-dev", "-client=127.0.0.1"))
        self.agent.start()
        self.backends = []
        for number in (1, 2, 3):
            self.add(number)
        path = os.path.join(directory, "haproxy.cfg")
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(directory=directory))
        self.proxy = subprocess.Popen(["haproxy", "-db", "-f", path], stdin=subprocess.DEVNULL)
        self.uses({"web-1", "web-2", "web-3"})

    def add(self, number):
        backend = Backend(number)
        self.agent.write("/v1/agent/service/register", backend.definition())
        self.backends.append(backend)
        return backend

    def uses(self, names, seconds=READY_SECONDS):
        """Waits until requests go to these instances and no others."""
        until(lambda: self.seen() == names, seconds, lambda _: f"requests go to {self.seen()} instead of {names}")

    @staticmethod
    def seen():
        found = set()
        for _ in range(9):
            try:
                with urllib.request.urlopen(PROXY, timeout=5) as answer:
                    found.add(answer.read().decode())
            except (urllib.error.URLError, OSError):
                found.add("nobody")
        return found

    def close(self):
        for process in (self.proxy, self.agent.process):
            process.kill()
            process.wait()
        for backend in self.backends:
            backend.end(signal.SIGKILL)


def pause(seconds, load):
    """Time that passes for operator and clients, who go on meanwhile."""
    holds(load.runs, seconds, "the load has ended too early")


def planned(stage):
    load = Load(GRACE_SECONDS * 3)
    pause(1, load)
    stage.agent.write("/v1/agent/service/maintenance/web-2?enable=true")
    pause(GRACE_SECONDS, load)
    stage.backends[1].end()
    stage.agent.write("/v1/agent/service/deregister/web-2")
    stage.uses({"web-1", "web-3"}, 1)
    stage.add(4)
    stage.uses({"web-1", "web-3", "web-4"}, GRACE_SECONDS)
    answered, lost = load.result()
    assert answered > 0 and lost == 0, f"{lost} requests were lost, {answered} answered"
    return f"{answered} requests, none lost"


def killed(stage):
    load = Load(GRACE_SECONDS + 1)
    pause(1, load)
    stage.backends[1].end(signal.SIGKILL)
    over = threading.Event()
    timer = threading.Timer(GRACE_SECONDS, over.set)
    timer.start()
    over.wait()
    after = Load(GRACE_SECONDS)
    (before_answered, before_lost), (answered, lost) = load.result(), after.result()
    assert stage.seen() == {"web-1", "web-3"}, stage.seen()
    assert answered > 0 and lost == 0, f"{lost} requests were lost later than {GRACE_SECONDS} s, {answered} answered"
    return f"{before_lost} of {before_answered} requests lost in {GRACE_SECONDS} s, none of {answered} afterwards"


def play(job, program, directory):
    stage = Stage(program, directory)
    try:
        return {"planned": planned, "killed": killed}[job](stage)
    finally:
        stage.close()


def main():
    if sys.argv[1:2] == ["--instance"]:
        instance(*sys.argv[2:])
        return 0
    parser = report.arguments(__doc__.split("\n", 1)[0])
    options = parser.parse_args()
    if options.worker:
        sandbox.work(options.worker, lambda job, directory: play(job, options.program, directory))
        return 0
    report.check_ground(options.program)
    missing = [name for name in ("haproxy", "wrk") if shutil.which(name) is None]
    jobs = report.chosen(JOBS, options.names)
    if missing:
        print("not installed:", *missing)
        return report.close(0, 0, len(jobs))
    passed = 0
    words = ["--program", os.path.abspath(options.program)]
    for job, result in sandbox.run_once(__file__, jobs, words, 1, JOB_SECONDS, fresh=True):
        report.show(job, result, options.verbose)
        passed += result["ok"]
        if result["ok"]:
            print(f"{job}: {result['detail']}")
    return report.close(passed, len(jobs) - passed)


if __name__ == "__main__":
    sys.exit(main())
