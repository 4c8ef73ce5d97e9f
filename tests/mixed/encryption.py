"""Encrypted memberships, and keys changed while they run."""

import base64
import json

from harness.waiting import holds, until

from .stage import OURS, REAL, Stream, all_see, command, test, whole

KEYS = {size: base64.b64encode(bytes(range(size))).decode() for size in (16, 24, 32)}
OTHER = base64.b64encode(b"another key, 32 bytes of it ....").decode()
HANDLER = "-event-handler=query:load=cat"


def exchange(nodes):
    """Events and queries pass between all of them."""
    streams = [Stream(node, "user") for node in nodes]
    for node in nodes:
        node.call("event", {"Name": "from-" + node.name, "Payload": b"x" * 100, "Coalesce": False})
        for stream in streams:
            # Gossip may miss a member; the next full exchange brings the event then.
            stream.wait({"Name": "from-" + node.name}, 40)

    def everybody():
        with nodes[-1].client() as client:
            found.append(client.query("load", b"q", timeout_s=1.5))
        return len(found[-1][1]) == len(nodes)

    found = []
    until(everybody, 20, lambda _: found)


@test(kinds=2, smoke=True)
def encrypted_32(stage, first, second):
    encrypted(stage, first, second, 32)


@test(kinds=2)
def encrypted_24(stage, first, second):
    encrypted(stage, first, second, 24)


@test(kinds=2)
def encrypted_16(stage, first, second):
    encrypted(stage, first, second, 16)


def encrypted(stage, first, second, size):
    nodes = stage.cluster(first, second, first, second, arguments=["-encrypt=" + KEYS[size], HANDLER])
    assert nodes[0].stats()["serf"]["encrypted"] == "true"
    exchange(nodes)
    nodes[1].kill()
    all_see([nodes[0], nodes[2], nodes[3]], "n2", "failed")
    command(nodes[2], "leave")
    all_see([nodes[0], nodes[3]], "n3", "left")


@test(kinds=2, smoke=True)
def without_compression(stage, first, second):
    """Compression is each sender's own choice."""
    a = stage.agent("a", first, "-disable-compression", HANDLER)
    b = stage.agent("b", second, HANDLER, join=a)
    c = stage.agent("c", second, "-disable-compression", HANDLER, join=b)
    whole([a, b, c])
    exchange([a, b, c])


@test(kinds=2)
def encrypted_without_compression(stage, first, second):
    a = stage.agent("a", first, "-disable-compression", HANDLER, "-encrypt=" + KEYS[32])
    b = stage.agent("b", second, HANDLER, "-encrypt=" + KEYS[32], join=a)
    c = stage.agent("c", first, HANDLER, "-encrypt=" + KEYS[32], join=b)
    whole([a, b, c])
    exchange([a, b, c])


@test(kinds=2)
def wrong_key_is_refused(stage, first, second):
    refused(stage, first, second, ["-encrypt=" + KEYS[32]], ["-encrypt=" + OTHER])


@test(kinds=2)
def plain_member_is_refused(stage, first, second):
    refused(stage, first, second, ["-encrypt=" + KEYS[32]], [])


@test(kinds=2)
def encrypted_member_is_refused_by_plain_ones(stage, first, second):
    refused(stage, first, second, [], ["-encrypt=" + KEYS[32]])


def refused(stage, first, second, inside, outside):
    nodes = stage.cluster(first, second, arguments=inside)
    stranger = stage.agent("stranger", second, *outside)
    for node in nodes:
        done = stranger.cli("join", node.address)
        assert done.returncode == 1 and "Error joining the cluster: 1 error occurred:" in done.stdout, done
        done = node.cli("join", stranger.address)
        assert done.returncode == 1 and "Error joining the cluster: 1 error occurred:" in done.stdout, done
    holds(lambda: list(stranger.statuses()) == ["stranger"], 1, "the stranger learned of somebody")
    whole(nodes)


@test(kinds=2, smoke=True)
def key_rotation(stage, first, second):
    """Install, use and remove, driven from both sides by both command lines; the membership stays whole throughout."""
    nodes = stage.cluster(first, second, first, second, arguments=["-encrypt=" + KEYS[32], HANDLER])
    a, b, c, d = nodes
    real, ours = stage.clis()
    keys_are(a, {KEYS[32]: 4}, ours)
    change(a, "-install=", OTHER, "Successfully installed key!", real)
    keys_are(b, {KEYS[32]: 4, OTHER: 4}, real)
    change(b, "-use=", OTHER, "Successfully changed primary key!", ours)
    exchange(nodes)
    done = a.cli("keys", "-remove=" + OTHER, program=ours)
    assert done.returncode == 1 and "Removing the primary key is not allowed" in done.stdout, done.stdout
    change(d, "-remove=", KEYS[32], "Successfully removed key!", real)
    keys_are(c, {OTHER: 4}, ours)
    exchange(nodes)
    late = stage.agent("late", first, "-encrypt=" + OTHER, HANDLER, join=b)
    whole(nodes + [late])


def change(node, flag, key, success, cli):
    """Changes a key; a member that the query missed is the reason to repeat it, as operators do."""
    outputs = []

    def changed():
        outputs.append(node.cli("keys", flag + key, program=cli).stdout)
        return success in outputs[-1]

    until(changed, 30, lambda _: outputs[-1])


def keys_are(node, wanted, cli):
    """The answer of `keys -list`; a query may miss a member, so it is asked again."""

    def listed():
        done = node.cli("keys", "-list", program=cli)
        rows = [line.split() for line in done.stdout.splitlines() if line.endswith("]")]
        found.append(done.stdout)
        return {row[0]: row[1] for row in rows} == {key: "[%d/%d]" % (count, count) for key, count in wanted.items()}

    found = []
    until(listed, 20, lambda _: found[-1])


@test(kinds=2)
def keyring_files_follow(stage, first, second):
    """Key changes are written to the keyring file of every member, in the order of the ring."""
    nodes = []
    for name, kind in (("a", first), ("b", second)):
        node = stage.agent(name, kind, "-keyring-file=keys.json", start=False)
        with open(node.path("keys.json"), "w") as file:
            json.dump([KEYS[32], KEYS[16]], file)
        if nodes:
            node.arguments.append("-join=" + nodes[0].address)
        nodes.append(node.start())
    a, b = nodes
    whole(nodes)

    def rings(wanted):
        def check():
            found = []
            for node in nodes:
                with open(node.path("keys.json")) as file:
                    try:
                        found.append(json.load(file))
                    except ValueError:
                        found.append(None)  # caught while it is being written
            return found == [wanted, wanted]

        until(check, 15, "the keyring files are not %s" % wanted)

    a.call("install-key", {"Key": OTHER})
    rings([KEYS[32], KEYS[16], OTHER])
    b.call("use-key", {"Key": OTHER})
    rings([OTHER, KEYS[32], KEYS[16]])
    a.call("remove-key", {"Key": KEYS[16]})
    rings([OTHER, KEYS[32]])
    with open(a.path("keys.json")) as one, open(b.path("keys.json")) as two:
        assert one.read() == two.read() == '[\n  "%s",\n  "%s"\n]' % (OTHER, KEYS[32])
    b.kill()
    a.sees_status("b", "failed")
    b.start()
    whole(nodes)


@test(kinds=2)
def members_with_different_primary_keys(stage, first, second):
    """Every key of the ring opens: members in the middle of a rotation understand each other."""
    rings = ([KEYS[32], OTHER], [OTHER, KEYS[32]])
    nodes = []
    for name, kind, ring in zip("ab", (first, second), rings):
        node = stage.agent(name, kind, HANDLER, "-keyring-file=keys.json", start=False)
        with open(node.path("keys.json"), "w") as file:
            json.dump(ring, file)
        if nodes:
            node.arguments.append("-join=" + nodes[0].address)
        nodes.append(node.start())
    whole(nodes)
    exchange(nodes)


@test(kinds=2)
def key_errors(stage, first, second):
    """What one member cannot do is reported by name, by the text of the real agent."""
    nodes = stage.cluster(first, second, arguments=["-encrypt=" + KEYS[32]])
    for node in nodes:
        for command_name, key, text in (
            ("use-key", OTHER, "Requested key is not in the keyring"),
            ("remove-key", KEYS[32], "Removing the primary key is not allowed"),
            ("install-key", "YWJj", "key size must be 16, 24 or 32 bytes"),
        ):
            with node.client() as client:
                error, body = client.ask(command_name, {"Key": key})
            assert error == "2/2 nodes reported failure", error
            assert body["Messages"] == {"n1": text, "n2": text}, body


@test(kinds=2)
def keys_without_encryption(stage, first, second):
    a, b = stage.cluster(first, second)
    for node in (a, b):
        with node.client() as client:
            error, body = client.ask("list-keys")
        assert error == "2/2 nodes reported failure", error
        assert set(body["Messages"].values()) == {"Keyring is empty (encryption not enabled)"}, body


@test(smoke=True)
def larger_encrypted_group(stage):
    nodes = stage.cluster(*[REAL, OURS] * 4, arguments=["-encrypt=" + KEYS[24], HANDLER])
    exchange(nodes)
