"""Every call of `serfclient` against an agent; see ../run.py for the stage."""

import os
import signal
import sys
import time

from checks import HOST, PATIENCE, PEER, PORT, TOKEN, VICTIM, Check, equal, failures, refused
from serfclient import EnvironmentConfig, SerfClient


def connection():
    return SerfClient(host=HOST, port=PORT, rpc_auth=TOKEN, timeout=PATIENCE)


def statuses(serf):
    return {member["Name"]: member["Status"] for member in serf.members().body["Members"]}


def sees(serf, wanted):
    deadline = time.monotonic() + PATIENCE
    while statuses(serf) != wanted and time.monotonic() < deadline:
        time.sleep(0.02)
    equal(statuses(serf), wanted)


def names(answer):
    return sorted(member["Name"] for member in answer.body["Members"])


def success(answer):
    equal(answer.head["Error"], "")


def main():
    with Check("environment"):
        os.environ["SERF_RPC_ADDR"], os.environ["SERF_RPC_AUTH"] = "%s:%d" % (HOST, PORT), TOKEN
        found = EnvironmentConfig()
        serf = SerfClient(host=found.host, port=found.port, rpc_auth=found.auth_key, timeout=PATIENCE)
    with Check("auth-refused"):
        stranger = SerfClient(host=HOST, port=PORT)
        refused(stranger.connection.auth("wrong").head["Error"], "Invalid authentication token")
        stranger.close()
    with Check("join-refused"):
        answer = serf.join("127.0.0.99:7946")
        refused(answer.head["Error"], "127.0.0.99:7946: connect: connection refused")
        equal(answer.body, {"Num": 0})
    with Check("join"):
        answer = serf.join([PEER])
        success(answer)
        equal(answer.body, {"Num": 1})
        sees(serf, {"n1": "alive", "n2": "alive", "n3": "alive"})
    with Check("members"):
        found = {member["Name"]: member for member in serf.members().body["Members"]}
        equal(found["n2"]["Addr"], bytes([127, 0, 0, 12]))
        equal(found["n2"]["Tags"], {"role": "db"})
    with Check("members-filtered"):
        equal(names(serf.members(name="n[12]")), ["n1", "n2"])
        equal(names(serf.members(status="alive", tags={"shard": "7"})), ["n3"])
        equal(names(serf.members(status="failed")), [])
    with Check("stats"):
        equal(serf.stats().body["agent"], {"name": "n1"})
    events(serf)
    with Check("force-leave"):
        os.kill(VICTIM, signal.SIGKILL)
        sees(serf, {"n1": "alive", "n2": "alive", "n3": "failed"})
        success(serf.force_leave("n3"))
        sees(serf, {"n1": "alive", "n2": "alive", "n3": "left"})
    with Check("close"):
        serf.close()


def events(serf):
    with Check("stream"):
        listener = connection()
        answer = listener.stream(["user", "member-update"])
        success(answer)
        records = answer.body
        listener.connection._socket.settimeout(PATIENCE)  # a stream has none; this test does not wait for ever
    for name, payload, coalesce in (("deploy", b"\x00\x01\xffx", False), ("ping", None, True), ("greeting", "grüß dich", False)):
        with Check("event-" + name):
            success(serf.event(name, payload, coalesce))
            record = next(records).body
            wanted = payload.encode() if isinstance(payload, str) else payload
            equal((record["Event"], record["Name"], record["Payload"] or None, record["Coalesce"]), ("user", name, wanted, coalesce))
    with Check("event-too-long"):
        refused(serf.event("deploy", b"x" * 600).head["Error"], "user event exceeds configured limit of 512 bytes")
    listener.close()


main()
sys.exit(1 if failures else 0)
