"""Every call of `serfio` against an agent; see ../run.py for the stage.

It cannot delete tags (it sends the tags to set in place of the names) and has no `stop`: a stream ends with its
connection, which is why each has one of its own here.
"""

import asyncio
import sys

import serfio
from checks import HOST, PATIENCE, PORT, TOKEN, Check, equal, failures, refused
from serfio.errors import SerfError


def connection():
    return serfio.Serf(HOST, PORT, TOKEN)


async def first(records, matches):
    """The first record that matches."""
    async with asyncio.timeout(PATIENCE):
        async for record in records:
            if matches(record):
                return record


async def until(ask):
    async with asyncio.timeout(PATIENCE):
        while not await ask():
            await asyncio.sleep(0.02)


async def main():
    with Check("auth-refused"):
        try:
            await serfio.connect(HOST, PORT, "wrong")
        except (SerfError, TypeError):
            pass  # the library looks for the reason in the wrong place and stumbles over it
        else:
            raise AssertionError("a wrong token was taken")
    with Check("auth"):
        serf = await serfio.connect(HOST, PORT, TOKEN)
    await monitor(serf)
    await members(serf)
    await tags(serf)
    with Check("stats"):
        found = await serf.stats()
        equal(found["agent"]["name"], "n1")
        equal(found["serf"]["members"], "3")
    await streams(serf)
    await respond()
    await queries(serf)
    with Check("close"):
        await serf.close()


async def members(serf):
    with Check("members"):
        found = {member["Name"]: member for member in await serf.members()}
        equal(sorted(found), ["n1", "n2", "n3"])
        wanted = {"Addr": bytes([127, 0, 0, 12]), "Port": 7946, "Tags": {"role": "db"}, "Status": "alive"}
        wanted.update(ProtocolMin=1, ProtocolMax=5, ProtocolCur=2, DelegateMin=2, DelegateMax=5, DelegateCur=5)
        equal(found["n2"], dict(wanted, Name="n2"))
    for name, filters, wanted in (
        ("name", {"name": "n[12]"}, ["n1", "n2"]),
        ("status", {"status": "failed|left"}, []),
        ("tags", {"tags": {"role": "d.", "shard": "7"}}, ["n3"]),
    ):
        with Check("members-filtered-" + name):
            equal(sorted(member["Name"] for member in await serf.members_filtered(**filters)), wanted)


async def tags(serf):
    with Check("tags"):
        await serf.tags({"rack": "a1", "empty": "", "round": "x"})

        async def there():
            (member,) = await serf.members_filtered(name="n1")
            return member["Tags"] == {"role": "web", "dc": "east", "rack": "a1", "empty": "", "round": "x"}

        await until(there)
    with Check("tags-too-long"):
        try:
            await serf.tags({"long": "x" * 600})
        except SerfError as problem:
            refused(problem, "Encoded length of tags exceeds limit of 512 bytes")
        else:
            raise AssertionError("600 bytes were taken")


async def streams(serf):
    for name, event, payload, coalesce in (
        ("stream-event", "deploy", b"\x00\x01\xffx", False),
        ("stream-event-without-payload", "ping", None, True),
        ("stream-event-text", "greeting", "grüß dich", False),
    ):
        with Check(name):
            async with connection() as listener:
                records = listener.stream("user:" + event)
                waiting = asyncio.create_task(first(records, lambda record: record["Name"] == event))
                while not waiting.done():
                    await serf.event(event, payload, coalesce)
                    await asyncio.wait([waiting], timeout=0.2)
                record = waiting.result()
                await records.aclose()
            wanted = payload.encode() if isinstance(payload, str) else payload
            equal((record["Payload"] or None, record["Coalesce"]), (wanted, coalesce))
    with Check("event-too-long"):
        try:
            await serf.event("deploy", b"x" * 600)
        except SerfError as problem:
            refused(problem, "user event exceeds configured limit of 512 bytes")
        else:
            raise AssertionError("600 bytes were taken")
    with Check("stream-member-update"):
        async with connection() as listener:
            records = listener.stream("member-update")
            waiting = asyncio.create_task(first(records, lambda record: True))
            for number in range(50):
                await serf.tags({"round": str(number)})
                await asyncio.wait([waiting], timeout=0.2)
                if waiting.done():
                    break
            record = waiting.result()
            await records.aclose()
        equal([member["Name"] for member in record["Members"]], ["n1"])


async def respond():
    with Check("respond"):

        async def answer(listener):
            async for record in listener.stream("query:ask"):
                equal(record["Payload"], b"15m")
                (header,) = await listener.respond(record["ID"], b"\x00\xfe")
                equal(header["Error"], "")
                (header,) = await listener.respond(record["ID"], "again")
                return header["Error"]

        async with asyncio.timeout(PATIENCE), connection() as listener, connection() as asker:
            answering = asyncio.create_task(answer(listener))
            found = None
            while found is None:
                found = await asker.query_one("ask", b"15m", timeout=10**9)
            equal((found["From"], found["Payload"]), ("n1", b"\x00\xfe"))
            second = await answering
            assert "response already sent" in second, second


async def monitor(serf):
    # Its reading tasks lose bytes to each other when more comes than they take at once: so this one comes first, while
    # the agent remembers little.
    with Check("monitor"):
        async with connection() as listener:
            lines = listener.monitor("info")
            waiting = asyncio.create_task(first(lines, lambda record: "[INFO] serf: EventMemberUpdate: n1" in record["Log"]))
            for number in range(50):
                await serf.tags({"round": str(number)})
                await asyncio.wait([waiting], timeout=0.2)
                if waiting.done():
                    break
            waiting.result()
            await lines.aclose()


async def queries(serf):
    for name, arguments, wanted in (
        ("query", {"name": "load"}, {"n2": b"0.42", "n3": b"0.42"}),
        ("query-nodes", {"name": "load", "filter_nodes": ["n2"]}, {"n2": b"0.42"}),
        ("query-tags", {"name": "load", "filter_tags": {"shard": "^7$"}}, {"n3": b"0.42"}),
        ("query-payload", {"name": "echo", "payload": b"hello", "request_ack": False}, {"n2": b"hello\n", "n3": b"hello\n"}),
    ):
        with Check(name):
            async with asyncio.timeout(PATIENCE):
                answers = {record["From"]: record["Payload"] async for record in serf.query(timeout=10**9, **arguments)}
            equal(answers, wanted)


asyncio.run(main())
sys.exit(1 if failures else 0)
