"""Programs under observation: started with an almost empty environment, read while they run, ended by process id."""

import os
import signal
import subprocess
import threading
import time

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}

# How long anything may take that the recording did at once. Only a hanging program gets this far.
PATIENCE = 20.0


class Process:
    """A running program and what it has printed so far."""

    def __init__(self, program, argv, cwd, env=None):
        self.argv = argv
        self.started = time.monotonic()
        self.popen = subprocess.Popen(
            argv, executable=program, cwd=cwd, env={**ENVIRONMENT, **(env or {})},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        self._changed = threading.Condition()
        self._output = {"stdout": b"", "stderr": b""}
        self._readers = [
            threading.Thread(target=self._read, args=(name, getattr(self.popen, name)), daemon=True)
            for name in self._output
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, name, pipe):
        while True:
            chunk = os.read(pipe.fileno(), 65536)
            with self._changed:
                self._output[name] += chunk
                self._changed.notify_all()
            if not chunk:
                return

    @property
    def age(self):
        """Seconds since the start."""
        return time.monotonic() - self.started

    @property
    def stdout(self):
        with self._changed:
            return self._output["stdout"].decode("utf-8", "surrogateescape")

    @property
    def stdout_bytes(self):
        with self._changed:
            return self._output["stdout"]

    @property
    def stderr(self):
        with self._changed:
            return self._output["stderr"].decode("utf-8", "surrogateescape")

    @property
    def running(self):
        return self.popen.poll() is None

    def wait_output(self, condition, patience=PATIENCE):
        """Waits until `condition(stdout)` holds; False if the program ended or the time is over before."""
        deadline = time.monotonic() + patience
        while True:
            if condition(self.stdout):
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            with self._changed:
                self._changed.wait(min(left, 0.05))
            if not self.running:
                self._drain()
                return condition(self.stdout)

    def wait_age(self, seconds):
        """Waits until so many seconds have passed since the start."""
        left = seconds - self.age
        if left > 0:
            time.sleep(left)

    def wait_exit(self, patience=PATIENCE):
        """The exit code, or None if the program still runs when the time is over."""
        try:
            self.popen.wait(patience)
        except subprocess.TimeoutExpired:
            return None
        self._drain()
        return self.popen.returncode

    def _drain(self):
        for reader in self._readers:
            reader.join(2.0)

    def signal(self, number):
        """Sends a signal; a program that has just ended does not mind."""
        if self.running:
            self.popen.send_signal(number)

    def end(self):
        """Kills the program if it runs, and collects it."""
        if self.running:
            self.popen.kill()
        self.popen.wait()
        self._drain()


class Result:
    """What a finished command left behind."""

    def __init__(self, process, seconds):
        self.exit_code = process.popen.returncode
        self.stdout = process.stdout
        self.stdout_bytes = process.stdout_bytes
        self.stderr = process.stderr
        self.seconds = seconds


def run(program, argv, cwd, env=None, sigint_after=None, ready=None):
    """Runs a command to its end. SIGINT goes out after so many seconds, but not before `ready(stdout)`."""
    process = Process(program, argv, cwd, env)
    if sigint_after is not None:
        process.wait_age(sigint_after)
        if ready:
            process.wait_output(ready, 5.0)
        process.signal(signal.SIGINT)
    if process.wait_exit(PATIENCE + 10.0) is None:
        process.end()
    return Result(process, process.age)


def listening(address, port, udp=False):
    """Whether a socket of this network namespace is bound to the address (asked without touching it)."""
    table = f"/proc/net/{'udp' if udp else 'tcp'}"
    packed = "".join(f"{int(part):02X}" for part in reversed(address.split(".")))
    wanted = {f"{packed}:{port:04X}", f"00000000:{port:04X}"}
    with open(table, encoding="ascii") as lines:
        next(lines)
        for line in lines:
            fields = line.split()
            if fields[1] in wanted and (udp or fields[3] == "0A"):
                return True
    return False


def wait_until(condition, patience=PATIENCE, interval=0.01):
    """Polls a condition; False if it does not come true in time."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval)
    return True
