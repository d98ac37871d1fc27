"""The app dies and comes back: 502 meanwhile, /readyz and /metrics tell, and nobody has to touch the gate."""

import socket
from pathlib import Path

import pytest

from tests.gate_process import Gate, until
from tests.ports import free_port
from tests.visitors import Visitors


@pytest.mark.parametrize("decides", [True, False])
def test_gone_and_back(folder: Path, visitors: Visitors, *, decides: bool) -> None:
    """The check needs no visitor to find out, in either direction. It makes the gate unready only where
    ``readiness.checks`` says so: otherwise every replica would be taken out of service, and the page with it."""
    tables = '[readiness]\nchecks = ["upstream"]' if decides else ""
    while_gone = 503 if decides else 200
    alice = visitors.context("alice")
    port = free_port()
    with Gate(folder, f"http://127.0.0.1:{port}", tables=tables) as gate:

        def up() -> bool:
            told: bool = gate.admin("/readyz?verbose")[1]["checks"]["upstream"]["ok"]
            return told

        status, told = gate.admin("/readyz?verbose")
        assert status == while_gone
        assert told["checks"]["upstream"] == {"ok": False, "detail": "no connection to default", "decides": decides}
        assert gate.admin("/readyz")[0] == while_gone
        assert ("upstream" in gate.admin("/readyz")[1]["checks"]) is decides
        assert gate.request(alice)[0] == 502
        assert 'gatekeeper_upstream_up{upstream="default"} 0\n' in gate.admin_text("/metrics")
        with socket.create_server(("127.0.0.1", port)):
            until(up)
            assert gate.admin("/readyz")[0] == 200
            assert 'gatekeeper_upstream_up{upstream="default"} 1\n' in gate.admin_text("/metrics")
        until(lambda: not up())
        assert gate.admin("/readyz")[0] == while_gone
