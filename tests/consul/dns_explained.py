#!/usr/bin/env python3
"""Replays the scenarios of DNS that it is given with the recordings' own program, and asks after
each question that needs no recursor how its answer comes about: the explanation must end with the
code of the answer.

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


def is_explained(case, stubs):
    """Whether it is one question that an explanation can be asked for in words."""
    plain = case.get("class") == "IN" and case.get("type") in replay.TYPES
    if not plain or not isinstance(case.get("parsed"), dict) or stubs:
        return False
    # A path that ends in the root's name alone is another path.
    return case["name"] != "." and case["name"].isascii() and "\\" not in case["name"]


def explanation(case, dns, var):
    """Status and body."""
    host, port = replay.hostport(dns)
    query = {"type": f"TYPE{replay.TYPES[case['type']]}", "transport": case["transport"]}
    if "edns" in case:
        query["edns"] = case["edns"]["size"]
    name = urllib.parse.quote(replay.subst(case["name"], var))
    connection = http.client.HTTPConnection(host, port + 1, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", f"/v1/tribune/explain/dns/{name}?{urllib.parse.urlencode(query)}")
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def check_explained(case, dns, var, stubs, by_id):
    """What is wrong with an answer or its explanation, if anything."""
    wrong = check_case(case, dns, var, stubs, by_id)
    if wrong or not is_explained(case, stubs):
        return wrong
    status, body = explanation(case, dns, var)
    code = json.loads(body)["Code"] if status == 200 else None
    wanted = case["parsed"]["rcode"]
    return None if code == wanted else f"explained: expected {wanted!r}, got {code!r} ({status} {body[:300]})"


if __name__ == "__main__":
    replay.check_case = check_explained
    sys.exit(replay.main())
