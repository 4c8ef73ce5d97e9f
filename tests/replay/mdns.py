"""Catches and judges the multicast DNS packets of the agents on a device."""

import socket
import struct
import threading
import time

_OUTGOING = 4
_IPV4 = 0x0800


class Capture:
    """All UDP packets from or to port 5353, IPv4, until it is closed."""

    def __init__(self, device):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_IPV4))
        self.socket.bind((device, _IPV4))
        self.socket.settimeout(0.1)
        self.packets = []
        self.ended = False
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        while not self.ended:
            try:
                data, address = self.socket.recvfrom(65536)
            except socket.timeout:
                continue
            packet = _udp(data)
            # A loopback device shows every packet twice, going and coming.
            if packet and address[2] != _OUTGOING:
                self.packets.append((time.monotonic(), packet))

    def close(self, began):
        self.ended = True
        self.reader.join()
        self.socket.close()
        return [{"t": at - began, **packet} for at, packet in self.packets]


def _udp(data):
    header = (data[0] & 15) * 4
    if data[9] != socket.IPPROTO_UDP:
        return None
    source, target = struct.unpack(">HH", data[header:header + 4])
    if 5353 not in (source, target):
        return None
    return {"src": f"{socket.inet_ntoa(data[12:16])} port {source}",
            "dst": f"{socket.inet_ntoa(data[16:20])} port {target}",
            "ttl": data[8], "dns_hex": data[header + 8:].hex()}


def _name(message, at):
    labels, end = [], None
    while message[at]:
        if message[at] & 0xC0:
            end = end or at + 2
            at = struct.unpack(">H", message[at:at + 2])[0] & 0x3FFF
            continue
        labels.append(message[at + 1:at + 1 + message[at]])
        at += 1 + message[at]
    return b".".join(labels), end or at + 1


def _decoded(hexadecimal):
    """(flags, questions, records): the meaning of a message without its id and its way of compressing names."""
    message = bytes.fromhex(hexadecimal)
    _, flags, *counts = struct.unpack(">6H", message[:12])
    at, questions, records = 12, [], []
    for _ in range(counts[0]):
        name, at = _name(message, at)
        questions.append((name, message[at:at + 4]))
        at += 4
    for section, count in enumerate(counts[1:]):
        for _ in range(count):
            name, at = _name(message, at)
            kind, class_, ttl, length = struct.unpack(">HHIH", message[at:at + 10])
            at += 10
            data = message[at:at + length]
            if kind == 12:
                data = _name(message, at)[0]
            elif kind == 33:
                data = data[:6] + _name(message, at + 6)[0]
            records.append((section, name, kind, class_, ttl, data))
            at += length
    return flags, tuple(questions), tuple(records)


def _canonical(packets):
    result = []
    for packet in packets:
        ends = [end if end.endswith(" 5353") else end.split(" ")[0] for end in (packet["src"], packet["dst"])]
        # An answer has id 0, a question a random one.
        identity = packet["dns_hex"][:4] if packet["dns_hex"][4:8] != "0000" else "random"
        result.append((*ends, packet["ttl"], identity, _decoded(packet["dns_hex"])))
    # The answers to one question race; questions and answers keep their order.
    groups = []
    for packet in result:
        if not groups or packet[3] == "random":
            groups.append([])
        groups[-1].append(packet)
    return [sorted(group, key=repr) for group in groups]


def judge(recorded, packets):
    """The same questions and answers in the same order; answers to one question in any order."""
    try:
        got = _canonical(packets)
    except (IndexError, struct.error) as error:
        return f"a packet that is no DNS message: {error}: {packets}"
    want = _canonical(recorded)
    if want == got:
        return None
    shown = ["packets:"] + [f"- {p}" for g in want for p in g] + [f"+ {p}" for g in got for p in g]
    return "\n".join(shown)
