#!/usr/bin/env python3
"""Lets client libraries that others wrote drive our RPC.

Each program here makes every call that its library has, against agents in a private namespace, and checks what comes
back. With `--program /usr/bin/serf` the programs prove themselves against the real agent. The libraries come from their
registries, pinned by go.sum, requirements.txt and package-lock.json, into `target/clients`.
"""

import base64
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from harness import agent as agents
from harness import libraries, report, sandbox
from harness.libraries import quietly
from harness.waiting import until

BUILT = os.path.join(report.ROOT, "target", "clients")
VENV = os.path.join(BUILT, "python")
SECONDS = 60
TOKEN = "s3cret"
KEY = base64.b64encode(bytes(range(16))).decode()
ANOTHER_KEY = base64.b64encode(bytes(range(100, 116))).decode()
HANDLERS = ["query:load=printf 0.42", "query:echo=cat"]


class Program:
    """How one library is driven, and whether its program joins, and ends the agent, by itself."""

    def __init__(self, command, joins, leaves):
        self.command = command
        self.joins = joins
        self.leaves = leaves


PROGRAMS = {
    "go: github.com/hashicorp/serf/client": Program([os.path.join(BUILT, "go-client")], True, True),
    "python: serfio": Program([os.path.join(VENV, "bin", "python"), os.path.join(HERE, "python", "with_serfio.py")], False, False),
    "python: serfclient": Program([os.path.join(VENV, "bin", "python"), os.path.join(HERE, "python", "with_serfclient.py")], True, False),
    "node: serf-rpc": Program(["node", os.path.join(BUILT, "node", "main.js")], True, True),
}


def build():
    """Fetches the libraries, unless they are there, and builds what must be built."""
    os.makedirs(BUILT, exist_ok=True)
    quietly(["go", "build", "-mod=readonly", "-o", os.path.join(BUILT, "go-client"), "."], os.path.join(HERE, "go"))
    pip = [os.path.join(VENV, "bin", "python"), "-m", "pip", "install", "--quiet", "--require-hashes"]
    if not os.path.exists(pip[0]):
        quietly([sys.executable, "-m", "venv", VENV], HERE)
    for name, more in (("build-requirements.txt", []), ("requirements.txt", ["--no-build-isolation"])):
        quietly(pip + more + ["--requirement", os.path.join(HERE, "python", name)], HERE)
    libraries.build_node(os.path.join(HERE, "node"), os.path.join(BUILT, "node"))


def play(name, directory, program):
    """Sets the stage, runs one program on it, and reports its checks as JSON."""
    driver = PROGRAMS[name]
    stage = []
    for number, tags, auth in ((1, {"role": "web", "dc": "east"}, TOKEN), (2, {"role": "db"}, None), (3, {"role": "db", "shard": "7"}, None)):
        config = {"tags": tags, "encrypt_key": KEY, "log_level": "debug", "event_handlers": HANDLERS if number > 1 else []}
        words = ["-profile=local"]
        if number == 3:
            words.append("-join=127.0.0.12")
        home = os.path.join(directory, "n%d" % number)
        stage.append(agents.Agent(program, "n%d" % number, "127.0.0.1%d" % number, home, words, config, auth=auth))
    try:
        for node in stage:
            node.start()
        if not driver.joins:
            stage[0].call("join", {"Existing": ["127.0.0.12"], "Replay": False})
            stage[0].sees({node.name: "alive" for node in stage})
        return json.dumps(drive(driver, stage))
    finally:
        for node in stage:
            node.kill()


def drive(driver, stage):
    driven, peer, victim = stage
    where = {
        "STAGE_RPC": "%s:%d" % (driven.address, driven.rpc_port),
        "STAGE_TOKEN": TOKEN,
        "STAGE_PEER": "%s:%d" % (peer.address, peer.port),
        "STAGE_KEY": KEY,
        "STAGE_ANOTHER_KEY": ANOTHER_KEY,
        "STAGE_VICTIM": str(victim.process.pid),
    }
    checks = libraries.checks_of(driver.command, where, SECONDS - 20)
    checks.append(afterwards(driver, driven, peer))
    return checks


def afterwards(driver, driven, peer):
    """The agent lives on, or has left and ended, as its client wanted; its peer saw nothing else."""
    try:
        if driver.leaves:
            code = driven.wait()
            assert code == 0, "the agent ended with %d" % code
            peer.sees_status("n1", "left")
        else:
            assert driven.running(), "the agent ended:\n" + driven.log()[-2000:]
            until(lambda: driven.call("members"), 5, "the agent answers no more")
            peer.sees_status("n1", "alive")
        assert "panic" not in driven.log(), driven.log()[-2000:]
    except AssertionError as problem:
        return "not ok agent-afterwards: %s" % problem
    return "ok agent-afterwards"


def main():
    parser = report.arguments(__doc__.split("\n", 1)[0])
    options = parser.parse_args()
    if options.worker:
        sandbox.work(options.worker, lambda name, directory: play(name, directory, options.program))
        return 0
    report.check_ground(options.program)
    names = report.chosen(PROGRAMS, options.names)
    build()
    passed, failed = libraries.run(__file__, names, options, SECONDS)
    return report.close(passed, failed)


if __name__ == "__main__":
    sys.exit(main())
