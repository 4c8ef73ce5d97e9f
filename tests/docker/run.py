#!/usr/bin/env python3
"""The demonstration cluster in a real Docker engine: the seven steps, and every way of losing the
primary.

    python3 tests/docker/run.py [--binary PATH] [--rounds N] [--ways stop,kill,pause,link]

Starts its own dockerd in a network namespace of its own, so nothing of the host is touched, and
makes every request from inside the containers. Prints the times of each round: when an observer saw
the loss, when another node served the address, and the gap that a client saw that asks ten times a
second. Wants root, docker.io, debootstrap and zsh.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import threading
import time

from engine import RESULTS, ROOT, STATIC, build, check, docker, play_in_engine, run, wait

ADDRESS = "172.17.0.99"
NODES = 5


def shell(command, program="bash"):
    return run(program, "-c", f". docker/rcSerfnode && {command}", cwd=ROOT)


def members(node):
    text = run("docker", "exec", node, "serf", "members", "-format=json", check=False)
    try:
        return {m["name"]: m for m in json.loads(text)["members"] or []}
    except ValueError:
        return {}


def primaries(node):
    return sorted(name for name, member in members(node).items()
                  if member["status"] == "alive" and member["tags"].get("role") == "primary")


def page(node):
    return run("docker", "exec", node, "curl", "-s", "-m", "1", f"http://{ADDRESS}/", check=False)


def holders():
    """The running, unfrozen containers that have the floating address."""
    names = docker("ps", "--filter", "label=tribune.serfnode", "--filter", "status=running",
                   "--format", "{{.Names}}").split()
    return sorted(name for name in names if f" {ADDRESS}/" in run(
        "docker", "exec", name, "ip", "-o", "address", check=False))


class Client:
    """Asks for the floating address ten times a second, from a container of its own."""

    SCRIPT = ("while :; do echo \"$(date +%s.%N) $(curl -s -m 0.4 http://" + ADDRESS +
              "/ | sed 's/<[^>]*>//g')\"; sleep 0.1; done")

    def __init__(self):
        docker("run", "-d", "--name", "client", "--entrypoint", "/bin/bash", "tribune/serfnode",
               "-c", self.SCRIPT)

    def answers(self, since=0.0):
        rows = []
        for line in docker("logs", "client").splitlines():
            at, _, text = line.partition(" ")
            if float(at) >= since:
                rows.append((float(at), text.strip()))
        return rows

    def gap(self, since):
        """The longest time without an answer since then."""
        good = [at for at, text in self.answers(since - 3) if text]
        return max((b - a for a, b in zip(good, good[1:])), default=0.0)


def lose(way, node):
    if way == "stop":
        # Not waited for: the agent hands over before the container has stopped.
        threading.Thread(target=docker, args=("stop", "--time", "20", node)).start()
    elif way == "kill":
        docker("kill", node)
    elif way == "pause":
        docker("pause", node)
    else:
        docker("exec", node, "ip", "link", "set", "eth0", "down")


def restore(way, node):
    if way in ("stop", "kill"):
        wait(f"{node} has ended", lambda: docker(
            "inspect", "--format", "{{.State.Running}}", node).strip() == "false", 30)
        docker("start", node)
    elif way == "pause":
        docker("unpause", node)
    else:
        docker("exec", node, "ip", "link", "set", "eth0", "up")


def one_round(way, client):
    before = primaries("serfnode4") or primaries("serfnode3")
    assert len(before) == 1, f"primaries before the round: {before}"
    lost = before[0]
    observer = next(f"serfnode{i}" for i in reversed(range(NODES)) if f"serfnode{i}" != lost)
    begin, mark = time.monotonic(), time.time()
    lose(way, lost)

    def seen():
        member = members(observer).get(lost)
        return member and member["status"] != "alive"

    def took_over():
        now = [name for name in primaries(observer) if name != lost]
        return now if now else None

    if way == "stop":
        new = wait("another primary", took_over, 30)
        takeover = time.monotonic() - begin
        wait(f"{lost} has left", lambda: members(observer)[lost]["status"] == "left", 30)
        detection = time.monotonic() - begin
    else:
        wait(f"{lost} is seen as failed", seen, 40)
        detection = time.monotonic() - begin
        new = wait("another primary", took_over, 20)
        takeover = time.monotonic() - begin
    assert len(new) == 1, f"two primaries: {new}"
    wait("the page names the new primary", lambda: new[0] in page(observer), 20)
    status = members(observer)[lost]["status"]
    expected = "left" if way == "stop" else "failed"
    assert status == expected, f"{lost} is {status}, not {expected}"
    wait("a client gets the new page", lambda: any(
        new[0] in text for _, text in client.answers(mark)), 20)
    gap = client.gap(mark)

    restore(way, lost)
    back = time.monotonic()
    wait(f"{lost} is back as standby", lambda: members(observer).get(lost, {}).get(
        "tags", {}).get("role") == "standby" and members(observer)[lost]["status"] == "alive", 60)
    settled = time.monotonic() - back
    wait("one holder", lambda: holders() == new, 30)
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        assert holders() == new, f"the address moved again: {holders()}"
        assert primaries(observer) == new, f"the role moved again: {primaries(observer)}"
        time.sleep(0.3)
    print(f"{way:<6} {lost} -> {new[0]}: {status} after {detection:5.2f} s, takeover "
          f"{takeover:5.2f} s, client's gap {gap:5.2f} s, back as standby {settled:5.2f} s",
          flush=True)
    return detection, takeover, gap


def seven_steps():
    settings = shell("serfnode-settings")
    assert f"SERFNODE_ADDRESS={ADDRESS}" in settings, settings
    out = shell(f"serf-start-cluster {NODES}")
    assert "+ docker run" in out, out
    table = run("docker", "exec", "serfnode4", "serf", "members")
    assert len(re.findall(r"\balive\b", table)) == NODES, table
    assert len(re.findall(r"\brole=standby\b", table)) == NODES - 1, table
    assert primaries("serfnode4") == ["serfnode0"], table
    assert "serfnode0" in page("serfnode4"), page("serfnode4")
    assert holders() == ["serfnode0"]


def a_life_in(program):
    """A small cluster in a network of its own, under `set -u`, from its start to nothing left."""
    environment = {**os.environ, "SERFNODE_PREFIX": f"{program}-", "SERFNODE_NETWORK": "own",
                   "SERFNODE_SUBNET": "10.99.0.0/24", "SERFNODE_ADDRESS": "10.99.0.99"}

    def say(command, expect=0, **changes):
        script = f"set -u; . docker/rcSerfnode; {command}"
        done = subprocess.run([shutil.which(program), "-c", script], cwd=ROOT, text=True,
                              capture_output=True, env={**environment, **changes})
        assert done.returncode == expect, done
        return done.stdout + done.stderr

    assert "SERFNODE_ADDRESS=10.99.0.99" in say("serfnode-settings")
    assert "usage" in say("serf-start-node x", expect=1)
    for function in ("serf-start-cluster 2", "serf-start-node 1", "serf-stop-node 1", "serf-clean"):
        assert "apt-get install docker.io" in say(function, expect=1, PATH="/nowhere"), function
        nobody = say(function, expect=1, DOCKER_HOST="unix:///nowhere/socket")
        assert "no Docker engine answers" in nobody, nobody
    assert "docker build" in say("serf-start-cluster 2", expect=1, SERFNODE_IMAGE="missing")
    subnet = say("serf-start-cluster 2", expect=1, SERFNODE_NETWORK="bridge")
    assert "has the subnet 172.17.0.0/16" in subnet, subnet
    table = say("serf-start-cluster 2")
    assert len(re.findall(r"\balive\b", table)) == 2, table
    assert "+ docker stop" in say("serf-stop-node 0")
    page_ = say(f"docker exec {program}-1 curl -s -m 2 http://10.99.0.99/")
    assert f"primary: {program}-1" in page_, page_
    say("serf-start-node 0; serf-start-node 2")
    wait("three are members again", lambda: len(re.findall(
        r"\balive\b", run("docker", "exec", f"{program}-1", "serf", "members"))) == 3, 20)
    say("serf-clean")
    assert docker("ps", "-aq", "--filter", f"label=tribune.serfnode={program}-") == ""
    assert "own" not in docker("network", "ls", "--format", "{{.Name}}").split()


def another_address():
    """A node that returns with another address is taken as an address change."""
    observer = "serfnode4"
    node = next(f"serfnode{i}" for i in range(4) if primaries(observer) != [f"serfnode{i}"])
    old = members(observer)[node]["addr"]
    docker("stop", "--time", "20", node)
    docker("run", "-d", "--name", "squatter", "--entrypoint", "/bin/sleep", "tribune/serfnode",
           "1000")
    docker("start", node)
    wait(f"{node} is back at another address", lambda: members(observer).get(node, {}).get(
        "status") == "alive" and members(observer)[node]["addr"] != old, 60)
    docker("rm", "-f", "squatter")


def clean():
    shell("serf-clean")
    left = docker("ps", "-a", "--filter", "label=tribune.serfnode", "--format", "{{.Names}}")
    assert left == "", left


def play(options):
    check("image from a base of our own and a binary built outside",
          lambda: build("serfnode", options.binary))
    check("the steps up to the page of the primary", seven_steps)
    if RESULTS["failed"] > 0:
        return
    client = Client()
    wait("the client is answered", lambda: any(t for _, t in client.answers()), 20)
    times = {}
    for number in range(options.rounds):
        for way in options.ways.split(","):
            check(f"{way}, round {number + 1}", lambda way=way: times.setdefault(
                way, []).append(one_round(way, client)))
    for way, rows in times.items():
        columns = [f"{min(c):.2f}/{sum(c) / len(c):.2f}/{max(c):.2f}" for c in zip(*rows)]
        print(f"{way}: {len(rows)} rounds, min/mean/max s: detection {columns[0]}, "
              f"takeover {columns[1]}, client's gap {columns[2]}", flush=True)
    check("a node that returns with another address", another_address)
    for program in ("bash", "zsh"):
        if shutil.which(program):
            check(f"the functions in {program}", lambda program=program: a_life_in(program))
    check("serf-clean leaves nothing", clean)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=STATIC,
                        help="a static build in this checkout (default: that of `cargo static`)")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--ways", default="stop,kill,pause,link")
    options = parser.parse_args()
    play_in_engine("cluster of containers", lambda _: play(options))


if __name__ == "__main__":
    main()
