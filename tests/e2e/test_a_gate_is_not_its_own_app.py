"""An upstream whose name leads back to the gate: no request goes round."""

import signal
from pathlib import Path

from tests.gate_process import Gate, configure
from tests.visitors import Visitors

PUBLIC = "[[routes]]\npublic = true\n"


def test_a_name_that_leads_to_the_gate(folder: Path, visitors: Visitors) -> None:
    """Its port is known only when it runs, so the upstream changes by a reload."""
    with Gate(folder, "http://127.0.0.1:1", tables=PUBLIC) as gate:
        configure(folder, gate.address, app='ca = "ca.crt"', tables=PUBLIC)
        gate.signal(signal.SIGHUP)
        gate.wait_for(lambda line: "INFO: reloaded" in line)
        assert gate.request(visitors.context("nobody"))[0] == 502
        (record,) = gate.logged(1)  # the request that came first, and none that it caused
    assert record["detail"] == f"the gate itself listens at 127.0.0.1:{gate.port}"
