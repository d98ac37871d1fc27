"""A worker that is ended by hand, with SIGTERM: its successor serves before it leaves, and that is no crash."""

import os
import signal
from pathlib import Path

from tests.app import App
from tests.gate_process import Gate
from tests.visitors import Visitors

# The kept connection, in the middle of a head, must outlast the start of another worker.
PATIENT = '[timeouts]\nrequest_header = "60s"\n'


def test_a_worker_is_relieved(folder: Path, visitors: Visitors) -> None:
    """Not for a moment does nobody accept, and what it has begun it finishes."""
    alice = visitors.context("alice")
    with App() as behind, Gate(folder, behind.url, tables=PATIENT) as gate:
        (worker,) = gate.workers()
        with gate.connect(alice) as kept:
            kept.sendall(b"GET /kept HTTP/1.1\r\n")
            os.kill(worker, signal.SIGTERM)
            states: list[str] = []
            while len(states) < 2 or "starting" in states:
                told = gate.admin("/status")[1]
                states = [one["state"] for one in told["workers"]]
                assert "serving" in states
                assert gate.request(alice)[0] == 200
            kept.sendall(b"Host: localhost\r\n\r\n")
            assert kept.recv(12) == b"HTTP/1.1 200"
        assert told["worker_restarts"] == 0
        assert not any("ERROR" in line for line in gate.err)
