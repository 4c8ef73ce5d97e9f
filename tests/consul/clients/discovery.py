"""Prometheus' discovery: services that come, move and go, seen within two seconds of the answer; also after a restart."""

import json
import subprocess
import threading

import server
from harness.waiting import until

SEEN_SECONDS = 2
# After an error the library waits for 15 s before it asks again.
RETRY_SECONDS = 30


class Watcher:
    """The library's program, and the latest of each target group that it printed."""

    def __init__(self, command, address, complaints):
        self.groups = {}
        self.process = subprocess.Popen(command, env={"STAGE_HTTP": address}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=complaints, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            group = json.loads(line)
            self.groups[group["source"]] = sorted(group["targets"])

    def sees(self, service, targets, seconds=SEEN_SECONDS):
        """Waits until a service has these targets."""
        until(lambda: self.groups.get(service, []) == sorted(targets), seconds,
              lambda _: f"{service} has {self.groups.get(service)}, not {targets}")

    def end(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.reader.join()


def play(command, program, directory):
    stage = server.Server(program, directory)
    stage.start()
    with open(directory + "/complaints", "w", encoding="utf-8") as complaints:
        watcher = Watcher(command, stage.address, complaints)
    checks = []

    def check(name, action, *words):
        try:
            action(*words)
            checks.append("ok " + name)
        except AssertionError as problem:
            checks.append(f"not ok {name}: {problem}")

    try:
        check("first", watcher.sees, "consul", [f"127.0.0.1:{8300}"], 10)
        check("comes", comes, stage, watcher, "web", 80)
        check("another instance", another, stage, watcher)
        check("moves", comes, stage, watcher, "web", 81, ["127.0.0.40:9000"])
        check("goes", goes, stage, watcher)
        check("external node", external, stage, watcher)
        stage.kill()
        stage.start()
        check("comes after a restart", comes, stage, watcher, "late", 90, [], RETRY_SECONDS)
        check("what was there is still there", watcher.sees, "db", ["127.0.0.30:5432"])
        check("moves after a restart", comes, stage, watcher, "late", 91)
        check("goes after a restart", gone, stage, watcher, "late")
    finally:
        watcher.end()
        stage.kill()
    return checks


def comes(stage, watcher, name, port, others=(), seconds=SEEN_SECONDS):
    stage.write("/v1/agent/service/register", {"Name": name, "Port": port})
    watcher.sees(name, [f"127.0.0.1:{port}", *others], seconds)


def another(stage, watcher):
    stage.write("/v1/agent/service/register", {"Name": "web", "ID": "web-2", "Port": 9000, "Address": "127.0.0.40"})
    watcher.sees("web", ["127.0.0.1:80", "127.0.0.40:9000"])


def goes(stage, watcher):
    stage.write("/v1/agent/service/deregister/web")
    watcher.sees("web", ["127.0.0.40:9000"])
    stage.write("/v1/agent/service/deregister/web-2")
    watcher.sees("web", [])


def external(stage, watcher):
    stage.write("/v1/catalog/register", {"Node": "db", "Address": "127.0.0.30", "Service": {"Service": "db", "Port": 5432}})
    watcher.sees("db", ["127.0.0.30:5432"])


def gone(stage, watcher, name):
    stage.write("/v1/agent/service/deregister/" + name)
    watcher.sees(name, [])
