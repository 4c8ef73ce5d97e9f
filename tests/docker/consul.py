#!/usr/bin/env python3
"""The image of the Consul agent in a real Docker engine: the contract of docs/consulnode.md.

    python3 tests/docker/consul.py [--binary PATH]

Starts its own dockerd in a network namespace of its own, so nothing of the host is touched. Wants
root, docker.io and debootstrap.
"""

import argparse
import json
import subprocess
import sys
import urllib.parse

from engine import RESULTS, STATIC, build, check, docker, play_in_engine, run, wait

IMAGE = "tribune/consulnode"
# One request, from outside the containers; what it prints is the status and the body.
REQUEST = """
import sys, urllib.error, urllib.request
method, url, body = sys.argv[1:]
request = urllib.request.Request(url, body.encode() if method == "PUT" else None, method=method)
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    answer = opener.open(request, timeout=5)
except urllib.error.HTTPError as error:
    answer = error
sys.stdout.write("%d %s" % (answer.status, answer.read().decode()))
"""
# Net bind service, in the masks of /proc/PID/status.
BELOW_1024 = 1 << 10


class Container:
    """One container that runs until it is removed."""

    def __init__(self, engine, name, *arguments, options=()):
        self.engine, self.name = engine, name
        docker("run", "-d", "--name", name, *options, IMAGE, *arguments)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        # After a failure its log is still wanted.
        if kind is None:
            docker("rm", "-f", self.name)

    def address(self):
        return docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", self.name).strip()

    def request(self, method, path, body=""):
        """The status and the body; None where nobody answers."""
        done = subprocess.run(
            ["nsenter", f"--net=/run/netns/{self.engine.namespace}", sys.executable, "-c", REQUEST,
             method, f"http://{self.address()}:8500/v1/{path}", body],
            capture_output=True, text=True)
        if done.returncode != 0:
            return None
        status, _, text = done.stdout.partition(" ")
        return int(status), text

    def wait_for_leader(self):
        def leads():
            answer = self.request("GET", "status/leader")
            return answer and answer[0] == 200 and json.loads(answer[1])
        return wait(f"{self.name} has a leader", leads, 30)

    def execute(self, *command):
        return docker("exec", self.name, *command)

    def agent(self):
        """What the kernel says of the agent's process: its command line, and the rows of status."""
        for name in self.execute("sh", "-c", "ls -d /proc/[0-9]*").split():
            words = docker("exec", self.name, "cat", f"{name}/cmdline", check=False).split("\0")
            if words[:2] == ["consul", "agent"]:
                rows = self.execute("cat", f"{name}/status").splitlines()
                return words[:-1], dict(row.split(":", 1) for row in rows)
        raise AssertionError(f"no agent runs in {self.name}")

    def owner(self, path):
        return self.execute("stat", "-c", "%u:%g", path).strip()


def once(*arguments, options=(), code=0):
    """What a container prints that ends by itself."""
    done = subprocess.run(["docker", "run", "--rm", *options, IMAGE, *arguments],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == code, f"exit {done.returncode}, not {code}: {done}"
    return done.stdout + done.stderr


def as_documented(engine):
    """Without any argument: a server in memory that everybody reaches, and that is not root."""
    with Container(engine, "plain") as node:
        node.wait_for_leader()
        written = node.request("PUT", "kv/greeting", "hello")
        assert written == (200, "true\n"), written
        read = node.request("GET", "kv/greeting?raw")
        assert read == (200, "hello"), read
        assert node.execute("consul", "kv", "get", "greeting") == "hello\n"
        words, status = node.agent()
        assert words == ["consul", "agent", "-data-dir=/consul/data", "-config-dir=/consul/config",
                         "-dev", "-client", "0.0.0.0"], words
        assert status["Uid"].split() == ["100"] * 4, status["Uid"]
        assert status["Gid"].split() == ["1000"] * 4, status["Gid"]
        assert status["Groups"].split() in ([], ["1000"]), status["Groups"]
        for capabilities in ("CapEff", "CapPrm", "CapAmb"):
            assert int(status[capabilities], 16) == 0, (capabilities, status[capabilities])
        for folder in ("/consul/data", "/consul/config"):
            assert node.owner(folder) == "100:1000", (folder, node.owner(folder))


def reaps(engine):
    """Orphans of programs that checks run are nobody's zombies."""
    with Container(engine, "reaper") as node:
        node.wait_for_leader()
        node.execute("sh", "-c", "sh -c 'sleep 0.1 & exec sleep 0'")

        def states():
            text = node.execute("sh", "-c", "cat /proc/[0-9]*/stat 2>/dev/null || true")
            return [line for line in text.splitlines() if "(sleep)" in line]
        wait("the orphan is gone", lambda: not states(), 10)


def keeps_data(engine):
    """A named volume holds the state over the container's end, also by its being killed."""
    server = ("agent", "-server", "-bootstrap-expect=1", "-client=0.0.0.0")
    docker("volume", "create", "kept")
    for way in ("stop", "kill"):
        with Container(engine, f"before-{way}", *server,
                       options=("-v", "kept:/consul/data")) as node:
            node.wait_for_leader()
            assert node.request("PUT", f"kv/{way}", "kept") == (200, "true")
            identity = json.loads(node.request("GET", "agent/self")[1])["Config"]["NodeID"]
            docker(way, node.name)
            ended = docker("inspect", "--format", "{{.State.ExitCode}}", node.name).strip()
            assert ended == {"stop": "1", "kill": "137"}[way], f"exit {ended} after {way}"
            with Container(engine, f"after-{way}", *server,
                           options=("-v", "kept:/consul/data")) as again:
                again.wait_for_leader()
                assert again.request("GET", f"kv/{way}?raw") == (200, "kept")
                now = json.loads(again.request("GET", "agent/self")[1])["Config"]["NodeID"]
                assert now == identity, f"{identity} became {now}"
                assert again.owner("/consul/data/node-id") == "100:1000"


def volume_of(owner, name, path):
    """A volume for a path, this owner's; an empty one the engine would give to the image's."""
    docker("volume", "create", name)
    docker("run", "--rm", "--entrypoint", "sh", "-v", f"{name}:{path}", IMAGE, "-c",
           f"touch {path}/notes && chown -R {owner} {path}")


def settings_from_outside(engine):
    """CONSUL_LOCAL_CONFIG, the interfaces, and a folder that root mounted."""
    volume_of("0:0", "roots", "/consul/config")
    local = json.dumps({"datacenter": "east", "node_meta": {"quote": "a 'b' \\ $HOME"},
                        "services": [{"name": "web", "port": 80}]})
    with Container(engine, "settings", "agent", "-server", "-bootstrap-expect=1",
                   options=("-e", f"CONSUL_LOCAL_CONFIG={local}", "-v", "roots:/consul/config",
                            "-e", "CONSUL_BIND_INTERFACE=eth0",
                            "-e", "CONSUL_CLIENT_INTERFACE=eth0")) as node:
        node.wait_for_leader()
        words, _ = node.agent()
        address = node.address()
        assert words[4:6] == [f"-bind={address}", f"-client={address}"], words
        about = json.loads(node.request("GET", "agent/self")[1])
        assert about["Config"]["Datacenter"] == "east", about["Config"]
        assert about["Meta"]["quote"] == "a 'b' \\ $HOME", about["Meta"]
        assert about["Member"]["Addr"] == address, about["Member"]
        assert "web" in json.loads(node.request("GET", "agent/services")[1])
        assert node.execute("cat", "/consul/config/local.json") == local + "\n"
        for path in ("/consul/config", "/consul/config/notes"):
            assert node.owner(path) == "100:1000", (path, node.owner(path))
    for variable in ("CONSUL_BIND_INTERFACE", "CONSUL_CLIENT_INTERFACE"):
        complaint = once("agent", "-dev", options=("-e", f"{variable}=eth7"), code=1)
        assert variable in complaint and "'eth7'" in complaint, complaint


def privileged_ports(engine):
    with Container(engine, "ports", "agent", "-dev", "-client=0.0.0.0",
                   options=("-e", "CONSUL_ALLOW_PRIVILEGED_PORTS=yes")) as node:
        node.wait_for_leader()
        _, status = node.agent()
        assert status["Uid"].split() == ["100"] * 4, status["Uid"]
        assert int(status["CapEff"], 16) == BELOW_1024, status["CapEff"]


def other_users(engine):
    """Who starts it as somebody else, or forbids the change, is left alone."""
    volume_of("12345:12345", "somebodys", "/consul/data")
    with Container(engine, "somebody", options=("--user", "12345:12345",
                                                "-v", "somebodys:/consul/data")) as node:
        node.wait_for_leader()
        _, status = node.agent()
        assert status["Uid"].split() == ["12345"] * 4, status["Uid"]
    assert once("consul", "version", options=("--user", "12345:12345")).startswith("Consul v")
    with Container(engine, "root", options=("-e", "CONSUL_DISABLE_PERM_MGMT=yes")) as node:
        node.wait_for_leader()
        _, status = node.agent()
        assert status["Uid"].split() == ["0"] * 4, status["Uid"]


def commands(engine):
    """Commands of consul, its flags, whole command lines, and anything else."""
    assert once("version").startswith("Consul v"), once("version")
    assert once("-version").startswith("Consul v")
    assert once("consul", "version") == once("version")
    assert once("id", "-u") == "0\n"
    assert once("sh", "-c", "echo $0 $1", "a", "b c") == "a b c\n"
    assert "kv put" in once("kv", "put", "-h")
    with Container(engine, "asked") as node:
        node.wait_for_leader()
        address = f"CONSUL_HTTP_ADDR=http://{node.address()}:8500"
        once("kv", "put", "two words", "a  b", options=("-e", address))
        assert once("kv", "get", "two words", options=("-e", address)) == "a  b\n"
        path = urllib.parse.quote("two words")
        assert node.request("GET", f"kv/{path}?raw") == (200, "a  b")
        members = once("members", options=("-e", address))
        name = node.execute("hostname").strip()
        assert name in members and "alive" in members, members
    # A whole command line gets nothing added.
    with Container(engine, "whole", "consul", "agent", "-dev", "-client=0.0.0.0") as node:
        node.wait_for_leader()
        words, status = node.agent()
        assert words == ["consul", "agent", "-dev", "-client=0.0.0.0"], words
        assert status["Uid"].split() == ["100"] * 4, status["Uid"]


def play(engine, binary):
    check("image from a base of our own and a binary built outside",
          lambda: build("consulnode", binary))
    if RESULTS["failed"] > 0:
        return
    for name, action in (
        ("starts as documented, not as root", as_documented),
        ("reaps orphans", reaps),
        ("a named volume keeps the data", keeps_data),
        ("settings from outside", settings_from_outside),
        ("ports below 1024", privileged_ports),
        ("other users", other_users),
        ("commands", commands),
    ):
        check(name, lambda action=action: action(engine))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=STATIC,
                        help="a static build in this checkout (default: that of `cargo static`)")
    options = parser.parse_args()
    play_in_engine("image of the Consul agent", lambda engine: play(engine, options.binary))


if __name__ == "__main__":
    main()
