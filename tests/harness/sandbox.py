"""Private namespaces, many at a time.

`run` starts workers with `unshare`: own network (a loopback device with multicast, nothing else), own host name
`testhost`, own mounts (`/run` and the working directory are empty and vanish with the worker), own process table
(whatever a job leaves behind ends with its worker). A worker is this program again, with `--worker`; it reads jobs from
standard input and writes results to standard output, one JSON value a line.
"""

import ctypes
import fcntl
import json
import os
import queue
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HOST_NAME = "testhost"
SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
IFF_UP, IFF_MULTICAST = 0x1, 0x1000


class Skipped(Exception):
    """Raised by a job that cannot run on this machine, with the reason."""


def available():
    """Why namespaces cannot be had here, or None."""
    if shutil.which("unshare") is None:
        return "`unshare` (util-linux) is not installed"
    probe = subprocess.run(unshare() + ["true"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return None if probe.returncode == 0 else "unshare: " + probe.stderr.strip()


def unshare():
    command = ["unshare", "--net", "--uts", "--mount", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return command if os.geteuid() == 0 else command + ["--map-root-user"]


def run(script, jobs, arguments=(), width=8, seconds=120, fresh=False):
    """Runs every job (any JSON value) and yields `(job, result)` as they end.

    A result is `{"ok": bool, "detail": text, "seconds": number}` (and `"skipped"`). `fresh` gives every job a worker of its
    own. A job that takes longer than `seconds` fails and its worker is ended. One that fails is run once more, alone on
    the machine: a fault comes back, a clock that many namespaces have slowed down does not. The second result counts and
    has the first one's text in `"first"`.
    """
    first = {}
    for job, result in run_once(script, jobs, arguments, width, seconds, fresh):
        if result["ok"]:
            yield job, result
        else:
            first[json.dumps(job)] = result["detail"]
    for job, result in run_once(script, map(json.loads, first), arguments, 1, seconds, fresh):
        yield job, dict(result, first=first[json.dumps(job)])


def run_once(script, jobs, arguments, width, seconds, fresh):
    waiting = queue.Queue()
    done = queue.Queue()
    jobs = list(jobs)
    for job in jobs:
        waiting.put(job)
    scratch = tempfile.mkdtemp(prefix="tribune-tests-")
    threads = [
        threading.Thread(target=feed, args=(script, arguments, scratch, waiting, done, seconds, fresh), daemon=True)
        for _ in range(min(width, len(jobs)))
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in jobs:
            yield done.get()
        for thread in threads:
            thread.join()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def feed(script, arguments, scratch, waiting, done, seconds, fresh):
    worker = None
    while True:
        try:
            job = waiting.get_nowait()
        except queue.Empty:
            break
        worker = worker or Worker(script, arguments, scratch)
        started = time.monotonic()
        result = worker.ask(job, seconds)
        if result is None:
            result = {"ok": False, "detail": "no result after %d s" % seconds}
        if fresh or result.pop("lost", False) or "no result" in result["detail"]:
            worker.end()
            worker = None
        result["seconds"] = time.monotonic() - started
        done.put((job, result))
    if worker:
        worker.end()


class Worker:
    def __init__(self, script, arguments, scratch):
        room = tempfile.mkdtemp(dir=scratch)
        command = unshare() + [sys.executable, os.path.abspath(script)] + list(arguments) + ["--worker", room]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.rest = b""

    def ask(self, job, seconds):
        try:
            self.process.stdin.write(json.dumps(job).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return {"ok": False, "detail": "the worker ended", "lost": True}
        deadline = time.monotonic() + seconds
        while b"\n" not in self.rest:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                return None
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                return {"ok": False, "detail": "the worker ended", "lost": True}
            self.rest += piece
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line)

    def end(self):
        self.process.kill()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def work(room, job_function):
    """The other side of `run`: sets the namespace up and serves jobs until the input ends.

    `job_function(job, directory)` returns a text to report, or raises.
    """
    enter(room)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for number, line in enumerate(sys.stdin):
        directory = os.path.join(room, str(number))
        os.mkdir(directory)
        os.chdir(directory)
        try:
            result = {"ok": True, "detail": job_function(json.loads(line), directory) or ""}
        except Skipped as reason:
            result = {"ok": True, "skipped": True, "detail": str(reason)}
        except AssertionError as problem:
            result = {"ok": False, "detail": str(problem) or traceback.format_exc()}
        except Exception:  # a job's own fault is a failed job, not a lost worker
            result = {"ok": False, "detail": traceback.format_exc()}
        answers.write(json.dumps(result) + "\n")
        answers.flush()


def enter(room):
    socket.sethostname(HOST_NAME)
    raise_loopback()
    mount("/run")
    mount(room)
    os.chdir(room)


def mount(path, size="64m"):
    """An empty file system over `path`, in this namespace only."""
    if not os.path.isdir(path):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", path.encode(), b"tmpfs", 0, ("size=" + size).encode()) != 0:
        raise OSError(ctypes.get_errno(), "mount tmpfs on " + path)


def raise_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP | IFF_MULTICAST))


def route_multicast():
    """Sends multicast of both families to the loopback device, as on the machine of the recordings."""
    for route in (
        ["route", "add", "224.0.0.0/4", "dev", "lo"],
        ["-6", "route", "add", "multicast", "ff00::/8", "dev", "lo", "table", "local"],
    ):
        subprocess.run(["ip", *route], check=False, stdin=subprocess.DEVNULL)
