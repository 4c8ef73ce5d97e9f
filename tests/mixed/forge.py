"""Datagrams that no member would send: made by hand, sealed with any key, or caught and sent again."""

import ctypes
import ctypes.util
import os
import random
import select
import socket
import struct
import time

from harness import msgpack

PING, SUSPECT, DEAD, PUSH_PULL, COMPOUND, USER, COMPRESS, ENCRYPT, CRC, LABEL = 0, 3, 5, 6, 7, 8, 9, 10, 12, 244
TAG_BYTES, NONCE_BYTES = 16, 12


def message(kind, body):
    return bytes([kind]) + msgpack.encode(body)


def verdict(name):
    """A death of `name` that everybody would believe, were it let in."""
    return message(DEAD, {"Incarnation": 1000, "Node": name, "From": "stranger"})


def labelled(label, packet):
    return bytes([LABEL, len(label)]) + label + packet


def compressed(data):
    """A compression message over Go's LZW (least significant bit first, eight bits)."""
    return message(COMPRESS, {"Algo": 0, "Buf": lzw(data)})


def lzw(data):
    codes, table, width, fresh, prefix = [(256, 9)], {}, 9, 257, -1
    for byte in data:
        if prefix < 0:
            prefix = byte
            continue
        known = table.get((prefix, byte))
        if known is not None:
            prefix = known
            continue
        codes.append((prefix, width))
        fresh += 1
        if fresh == 4096:
            codes.append((256, width))
            table, width, fresh = {}, 9, 257
        else:
            table[prefix, byte] = fresh
            width += fresh >= 1 << width
        prefix = byte
    codes += [(prefix, width)] if prefix >= 0 else []
    bits = at = 0
    for code, size in codes + [(257, width)]:
        bits |= code << at
        at += size
    return bits.to_bytes((at + 7) // 8, "little")


def seal(key, plaintext, label=b"", version=1):
    """An encrypted packet, by the system's OpenSSL."""
    crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
    for name in ("EVP_CIPHER_CTX_new", "EVP_aes_128_gcm", "EVP_aes_192_gcm", "EVP_aes_256_gcm"):
        getattr(crypto, name).restype = ctypes.c_void_p
    if version == 0:
        padding = 16 - len(plaintext) % 16
        plaintext += bytes([padding]) * padding
    nonce, length = os.urandom(NONCE_BYTES), ctypes.c_int()
    out, tag = ctypes.create_string_buffer(len(plaintext) + 16), ctypes.create_string_buffer(TAG_BYTES)
    context = ctypes.c_void_p(crypto.EVP_CIPHER_CTX_new())
    cipher = ctypes.c_void_p(getattr(crypto, "EVP_aes_%d_gcm" % (8 * len(key)))())
    crypto.EVP_EncryptInit_ex(context, cipher, None, key, nonce)
    if label:
        crypto.EVP_EncryptUpdate(context, None, ctypes.byref(length), label, len(label))
    crypto.EVP_EncryptUpdate(context, out, ctypes.byref(length), plaintext, len(plaintext))
    written = length.value if plaintext else 0
    crypto.EVP_EncryptFinal_ex(context, out, ctypes.byref(length))
    crypto.EVP_CIPHER_CTX_ctrl(context, 0x10, TAG_BYTES, tag)
    crypto.EVP_CIPHER_CTX_free(context)
    return bytes([version]) + nonce + out.raw[:written] + tag.raw


def noise(count, seed=7, longest=1400):
    source = random.Random(seed)
    for number in range(count):
        body = source.randbytes(source.randrange(longest))
        yield bytes([number % 256]) + body if number % 2 else body


def shower(nodes, packets):
    """Sends every packet to every node, not faster than the slowest machine takes them in."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number, packet in enumerate(packets):
            for node in nodes:
                sender.sendto(packet, (node.address, node.port))
            if number % 50 == 49:
                time.sleep(0.01)  # a receive buffer that overflows would swallow what is to be tested


def is_answered(node, wrap, seconds=5):
    """Whether a ping, wrapped so, is understood: what is refused must be refused for what it says, not for its form."""
    ping = message(PING, {"SeqNo": 7, "Node": node.name})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(wrap(ping), (node.address, node.port))
        return bool(select.select([sender], [], [], seconds)[0])


class Eavesdropper:
    """Everything that members send each other by datagram over the loopback device."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        self.socket.bind(("lo", 0))

    def caught(self, seconds=0.2, port=7946):
        """Datagrams so far, with their destinations; each once."""
        found = {}
        while select.select([self.socket], [], [], seconds)[0]:
            frame = self.socket.recv(65535)
            header = 14 + (frame[14] & 15) * 4
            if frame[23] == socket.IPPROTO_UDP and struct.unpack_from(">H", frame, header + 2)[0] == port:
                found[socket.inet_ntoa(frame[30:34]), frame[header + 8 :]] = None
            if len(found) >= 2000:
                break
        return [(address, data) for address, data in found]

    def close(self):
        self.socket.close()
