"""A Docker engine of our own, and what the suites that use one have in common."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# What `cargo static` makes.
STATIC = f"{ROOT}/target/x86_64-unknown-linux-musl/release/tribune"
# Exit code of a suite that this machine cannot run.
NOT_RUN = 77
RESULTS = {"passed": 0, "failed": 0}


def run(*command, check=True, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit {done.returncode}\n"
                             f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def docker(*arguments, check=True):
    return run("docker", *arguments, check=check)


def wait(what, condition, seconds):
    """Until the condition gives something true; the value. Fails at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


class Engine:
    """A dockerd of our own, in a network namespace of its own."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="tribune-docker-")
        self.namespace = f"tribune-{os.getpid()}"

    def __enter__(self):
        run("ip", "netns", "add", self.namespace)
        run("ip", "-n", self.namespace, "link", "set", "lo", "up")
        self.log = open(f"{self.folder}/log", "w", encoding="utf-8")
        self.process = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{self.namespace}", "dockerd",
             "--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec",
             "--pidfile", f"{self.folder}/pid", "-H", f"unix://{self.folder}/socket"],
            stdout=self.log, stderr=self.log)
        os.environ["DOCKER_HOST"] = f"unix://{self.folder}/socket"
        try:
            # Where a container or a namespace may not be made, this fails for good.
            wait("dockerd answers", lambda: self.process.poll() is None and subprocess.run(
                ["docker", "info"], capture_output=True).returncode == 0, 60)
        except AssertionError:
            with open(f"{self.folder}/log", encoding="utf-8") as log:
                print(log.read()[-4000:], file=sys.stderr)
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        ids = docker("ps", "-aq", check=False).split()
        if ids:
            docker("rm", "-f", *ids, check=False)
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        subprocess.run(["ip", "netns", "delete", self.namespace], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def check(name, action):
    try:
        action()
    except (AssertionError, subprocess.SubprocessError, KeyError, OSError) as error:
        RESULTS["failed"] += 1
        print(f"FAILED {name}: {error}", flush=True)
        for node in docker("ps", "-a", "--format", "{{.Names}}", check=False).split():
            print(f"--- {node}", flush=True)
            subprocess.run(["docker", "logs", "--tail", "25", node], stderr=subprocess.STDOUT,
                           check=False)
    else:
        RESULTS["passed"] += 1
        print(f"ok {name}", flush=True)


def load_base():
    """The base image tribune/base: made by the first suite of a checkout, kept for the others."""
    script = f"{ROOT}/docker/base.sh"
    with open(script, "rb") as file:
        kept = f"{ROOT}/target/docker-base-{hashlib.sha256(file.read()).hexdigest()[:16]}.tar"
    if os.path.exists(kept):
        docker("load", "--input", kept)
        return
    run(script, "tribune/base")
    docker("save", "--output", f"{kept}.new", "tribune/base")
    os.replace(f"{kept}.new", kept)


def build(name, binary):
    """The image tribune/NAME of docker/NAME, from a base of our own and a binary built outside."""
    load_base()
    relative = os.path.relpath(binary, ROOT)
    run("docker", "build", "-q", "-t", f"tribune/{name}", "-f", f"docker/{name}/Dockerfile",
        "--build-arg", "BASE=tribune/base", "--build-arg", "BUILDER=tribune/base",
        "--build-arg", f"BINARY={relative}", ".", cwd=ROOT,
        env={**os.environ, "DOCKER_BUILDKIT": "0"})


def play_in_engine(title, play):
    """Plays a suite, which gets the engine, and ends the program."""
    try:
        engine = Engine().__enter__()
    except AssertionError as error:
        print(f"{title}: not run, no Docker engine starts on this machine ({error})")
        sys.exit(NOT_RUN)
    try:
        play(engine)
    finally:
        engine.__exit__()
    print(f"{title}: {RESULTS['passed']} passed, {RESULTS['failed']} failed")
    sys.exit(RESULTS["failed"] > 0)
