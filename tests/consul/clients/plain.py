"""curl: what people type, answered as they expect it."""

import json
import subprocess

import server
from harness.waiting import until


class Curl:
    """`curl` against one server."""

    def __init__(self, address):
        self.address = address

    def __call__(self, path, *words):
        """(status, body)"""
        done = subprocess.run(["curl", "--silent", "--show-error", "--max-time", "20", "--write-out", "\n%{http_code}",
                               *words, f"http://{self.address}{path}"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"curl ended with {done.returncode}: {done.stderr}"
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body


def play(program, directory):
    stage = server.Server(program, directory, ("-dev",))
    stage.start()
    try:
        curl = Curl(stage.address)
        return [verdict(check, curl, directory) for check in CHECKS]
    finally:
        stage.kill()


def verdict(check, curl, directory):
    try:
        check(curl, directory)
    except AssertionError as problem:
        return f"not ok {check.__name__}: {problem}"
    return "ok " + check.__name__


def equal(got, wanted):
    assert got == wanted, f"got {got!r}, wanted {wanted!r}"


def put_and_get(curl, _):
    equal(curl("/v1/kv/a", "--request", "PUT", "--data", "hello"), (200, "true\n"))
    equal(curl("/v1/kv/a?raw"), (200, "hello"))
    status, body = curl("/v1/kv/a?pretty")
    equal((status, json.loads(body)[0]["Value"], body.startswith("[\n    {")), (200, "aGVsbG8=", True))
    equal(curl("/v1/kv/a", "--request", "DELETE"), (200, "true\n"))
    equal(curl("/v1/kv/a"), (404, ""))


def put(curl, path, content=""):
    """The JSON that a PUT is answered with."""
    status, body = curl(path, "--request", "PUT", "--data", content)
    equal(status, 200)
    return json.loads(body) if body else None


def compare_and_set(curl, _):
    equal(put(curl, "/v1/kv/cas?cas=0", "1"), True)
    equal(put(curl, "/v1/kv/cas?cas=0", "2"), False)
    index = json.loads(curl("/v1/kv/cas")[1])[0]["ModifyIndex"]
    equal(put(curl, f"/v1/kv/cas?cas={index}", "2"), True)
    equal(curl("/v1/kv/cas?raw"), (200, "2"))


def lock_and_unlock(curl, _):
    mine, other = (put(curl, "/v1/session/create", '{"LockDelay": "0s"}')["ID"] for _ in range(2))
    equal(put(curl, f"/v1/kv/lock?acquire={mine}", "x"), True)
    equal(put(curl, f"/v1/kv/lock?acquire={other}", "y"), False)
    equal(put(curl, f"/v1/kv/lock?release={mine}"), True)
    equal(put(curl, f"/v1/kv/lock?acquire={other}", "y"), True)


def register_and_check(curl, _):
    def healthy():
        status, body = curl("/v1/health/service/web?passing")
        return status, [entry["Service"]["Port"] for entry in json.loads(body)]

    put(curl, "/v1/agent/service/register", '{"Name": "web", "Port": 80, "Check": {"TTL": "1h"}}')
    equal(healthy(), (200, []))
    put(curl, "/v1/agent/check/pass/service:web")
    until(lambda: healthy() == (200, [80]), 10, "what passes is not healthy")
    put(curl, "/v1/agent/service/deregister/web")
    until(lambda: healthy() == (200, []), 10, "what is gone is still healthy")


def upload(curl, directory):
    """A file, with the `Expect: 100-continue` that curl sends along with large ones."""
    path = directory + "/file"
    with open(path, "w", encoding="utf-8") as file:
        file.write("x" * 400_000)
    equal(curl("/v1/kv/file", "--upload-file", path, "--header", "Expect: 100-continue"), (200, "true\n"))
    status, body = curl("/v1/kv/file?raw")
    equal((status, len(body)), (200, 400_000))
    equal(curl("/v1/kv/chunked", "--upload-file", path, "--header", "Transfer-Encoding: chunked"), (200, "true\n"))


def many_on_one_connection(curl, _):
    status, body = curl("/v1/kv/[1-50]", "--request", "PUT", "--data", "x")
    equal((status, body.count("true\n")), (200, 50))
    status, body = curl("/v1/kv/?keys")
    equal(len([key for key in json.loads(body) if key.isdigit()]), 50)


def compressed(curl, _):
    status, body = curl("/v1/kv/file", "--compressed", "--write-out", "\n%{size_download}\n%{http_code}")
    body, _, on_the_way = body.rpartition("\n")
    equal((status, len(json.loads(body)[0]["Value"]) > 500_000), (200, True))
    equal(int(on_the_way) < 50_000, True)


def watch(curl, _):
    """A blocking query that nothing wakes comes back when its time is over."""
    equal(curl("/v1/kv/watched", "--request", "PUT", "--data", "1"), (200, "true\n"))
    _, head = curl("/v1/kv/watched", "--include", "--output", "/dev/null", "--dump-header", "-")
    index = next(line.split(": ")[1] for line in head.splitlines() if line.lower().startswith("x-consul-index"))
    status, body = curl(f"/v1/kv/watched?index={index}&wait=1s", "--write-out", "\n%{time_total}\n%{http_code}")
    equal((status, float(body.splitlines()[-1]) >= 1.0), (200, True))


def refused(curl, _):
    equal(curl("/v1/kv/a", "--request", "POST", "--data", "x")[0], 405)
    equal(curl("/v1/nothing")[0], 404)
    equal(curl("/v1/catalog/register", "--request", "PUT", "--data", "{")[0], 400)
    equal(curl("/v1/catalog/register", "--request", "PUT", "--data", "null"), (500, "Must provide node"))


CHECKS = (put_and_get, compare_and_set, lock_and_unlock, register_and_check, upload, many_on_one_connection, compressed,
          watch, refused)
