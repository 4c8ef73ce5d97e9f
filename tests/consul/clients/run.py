#!/usr/bin/env python3
"""Lets clients of Consul that others wrote drive our server.

HashiCorp's Go client, the npm package `consul`, py-consul with the tests that it comes with, curl, and Prometheus'
discovery, each against a fresh server in namespaces of its own. The libraries come from their registries, pinned by
go.sum, package-lock.json and requirements.txt, into `target/clients/consul`.
"""

import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.dirname(HERE), TESTS]
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import discovery
import plain
import server
from harness import report, sandbox

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
        node = os.path.join(BUILT, "node")
        os.makedirs(node, exist_ok=True)
        for name in ("package.json", "package-lock.json", "main.js"):
            shutil.copy(os.path.join(HERE, "node", name), node)
        quietly(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], node)
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


def quietly(command, directory):
    done = subprocess.run(command, cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit("%s ended with %d:\n%s%s" % (" ".join(command), done.returncode, done.stdout, done.stderr))


# ---------------------------------------------------------------------------------------------- clients


def drive(command, program, directory, words=server.DURABLE):
    """Runs a client's program against a server; returns its lines."""
    stage = server.Server(program, directory, words, SHORT_SESSIONS)
    stage.start()
    try:
        lines, code, complaint = finish(command, {"STAGE_HTTP": stage.address})
        bad = any(line.startswith("not ok ") for line in lines)
        if not lines or (code != 0) != bad:
            lines.append("not ok program: ended with %d: %s" % (code, complaint[-2000:]))
        alive = stage.process.poll() is None and "panicked" not in stage.log()
        lines.append("ok server-afterwards" if alive else "not ok server-afterwards: " + stage.log()[-2000:])
        return lines
    finally:
        stage.kill()


def finish(command, environment, directory=None):
    """(its lines about checks, exit code, the rest) of a client's program."""
    running = subprocess.Popen(command, env=dict(os.environ, NODE_NO_WARNINGS="1", **environment), cwd=directory,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        printed, complaint = running.communicate(timeout=SECONDS - 30)
    except subprocess.TimeoutExpired:
        running.kill()
        printed, complaint = running.communicate()
    lines = [line for line in printed.splitlines() if line.startswith(("ok ", "not ok "))]
    return lines, running.returncode, complaint + printed


def py_consul(program, directory):
    """The tests of py-consul; `python/conftest.py` starts our server where they start a container."""
    source = os.path.join(directory, PY_CONSUL)
    shutil.copytree(os.path.join(BUILT, PY_CONSUL), source)
    shutil.copy(os.path.join(HERE, "python", "conftest.py"), os.path.join(source, "conftest.py"))
    command = [os.path.join(VENV, "bin", "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts=",
               "tests"]
    where = {"STAGE_PROGRAM": program, "STAGE_SUITE": os.path.dirname(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
    lines, code, rest = finish(command, where, source)
    if not lines or (code != 0) != any(line.startswith("not ok ") for line in lines):
        lines.append("not ok program: ended with %d: %s" % (code, rest[-3000:]))
    return lines


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
    passed = failed = 0
    arguments = ["--program", os.path.abspath(options.program)]
    for name, result in sandbox.run(__file__, names, arguments, options.width, SECONDS, fresh=True):
        checks = json.loads(result["detail"]) if result["ok"] else ["not ok " + name + ": " + result["detail"]]
        good = sum(line.startswith("ok ") for line in checks)
        tries = ", at the second try" if "first" in result else ""
        print("%s: %d of %d checks as wanted (%.1f s)%s" % (name, good, len(checks), result["seconds"], tries))
        for line in checks:
            if options.verbose or line.startswith("not ok "):
                print("     " + line)
        passed += good
        failed += len(checks) - good
    return report.close(passed, failed)


if __name__ == "__main__":
    sys.exit(main())
