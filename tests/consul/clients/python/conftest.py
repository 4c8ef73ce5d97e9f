"""What the tests of py-consul start a container for: a fresh server of ours for each.

It takes the place of their `conftest.py`, with the same fixtures. Their tests of ACLs, Connect, configuration entries,
prepared queries and what hangs on them are left out: the server has none of these.
"""

import collections
import os
import sys

import pytest

sys.path[:0] = [os.environ["STAGE_SUITE"], os.path.dirname(os.environ["STAGE_SUITE"])]

import server  # pylint: disable=wrong-import-position

VERSION = "1.16.4"
CONFIG = {"ports": {"https": -1, "dns": -1, "grpc_tls": -1}, "performance": {"raft_multiplier": 1}, "enable_script_checks": True}
# Function of a test -> why it is left out, beside those that ask for a server with ACLs.
LEFT_OUT = {
    "test_query": "prepared queries",
    "test_config_entry_crud": "configuration entries",
    "test_config_entry_cas": "configuration entries",
    "test_discovery_chain_get": "Connect",
    "test_health_connect": "Connect",
    "test_health_ingress": "Connect",
    "test_agent_service_connect": "Connect",
    "test_catalog_gateway_services": "Connect",
    "test_health_service_merge_central_config": "configuration entries",
    "test_catalog_service_merge_central_config": "configuration entries",
    "test_agent_token_permission_denied": "ACLs",
    "test_agent_token_invalid_type": "ACLs",
}

Instance = collections.namedtuple("Instance", ["container", "port", "version"])


def pytest_collection_modifyitems(items):
    for item in items:
        why = "ACLs" if "acl_consul_instance" in item.fixturenames else LEFT_OUT.get(item.originalname)
        if why:
            item.add_marker(pytest.mark.skip(reason="no " + why))


@pytest.fixture
def acl_consul_instance():
    raise AssertionError("a test with ACLs was not left out")


@pytest.fixture
def consul_instance(tmp_path):
    stage = server.Server(os.environ["STAGE_PROGRAM"], str(tmp_path), ("-dev",), CONFIG)
    stage.start()
    try:
        yield Instance(stage, stage.port, VERSION)
        assert "panicked" not in stage.log()
    finally:
        stage.kill()


@pytest.fixture
def consul_port(consul_instance):
    return consul_instance.port, consul_instance.version


def pytest_terminal_summary(terminalreporter):
    """One line for each test, as the other clients have."""
    terminalreporter.write_line("")
    for word, kinds in (("ok", ("passed",)), ("not ok", ("failed", "error"))):
        for kind in kinds:
            for outcome in terminalreporter.getreports(kind):
                why = "" if word == "ok" else ": " + " ".join(outcome.longreprtext.split())[-600:]
                terminalreporter.write_line(f"{word} {outcome.nodeid}{why}")
