"""Bad input against a live cluster of both programs: counted, logged once, membership undisturbed, memory bounded."""

import base64
import os
import random
import signal
import socket
import struct

from harness import msgpack, sandbox
from harness.waiting import holds, until

from . import forge
from .stage import OURS, REAL, Stream, all_see, test, undisturbed, whole

KEY = bytes(range(32))
ENCRYPT = "-encrypt=" + base64.b64encode(KEY).decode()
GROWTH_KIB = 24 * 1024
HUGE = 2**31 - 1


def victims(stage, *arguments, **more):
    """The real agent and two of ours, and a settled membership."""
    nodes = stage.cluster(REAL, OURS, OURS, arguments=arguments, **more)
    for node in nodes:
        node.wait_log("Received event: member-join")
    return nodes


def endure(nodes, action, growth_kib=GROWTH_KIB):
    """Runs `action` against ours; nobody may be suspected dead, memory may not grow beyond, and all still works."""
    ours = [node for node in nodes if node.kind == OURS]
    before = [node.memory_kib() for node in ours]
    undisturbed(nodes, action)
    for node, kib in zip(ours, before):
        grown = node.memory_kib() - kib
        assert grown < growth_kib, "%s grew by %d KiB" % (node, grown)
    works(nodes)


def works(nodes):
    """An event of each member reaches all."""
    streams = [Stream(node, "user") for node in nodes]
    for node in nodes:
        name = "still-%s" % node.name
        node.call("event", {"Name": name, "Payload": None, "Coalesce": False})
        for stream in streams:
            stream.wait({"Name": name}, 40)
    for stream in streams:
        stream.client.close()


def counted_once(nodes, line):
    """One line of this kind in each log of ours, and the count in the metrics."""
    for node in nodes:
        node.wait_log(line)
        assert node.log().count(line) == 1, "%s logged %r %d times" % (node, line, node.log().count(line))


def metric(node, name):
    """A counter from the dump that SIGUSR1 makes on standard error."""
    node.signal(signal.SIGUSR1)

    def dumped():
        with open(node.path("stderr")) as file:
            lines = [text for text in file if name in text]
        return lines and lines[-1]

    return until(dumped, 10, "no %s in the dump" % name)


@test(smoke=True, improvement=True)
def garbage_datagrams(stage):
    nodes = victims(stage)
    endure(nodes, lambda: forge.shower(nodes[1:], forge.noise(3000)))
    counted_once(nodes[1:], "Dropped a datagram")
    for node in nodes[1:]:
        assert "Count: " in metric(node, "memberlist.packet.dropped")


@test(improvement=True)
def truncated_datagrams(stage):
    """What members really say, cut at every length."""
    ear = forge.Eavesdropper()
    nodes = victims(stage)
    nodes[0].call("event", {"Name": "e", "Payload": b"x" * 100, "Coalesce": False})
    nodes[1].call("tags", {"Tags": {"role": "x" * 50}})
    whole(nodes)
    caught = [data for _, data in ear.caught()][:60]
    assert len(caught) >= 5, caught
    cuts = (data[:length] for data in caught for length in range(len(data)))
    endure(nodes, lambda: forge.shower(nodes[1:], cuts))


@test(improvement=True)
def oversized_datagrams(stage):
    """The largest datagrams there are, counts and sizes that promise more than there is, and a bomb of 60 MB."""
    nodes = victims(stage)
    assert all(forge.is_answered(node, forge.compressed) for node in nodes)
    many = struct.pack(">BB255H", forge.COMPOUND, 255, *[65535] * 255)
    bomb = forge.message(forge.COMPRESS, {"Algo": 0, "Buf": forge.lzw(bytes(60 << 20))[:60000]})
    nested = b"\x07\x01\x00\x02\x07\x01" * 4000
    packets = [
        many + bytes(60000),
        bomb,
        nested,
        forge.compressed(forge.compressed(forge.compressed(bytes(1000)))),
        bytes([forge.DEAD, 0xDF]) + b"\xff" * 4 + bytes(65000),
        bytes([forge.DEAD]) + b"\x91" * 65000,
        bytes([forge.DEAD, 0xDB]) + b"\x7f\xff\xff\xff" + bytes(60000),
        forge.message(forge.USER, {})[:1] + b"\x03" + os.urandom(65000),
        b"\x00" * 65507,
        b"\xff" * 65507,
    ]
    endure(nodes, lambda: forge.shower(nodes[1:], packets * 20))
    counted_once(nodes[1:], "Dropped a datagram")


@test(smoke=True, improvement=True)
def empty_plaintexts(stage):
    nodes = victims(stage, ENCRYPT)
    for version in (0, 1):
        assert all(forge.is_answered(node, lambda ping: forge.seal(KEY, ping, version=version)) for node in nodes)
    hollow = [b"", bytes([forge.COMPOUND, 3, 0, 0, 0, 0, 0, 0]), bytes([forge.CRC]), bytes([forge.CRC]) + bytes(4)]
    hollow += [bytes([forge.LABEL, 0]), bytes([forge.COMPRESS])]
    packets = [forge.seal(KEY, plain, version=version) for plain in hollow for version in (0, 1)]
    endure(nodes, lambda: forge.shower(nodes[1:], packets * 20 + hollow))
    counted_once(nodes[1:], "Dropped a datagram")


@test(smoke=True, improvement=True)
def wrong_keys(stage):
    """A death that everybody would believe, sealed with a key that nobody has, and torn seals."""
    nodes = victims(stage, ENCRYPT)
    death = forge.verdict("n1")
    packets = [forge.seal(bytes(size), death, version=version) for size in (16, 24, 32) for version in (0, 1)]
    good = forge.seal(KEY, death)
    packets += [good[:-1], good[:-1] + bytes([good[-1] ^ 1]), good[:29], bytes([2]) + good[1:], forge.labelled(b"x", good)]
    endure(nodes, lambda: forge.shower(nodes[1:], packets * 10))
    counted_once(nodes[1:], "Dropped a datagram")


@test(smoke=True, improvement=True)
def plaintext_into_an_encrypted_pool(stage):
    nodes = victims(stage, ENCRYPT)
    packets = [forge.verdict("n1"), forge.message(forge.SUSPECT, {"Incarnation": 9, "Node": "n1", "From": "x"})]

    def pour():
        forge.shower(nodes[1:], packets * 50)
        for node in nodes[1:]:
            with socket.create_connection((node.address, node.port), 5) as stream:
                stream.sendall(push_pull(0, 0))

    endure(nodes, pour)
    counted_once(nodes[1:], "Dropped a datagram")
    counted_once(nodes[1:], "Dropped a stream")


@test(improvement=True)
def wrong_labels(stage):
    nodes = victims(stage)
    death = forge.verdict("n1")
    packets = [forge.labelled(label, death) for label in (b"x", b"y" * 255, b"\xff" * 10)]
    packets += [bytes([forge.LABEL, 0]) + death, bytes([forge.LABEL, 200]) + b"short", bytes([forge.LABEL])]
    packets.append(forge.labelled(b"x", forge.labelled(b"y", death)))
    endure(nodes, lambda: forge.shower(nodes[1:], packets * 20))
    counted_once(nodes[1:], "Dropped a datagram")


@test(improvement=True)
def no_label_into_a_labelled_pool(stage):
    nodes = [stage.agent("n1", OURS, config={"label": "pool"})]
    nodes.append(stage.agent("n2", OURS, config={"label": "pool"}, join=nodes[0]))
    whole(nodes)
    death = forge.verdict("n1")
    packets = [death, forge.labelled(b"other", death), forge.labelled(b"poo", death)]
    endure(nodes, lambda: forge.shower(nodes, packets * 20))
    stranger = stage.agent("stranger", REAL)
    assert stranger.cli("join", nodes[0].address).returncode == 1
    whole(nodes)


@test(smoke=True, improvement=True)
def replayed_and_reordered_messages(stage):
    """All that was said, said again in any order: nothing happens twice and nobody turns back."""
    ear = forge.Eavesdropper()
    nodes = victims(stage)
    gone = stage.agent("gone", REAL, join=nodes[0])
    all_see(nodes, "gone", "alive")
    streams = [Stream(node, "user") for node in nodes]
    for number in range(20):
        nodes[number % 3].call("event", {"Name": "e%d" % number, "Payload": None, "Coalesce": False})
    for value in "abc":
        nodes[1].call("tags", {"Tags": {"role": value}})
    gone.call("leave", seconds=20)
    gone.wait()
    all_see(nodes, "gone", "left")
    said = {"e%d" % number for number in range(20)}
    for node, stream in zip(nodes, streams):
        stream.collect(said, 40, "%s did not hear of" % node.name)
    caught = ear.caught()
    assert len(caught) >= 10, len(caught)
    source = random.Random(3)

    def replay():
        for _ in range(3):
            source.shuffle(caught)
            forge.shower(nodes[1:], [data for _, data in caught])

    wanted = {"n1": "alive", "n2": "alive", "n3": "alive", "gone": "left"}
    replay()
    for node in nodes:
        node.sees(wanted)
        # The guest's leave and its end may come in either order.
        assert "EventMemberFailed: n" not in node.log(), node.log()
    until(lambda: nodes[2].members()["n2"]["Tags"] == {"role": "c"}, 10, "the tags turned back")
    nodes[0].call("event", {"Name": "end", "Payload": None, "Coalesce": False})
    for node, stream in list(zip(nodes, streams))[1:]:
        assert stream.drain("end", 40) == [], node


def push_pull(nodes, state_bytes, join=True):
    return bytes([forge.PUSH_PULL]) + msgpack.encode({"Nodes": nodes, "UserStateLen": state_bytes, "Join": join})


@test(smoke=True, improvement=True, slow=True)
def streams_that_say_nothing(stage):
    """Four hundred of them, beside which a member can still join."""
    nodes = victims(stage)
    open_ones = []

    def crowd():
        for number in range(400):
            stream = socket.socket()
            stream.settimeout(5)
            stream.connect((nodes[1].address, nodes[1].port))
            open_ones.append(stream)
        late = stage.agent("late", REAL, start=False)
        late.start()
        until(lambda: late.cli("join", nodes[1].address).returncode == 0, 40, "nobody can join")
        all_see(nodes, "late", "alive")
        late.call("leave", seconds=20)
        late.wait()
        all_see(nodes, "late", "left")

    before = nodes[1].memory_kib()
    crowd()
    assert nodes[1].memory_kib() - before < GROWTH_KIB
    for node in nodes:
        # The short guest's leave and its end may come in either order.
        assert "EventMemberFailed: n" not in node.log(), node.log()
    for stream in open_ones:
        stream.close()
    works(nodes)


@test(improvement=True)
def streams_that_promise_too_much(stage):
    """Counts and lengths of gigabytes, of which nothing or only noise comes."""
    nodes = victims(stage)
    promises = [
        push_pull(HUGE, 0),
        push_pull(0, HUGE),
        push_pull(-1, -1),
        push_pull(3, 10) + os.urandom(5000),
        forge.message(forge.USER, {"UserMsgLen": HUGE}),
        bytes([forge.ENCRYPT]) + b"\xff\xff\xff\xff" + bytes(100),
        forge.message(forge.COMPRESS, {"Algo": 0, "Buf": forge.lzw(bytes(8 << 20))}),
        forge.compressed(push_pull(1, 0) + bytes(1 << 20)),
        bytes([forge.LABEL, 3]) + b"abc" + push_pull(0, 0),
        bytes([forge.PUSH_PULL, 0xDF]) + b"\xff" * 2000,
    ] + [bytes([kind]) + os.urandom(3000) for kind in range(256)]
    streams = []

    def promise():
        for data in promises:
            stream = socket.create_connection((nodes[1].address, nodes[1].port), 5)
            streams.append(stream)
            try:
                stream.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                pass  # closed already: so much the better

    endure(nodes, promise)
    counted_once(nodes[1:2], "Dropped a stream")


@test(smoke=True, improvement=True, slow=True)
def full_disk_under_the_snapshot(stage):
    """The membership does not notice; once there is room the file is whole again."""
    nodes = victims(stage)
    node = stage.agent("small", OURS, "-snapshot=disk/snapshot", start=False)
    os.mkdir(node.path("disk"))
    sandbox.mount(node.path("disk"), "64k")
    node.arguments.append("-join=" + nodes[0].address)
    node.start()
    nodes.append(node)
    whole(nodes)
    until(lambda: "alive: n1 " in snapshot(node), 10, lambda _: snapshot(node))

    def fill():
        with open(node.path("disk/ballast"), "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        # Its own, so that every one makes a line: more than the rest of the last page takes.
        for number in range(400):
            node.call("event", {"Name": "fill%d" % number, "Payload": None, "Coalesce": False})
        node.wait_log("Failed to update snapshot: no space left on device")

    endure(nodes, fill)
    counted_once([node], "Failed to update snapshot: no space left on device")
    os.unlink(node.path("disk/ballast"))
    node.wait_log("The snapshot is up to date again", 45)
    until(lambda: all("alive: n%d " % n in snapshot(node) for n in (1, 2, 3)), 10, lambda _: snapshot(node))
    node.kill()
    node.arguments.pop()
    node.start()
    whole(nodes, 40)


def snapshot(node):
    with open(node.path("disk/snapshot")) as file:
        return file.read()


@test(smoke=True, improvement=True, slow=True)
def handler_that_hangs(stage):
    """Streams go on, the queue is bounded, its overflow is logged once."""
    nodes = victims(stage)
    node = stage.agent("hangs", OURS, "-event-handler=user=exec sleep 1000", join=nodes[0])
    nodes.append(node)
    whole(nodes)

    def flood():
        stream = Stream(node, "user")
        with node.client() as client:
            for number in range(1300):
                client.call("event", {"Name": "e%d" % number, "Payload": None, "Coalesce": False})
                assert stream.next()["Name"] == "e%d" % number
        stream.client.close()

    endure(nodes, flood)
    counted_once([node], "Event handlers are too slow")
    counted_once([node], "slow, execution exceeding 1s")


@test(improvement=True, slow=True)
def handler_that_prints_a_gigabyte(stage):
    nodes = victims(stage)
    script = "-event-handler=user:print=head -c 1073741824 /dev/zero; touch printed"
    node = stage.agent("prints", OURS, script, join=nodes[0])
    nodes.append(node)
    whole(nodes)

    def print_it():
        grown = []
        before = node.memory_kib()
        node.call("event", {"Name": "print", "Payload": None, "Coalesce": False})

        def done():
            grown.append(node.memory_kib() - before)
            return os.path.exists(node.path("printed"))

        until(done, 90, "the handler did not come to its end")
        assert max(grown) < GROWTH_KIB, max(grown)

    endure(nodes, print_it)


@test(smoke=True, improvement=True, slow=True)
def rpc_clients_that_never_read(stage):
    """Streams, the log at its loudest, and thousands of questions, none of whose answers is read."""
    nodes = victims(stage)
    deaf = []

    def subscribe():
        for _ in range(20):
            client = nodes[1].client()
            client.call("stream", {"Type": "*"})
            client.call("monitor", {"LogLevel": "trace"})
            deaf.append(client)
            asker = nodes[1].client()
            asker.wire.socket.setblocking(False)
            try:
                asker.wire.socket.send(msgpack.encode({"Command": "members", "Seq": 7}) * 20000)
            except BlockingIOError:
                pass
            deaf.append(asker)
        with nodes[1].client() as client:
            for number in range(1500):
                client.call("event", {"Name": "e%d" % number, "Payload": b"x" * 300, "Coalesce": False})
        assert set(nodes[1].statuses().values()) == {"alive"}

    endure(nodes, subscribe, growth_kib=48 * 1024)
    for client in deaf:
        client.close()
    works(nodes)


@test(improvement=True)
def rpc_garbage(stage):
    nodes = victims(stage)
    hello = msgpack.encode({"Command": "handshake", "Seq": 0}) + msgpack.encode({"Version": 1})
    event = msgpack.encode({"Command": "event", "Seq": 1})
    bodies = list(forge.noise(200)) + [hello + data for data in forge.noise(200, seed=8)]
    bodies += [hello + event + head + b"\xff" * 4 + bytes(5000) for head in (b"\xdb", b"\xdf", b"\xdd", b"\xc6")]
    bodies += [hello + event + b"\x91" * 50000, b"GET / HTTP/1.1\r\n\r\n", hello[:-1]]

    def pour():
        for data in bodies:
            with socket.create_connection((nodes[1].address, nodes[1].rpc_port), 5) as client:
                try:
                    client.sendall(data)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # closed already: so much the better

    endure(nodes, pour)
    holds(nodes[1].running, 0.5, "it ended")
