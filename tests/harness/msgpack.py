"""MessagePack as Serf's RPC speaks it, with the encoding of every value kept.

`decode` yields `Node`s: the form a value had on the wire (`fixraw`, `str8`, `bin8`, `uint16` …) beside the value,
so that two exchanges can be compared byte for byte while single values are masked. `to_wire` prints the notation of
the recordings, `parse_wire` reads it back.
"""

import json
import struct


class Incomplete(Exception):
    """The bytes end inside a value."""


class Malformed(Exception):
    """No value begins with this byte."""


class Node:
    """One value: its form, and text, bytes, number, list of nodes or list of pairs of nodes."""

    __slots__ = ("form", "value")

    def __init__(self, form, value):
        self.form = form
        self.value = value

    def is_map(self):
        return "map" in self.form

    def is_list(self):
        return "array" in self.form

    def is_text(self):
        return self.form in ("fixraw", "str8", "raw16", "raw32")

    def plain(self):
        """The value as Python would write it."""
        if self.is_map():
            return {key.plain(): value.plain() for key, value in self.value}
        if self.is_list():
            return [item.plain() for item in self.value]
        return self.value

    def shortest(self):
        """Whether a text or number has the shortest form there is for it."""
        if self.is_text():
            size = len(self.value.encode("utf-8", "surrogateescape"))
            return self.form == text_form(size)
        if isinstance(self.value, int) and not isinstance(self.value, bool):
            return self.form == number_form(self.value)
        return True


def text_form(size):
    for form, limit in (("fixraw", 32), ("str8", 1 << 8), ("raw16", 1 << 16)):
        if size < limit:
            return form
    return "raw32"


def number_form(number):
    if number < 0:
        return "negfixint"
    for form, limit in (("fixint", 128), ("uint8", 1 << 8), ("uint16", 1 << 16), ("uint32", 1 << 32)):
        if number < limit:
            return form
    return "uint64"


class Reader:
    def __init__(self, data, at=0):
        self.data = data
        self.at = at

    def take(self, count):
        end = self.at + count
        if end > len(self.data):
            raise Incomplete()
        piece = self.data[self.at : end]
        self.at = end
        return piece

    def number(self, layout):
        return struct.unpack(">" + layout, self.take(struct.calcsize(layout)))[0]

    def text(self, form, size):
        return Node(form, self.take(size).decode("utf-8", "surrogateescape"))

    def items(self, form, size):
        return Node(form, [self.value() for _ in range(size)])

    def pairs(self, form, size):
        return Node(form, [(self.value(), self.value()) for _ in range(size)])

    def value(self):
        byte = self.take(1)[0]
        if byte < 0x80:
            return Node("fixint", byte)
        if byte < 0x90:
            return self.pairs("fixmap", byte & 15)
        if byte < 0xA0:
            return self.items("fixarray", byte & 15)
        if byte < 0xC0:
            return self.text("fixraw", byte & 31)
        if byte >= 0xE0:
            return Node("negfixint", byte - 256)
        if byte in CONSTANTS:
            return Node(*CONSTANTS[byte])
        if byte in NUMBERS:
            form, layout = NUMBERS[byte]
            return Node(form, self.number(layout))
        if byte in SIZED:
            form, layout, make = SIZED[byte]
            return make(self, form, self.number(layout))
        raise Malformed("0x%02x" % byte)


CONSTANTS = {0xC0: ("nil", None), 0xC2: ("false", False), 0xC3: ("true", True)}
NUMBERS = {
    0xCA: ("float32", "f"),
    0xCB: ("float64", "d"),
    0xCC: ("uint8", "B"),
    0xCD: ("uint16", "H"),
    0xCE: ("uint32", "I"),
    0xCF: ("uint64", "Q"),
    0xD0: ("int8", "b"),
    0xD1: ("int16", "h"),
    0xD2: ("int32", "i"),
    0xD3: ("int64", "q"),
}
SIZED = {
    0xC4: ("bin8", "B", lambda r, form, size: Node(form, r.take(size))),
    0xC5: ("bin16", "H", lambda r, form, size: Node(form, r.take(size))),
    0xC6: ("bin32", "I", lambda r, form, size: Node(form, r.take(size))),
    0xD9: ("str8", "B", Reader.text),
    0xDA: ("raw16", "H", Reader.text),
    0xDB: ("raw32", "I", Reader.text),
    0xDC: ("array16", "H", Reader.items),
    0xDD: ("array32", "I", Reader.items),
    0xDE: ("map16", "H", Reader.pairs),
    0xDF: ("map32", "I", Reader.pairs),
}


def decode_all(data):
    """The whole values at the front of `data`, and the bytes that are left."""
    reader = Reader(data)
    nodes = []
    start = 0
    while reader.at < len(data):
        try:
            nodes.append(reader.value())
        except Incomplete:
            break
        start = reader.at
    return nodes, data[start:]


def encode(value):
    """A value as the real client writes it: text as fixraw or str 8, bytes as bin, map keys in their given order."""
    if value is None:
        return b"\xc0"
    if value is True:
        return b"\xc3"
    if value is False:
        return b"\xc2"
    if isinstance(value, int):
        return encode_int(value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        raw = value.encode("utf-8", "surrogateescape")
        return encode_size(len(raw), 0xA0, 32, (0xD9, 0xDA, 0xDB)) + raw
    if isinstance(value, (bytes, bytearray)):
        return encode_size(len(value), None, 0, (0xC4, 0xC5, 0xC6)) + bytes(value)
    if isinstance(value, (list, tuple)):
        return encode_size(len(value), 0x90, 16, (None, 0xDC, 0xDD)) + b"".join(map(encode, value))
    if isinstance(value, dict):
        head = encode_size(len(value), 0x80, 16, (None, 0xDE, 0xDF))
        return head + b"".join(encode(key) + encode(item) for key, item in value.items())
    raise TypeError(type(value).__name__)


def encode_int(number):
    if number < 0:
        return struct.pack(">b", number) if number >= -32 else b"\xd3" + struct.pack(">q", number)
    for limit, byte, layout in ((1 << 7, None, "B"), (1 << 8, 0xCC, "B"), (1 << 16, 0xCD, "H"), (1 << 32, 0xCE, "I")):
        if number < limit:
            return (b"" if byte is None else bytes([byte])) + struct.pack(">" + layout, number)
    return b"\xcf" + struct.pack(">Q", number)


def encode_size(size, fixed, fixed_limit, bytes_by_width):
    if fixed is not None and size < fixed_limit:
        return bytes([fixed | size])
    for byte, layout, limit in zip(bytes_by_width, "BHI", (1 << 8, 1 << 16, 1 << 32)):
        if byte is not None and size < limit:
            return bytes([byte]) + struct.pack(">" + layout, size)
    raise ValueError(size)


def to_wire(node):
    """The notation of the recordings, such as `fixmap1{fixraw "Num": fixint 1}`."""
    if node.is_map():
        inner = ", ".join("%s: %s" % (to_wire(key), to_wire(value)) for key, value in node.value)
        return "%s{%s}" % (sized(node), inner)
    if node.is_list():
        return "%s[%s]" % (sized(node), ", ".join(map(to_wire, node.value)))
    if node.is_text():
        return "%s %s" % (node.form, json.dumps(node.value, ensure_ascii=False))
    if node.form.startswith("bin"):
        return "%s 0x%s" % (node.form, node.value.hex())
    if node.form in ("nil", "true", "false"):
        return node.form
    return "%s %r" % (node.form, node.value)


def sized(node):
    """`fixmap2`, but `map16`: the recordings give the count of the short forms only."""
    return node.form + str(len(node.value)) if node.form.startswith("fix") else node.form


def parse_wire(text):
    """Reads the notation that `to_wire` prints."""
    node, rest = parse_node(text)
    if rest:
        raise Malformed(rest)
    return node


def parse_node(text):
    word = ""
    while text and text[0] not in " {[,]}:":
        word, text = word + text[0], text[1:]
    if text.startswith("{"):
        return parse_items(word.rstrip("0123456789") if word.startswith("fix") else word, text[1:], "}", parse_pair)
    if text.startswith("["):
        return parse_items(word.rstrip("0123456789") if word.startswith("fix") else word, text[1:], "]", parse_node)
    if word in ("nil", "true", "false"):
        return Node(word, {"nil": None, "true": True, "false": False}[word]), text
    text = text[1:]
    if text.startswith('"'):
        value, end = json.JSONDecoder().raw_decode(text)
        return Node(word, value), text[end:]
    token = ""
    while text and text[0] not in ",]}:":
        token, text = token + text[0], text[1:]
    if word.startswith("bin"):
        return Node(word, bytes.fromhex(token[2:])), text
    return Node(word, float(token) if word.startswith("float") else int(token)), text


def parse_pair(text):
    key, text = parse_node(text)
    value, text = parse_node(text[2:])
    return (key, value), text


def parse_items(form, text, end, parse):
    items = []
    while not text.startswith(end):
        item, text = parse(text)
        items.append(item)
        if text.startswith(", "):
            text = text[2:]
    return Node(form, items), text[1:]
