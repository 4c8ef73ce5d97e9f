#!/usr/bin/env python3
"""Replays the scenarios of DNS that it is given with the recordings' own program, and asks after
each question how its answer comes about: the explanation must end with the code and the answers
that were recorded, or with as many where chance decides which they are.

  dns_explained.py FOLDER ARGUMENT...     the folder of the recordings, and what their program is given
"""

import http.client
import json
import sys
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv.pop(1))

# pylint: disable=wrong-import-position,import-error
import replay

TIMEOUT_SECONDS = 20
check_case = replay.check_case


def is_explained(case):
    """Whether it is one question that an explanation can be asked for in words."""
    plain = case.get("class") == "IN" and case.get("type") in replay.TYPES
    return plain and isinstance(case.get("parsed"), dict)


def explanation(case, dns, var):
    """Status and body."""
    host, port = replay.hostport(dns)
    query = {"type": f"TYPE{replay.TYPES[case['type']]}", "transport": case["transport"]}
    if "edns" in case:
        query["edns"] = case["edns"]["size"]
    # No path holds every name.
    query["name"] = replay.subst(case["name"], var)
    connection = http.client.HTTPConnection(host, port + 1, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", f"/v1/tribune/explain/dns/?{urllib.parse.urlencode(query)}")
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def told(answers, var):
    """Answers in any order, without the values that differ between runs."""
    record = {"answer": answers, "authority": [], "additional": [], "question": [], "counts": []}
    return sorted(replay.clean(record, var)["answer"])


def check_explained(case, dns, var, stubs, by_id):
    """What is wrong with an answer or its explanation, if anything."""
    wrong = check_case(case, dns, var, stubs, by_id)
    if wrong or not is_explained(case):
        return wrong
    status, body = explanation(case, dns, var)
    if status != 200:
        return f"explained: {status} {body[:300]}"
    got, want = json.loads(body), case["parsed"]
    if got["Code"] != want["rcode"]:
        return f"explained: expected {want['rcode']!r}, got {got['Code']!r}"
    if case.get("compare", "exact") in ("exact", "any-order"):
        answers, wanted = told(got["Answers"], var), sorted(want["answer"])
    else:
        answers, wanted = len(got["Answers"]), want["counts"][1]
    return None if answers == wanted else f"explained: expected {wanted!r}, got {answers!r}"


if __name__ == "__main__":
    replay.check_case = check_explained
    sys.exit(replay.main())
