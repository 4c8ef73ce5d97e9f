"""How an output is compared with its recording. Every function returns None, or a text that says what differs."""

import difflib
import json
import re

import masks

USAGE = "<usage text>\n"


def diff(expected, actual):
    """A unified diff of two texts, one of them expected."""
    lines = difflib.unified_diff(
        expected.splitlines(), actual.splitlines(), "recorded", "got", lineterm="", n=2
    )
    shown = "\n".join(lines)
    return shown or f"line ends differ: recorded {expected[-20:]!r}, got {actual[-20:]!r}"


def exact(expected, actual):
    """Byte for byte, but a help text is free: it must not be empty and must end in a newline."""
    expected, actual = masks.wording(expected), masks.wording(actual)
    if USAGE not in expected:
        return None if expected == actual else diff(expected, actual)
    before, after = expected.split(USAGE, 1)
    if after:
        raise ValueError("text after a help text: no recording has that")
    if not actual.startswith(before):
        return diff(expected, actual)
    usage = actual[len(before):]
    if not usage.strip() or not usage.endswith("\n"):
        return f"a help text was expected after {before!r}, got {usage!r}"
    # Only the list of all commands ends in an empty line.
    if usage.endswith("\n\n") and "\n\n    agent " not in usage and "    agent  " not in usage:
        return "the help text ends in more than one newline"
    return None


def sorted_lines(expected, actual):
    """The same lines in any order."""
    ours, theirs = sorted(actual.splitlines()), sorted(expected.splitlines())
    if ours == theirs and actual.endswith("\n") == expected.endswith("\n"):
        return None
    return diff("\n".join(theirs), "\n".join(ours))


_PAIRS = re.compile(r"(?<=  )[^\s=,]+=[^\s,]*(?:,[^\s=,]+=[^\s,]*)+")


def _sort_pairs(line):
    return _PAIRS.sub(lambda m: ",".join(sorted(m.group(0).split(","))), line)


def rows(expected, actual):
    """Rows of a table in any order, `k=v` pairs of a cell in any order, padding exact.

    A row whose last cell is empty ends in two spaces, except on the last line, since the whole text is trimmed.
    """
    def table(text):
        lines = text.rstrip("\n").split("\n")
        return {_sort_pairs(line).rstrip(): (line != line.rstrip(), i + 1 == len(lines))
                for i, line in enumerate(lines)}

    want, got = table(expected), table(actual)
    if set(want) != set(got) or not actual.endswith("\n") or actual.count("\n") != expected.count("\n"):
        return diff("\n".join(sorted(want)), "\n".join(sorted(got)))
    for row, (padded, last) in got.items():
        recorded, was_last = want[row]
        if last and padded:
            return f"the last row ends in spaces: {row!r}"
        if not last and not was_last and padded != recorded:
            return f"trailing spaces of row {row!r}: recorded {recorded}, got {padded}"
    return None


def go_json(value, indent=0):
    """A JSON value as the reference prints it: two spaces of indent, `<`, `>`, `&` and odd characters escaped."""
    pad, inner = "  " * indent, "  " * (indent + 1)
    if isinstance(value, dict):
        if not value:
            return "{}"
        items = [f"{inner}{go_json(k)}: {go_json(v, indent + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(items) + "\n" + pad + "}"
    if isinstance(value, list):
        if not value:
            return "[]"
        return "[\n" + ",\n".join(inner + go_json(v, indent + 1) for v in value) + "\n" + pad + "]"
    if isinstance(value, str):
        shown = json.dumps(value, ensure_ascii=False).replace("\\b", "\\u0008").replace("\\f", "\\u000c")
        return re.sub("[<>&\u2028\u2029\ufffd]", lambda m: f"\\u{ord(m.group(0)):04x}", shown)
    return json.dumps(value)


def json_value(expected, actual):
    """The same JSON in the same layout; members and acks in any order, fields in the recorded order."""
    def canonical(text):
        value = json.loads(text)
        if go_json(value) + "\n" != text:
            raise ValueError("not laid out as recorded")
        if isinstance(value.get("members"), list):
            value["members"].sort(key=lambda m: m["name"])
        if isinstance(value.get("Acks"), list):
            value["Acks"].sort()
        return go_json(value)

    try:
        got = canonical(actual)
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        return f"{error}\n{diff(expected, actual)}"
    want = canonical(expected)
    return None if want == got else diff(want, got)


# ---------------------------------------------------------------------------------------------- shapes

def _mask_info(text, clocks):
    """`info` in either format with the volatile keys masked."""
    keys = masks.INFO_VOLATILE | (masks.INFO_CLOCKS if clocks else set())
    names = "|".join(sorted(keys))
    text = re.sub(rf"(?m)^(\t(?:{names}) = )\S.*$", r"\1<VALUE>", text)
    return re.sub(rf'(?m)^(    "(?:{names})": )"[^"]+"', r'\1"<VALUE>"', text)


def info(expected, actual, clocks=True):
    """`info`: sections, keys, their order and layout, and every value that is not of the moment."""
    want, got = _mask_info(expected, clocks), _mask_info(actual, clocks)
    if want == got:
        return None
    # Tags and handlers are maps of the user, sorted by the program.
    return diff(want, got)


def acks(expected, actual):
    """Lines in order, except that the indented ack lines come as they come; measured times are masked."""
    def canonical(text):
        lines = masks.text(text).splitlines()
        found = sorted(line for line in lines if line.startswith("\tAck from"))
        return "\n".join(found.pop(0) if line.startswith("\tAck from") else line for line in lines)

    want, got = canonical(expected), canonical(actual)
    return None if want == got and actual.endswith("\n") else diff(want, got)


def shape(case, expected, actual):
    """The layout only: what is left of an output once the volatile values are masked."""
    command = case["argv"][1]
    if command == "keygen":
        ok = masks.GENERATED_KEY.match(actual) and masks.GENERATED_KEY.match(expected)
        return None if ok else f"not 32 bytes in base64 and a newline: {actual!r}"
    if case["id"] == "rpc-peer-closes":
        return None if masks.PEER_CLOSED.match(actual) else f"unexpected text: {actual!r}"
    if command == "info":
        return info(expected, actual)
    if command == "reachability":
        return acks(expected, actual)
    want, got = masks.text(expected), masks.text(actual)
    return None if want == got else diff(want, got)


def client_output(case, expected, actual):
    """The standard output of a client command, compared as its recording asks for."""
    how = case["compare"]
    if how == "exact":
        return exact(expected, actual)
    if how == "sorted-lines":
        return sorted_lines(expected, actual)
    if how == "rows":
        return rows(expected, actual)
    if how == "json":
        return json_value(expected, actual)
    if how == "shape":
        return shape(case, expected, actual)
    raise ValueError(f"unknown way to compare: {how}")


# ---------------------------------------------------------------------------------------------- logs

_STARTS = re.compile(r"==> |(    )?\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[|(    )?<TIME> \[")


def entries(text):
    """The text cut into console messages and log messages; both may span lines."""
    found = []
    for line in text.splitlines():
        if _STARTS.match(line) or not found:
            found.append(line)
        else:
            found[-1] += "\n" + line
    return found


def _stream(entry):
    return next(name for name, pattern in masks.STREAMS if pattern.search(entry))


def _matches(patterns, entry):
    return any(pattern.search(entry) for pattern in patterns)


def log_problem(expected, actual, running=False, hurried=False):
    """Compares two logs (lists of masked entries) by the rules of `masks`: streams in order, tasks in any order.

    With `running`, the agent was still at work when the recording ended, so member events may follow; with `hurried`, it
    may have ended before its last member event was due.
    """
    def streams(items):
        result = {}
        for entry in items:
            if _matches(masks.OPTIONAL, entry):
                continue
            bucket = result.setdefault(_stream(entry), [])
            if not (_matches(masks.REPEATED, entry) and entry in bucket):
                bucket.append(entry)
        return result

    want, got = streams(expected), streams(actual)
    problems = []
    for name in sorted(set(want) | set(got)):
        recorded, seen = want.get(name, []), got.get(name, [])
        if running and name == "events":
            while len(seen) > len(recorded) and masks.LATE.search(seen[-1]):
                seen = seen[:-1]
        if hurried and name == "events" and recorded[:-1] == seen and masks.LATE.search(recorded[-1]):
            continue
        if recorded != seen:
            problems.append(f"stream of {name}:\n" + diff("\n".join(recorded), "\n".join(seen)))
    for earlier, later in masks.ORDER:
        first = next((i for i, entry in enumerate(actual) if earlier.search(entry)), None)
        second = next((i for i, entry in enumerate(actual) if later.search(entry)), None)
        if first is not None and second is not None and second < first:
            problems.append(f"{actual[second]!r} came before {actual[first]!r}")
    return "\n".join(problems) or None


def agent_log(expected, actual, running=False, hurried=False):
    """Compares the standard output of two agents; the flags are those of `log_problem`."""
    if USAGE in expected:
        return exact(expected, actual)
    return log_problem(entries(masks.text(expected)), entries(masks.text(actual)), running, hurried)
