#!/usr/bin/env python3
"""Lets clients of Consul that others wrote drive our server.

HashiCorp's Go client, the npm package `consul`, py-consul with the tests that it comes with, curl, and Prometheus'
discovery, each against a fresh server in namespaces of its own. The libraries come from their registries, pinned by
go.sum, package-lock.json and requirements.txt, into `target/clients/consul`.
"""

import json
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.dirname(HERE), TESTS]
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import discovery
import plain
import server
from harness import libraries, report, sandbox
from harness.libraries import quietly

BUILT = os.path.join(report.ROOT, "target", "clients", "consul")
VENV = os.path.join(BUILT, "python")
# The source distribution: the wheel has no tests.
PY_CONSUL = "py_consul-1.8.0"
SECONDS = 300
# So that tests of sessions need not wait for the usual least time to live.
SHORT_SESSIONS = {"session_ttl_min": "1s"}


# ---------------------------------------------------------------------------------------------- libraries


def build(names):
    """Fetches the libraries of these clients, unless they are there, and builds what must be built."""
    os.makedirs(BUILT, exist_ok=True)
    if "go: api" in names or "prometheus: discovery" in names:
        for program in ("api", "discovery"):
            quietly(["go", "build", "-mod=readonly", "-o", os.path.join(BUILT, program), "./" + program], os.path.join(HERE, "go"))
    if "node: consul" in names:
        libraries.build_node(os.path.join(HERE, "node"), os.path.join(BUILT, "node"))
    if "python: py-consul" in names:
        build_python()


def build_python():
    python = os.path.join(VENV, "bin", "python")
    if not os.path.exists(python):
        quietly([sys.executable, "-m", "venv", VENV], HERE)
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    lists = os.path.join(HERE, "python")
    quietly(pip + ["install", "--require-hashes", "--requirement", os.path.join(lists, "requirements.txt")], HERE)
    source = os.path.join(BUILT, PY_CONSUL)
    if os.path.isdir(source):
        return
    quietly(pip + ["download", "--require-hashes", "--no-deps", "--no-binary=:all:", "--no-build-isolation", "--dest", BUILT,
                   "--requirement", os.path.join(lists, "source.txt")], HERE)
    quietly(["tar", "--extract", "--gzip", "--file", source + ".tar.gz", "--directory", BUILT], HERE)


# ---------------------------------------------------------------------------------------------- clients


def drive(command, program, directory, words=server.DURABLE):
    """Runs a client's program against a server; returns its lines."""
    stage = server.Server(program, directory, words, SHORT_SESSIONS)
    stage.start()
    try:
        lines = libraries.checks_of(command, {"STAGE_HTTP": stage.address}, SECONDS - 30)
        alive = stage.process.poll() is None and "panicked" not in stage.log()
        lines.append("ok server-afterwards" if alive else "not ok server-afterwards: " + stage.log()[-2000:])
        return lines
    finally:
        stage.kill()


def py_consul(program, directory):
    """The tests of py-consul; `python/conftest.py` starts our server where they start a container."""
    source = os.path.join(directory, PY_CONSUL)
    shutil.copytree(os.path.join(BUILT, PY_CONSUL), source)
    shutil.copy(os.path.join(HERE, "python", "conftest.py"), os.path.join(source, "conftest.py"))
    command = [os.path.join(VENV, "bin", "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts=",
               "tests"]
    where = {"STAGE_PROGRAM": program, "STAGE_SUITE": os.path.dirname(HERE)}
    return libraries.checks_of(command, where, SECONDS - 30, source)


CLIENTS = {
    "go: api": lambda program, directory: drive([os.path.join(BUILT, "api")], program, directory),
    "node: consul": lambda program, directory: drive(["node", os.path.join(BUILT, "node", "main.js")], program, directory),
    "python: py-consul": py_consul,
    "curl": plain.play,
    "prometheus: discovery": lambda program, directory: discovery.play(
        [os.path.join(BUILT, "discovery")], program, directory),
}


def main():
    options = report.arguments(__doc__.split("\n", 1)[0]).parse_args()
    if options.worker:
        sandbox.work(options.worker, lambda name, directory: json.dumps(CLIENTS[name](options.program, directory)))
        return 0
    report.check_ground(options.program)
    names = report.chosen(CLIENTS, options.names)
    build(names)
    passed, failed = libraries.run(__file__, names, options, SECONDS)
    return report.close(passed, failed)


if __name__ == "__main__":
    sys.exit(main())
