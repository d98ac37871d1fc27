"""The app dies and comes back: 502 meanwhile, /readyz and /metrics tell, and nobody has to touch the gate."""

import socket
from pathlib import Path

from tests.gate_process import Gate, until
from tests.visitors import Visitors


def test_gone_and_back(folder: Path, visitors: Visitors) -> None:
    """Readiness needs no visitor to find out, in either direction."""
    alice = visitors.context("alice")
    with socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]
    with Gate(folder, f"http://127.0.0.1:{port}") as gate:
        status, told = gate.admin("/readyz")
        assert status == 503
        assert told["checks"]["upstream"] == {"ok": False, "detail": "no connection to default"}
        assert gate.request(alice)[0] == 502
        assert 'gatekeeper_upstream_up{upstream="default"} 0\n' in gate.admin_text("/metrics")
        with socket.create_server(("127.0.0.1", port)):
            until(lambda: gate.admin("/readyz")[0] == 200)
            assert 'gatekeeper_upstream_up{upstream="default"} 1\n' in gate.admin_text("/metrics")
        until(lambda: gate.admin("/readyz")[0] == 503)
