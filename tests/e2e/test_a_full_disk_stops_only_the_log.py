"""The disk is full: lines are lost and that is said, traffic goes on, and so does the log when there is room."""

import json
import resource
from pathlib import Path

from tests.app import App
from tests.gate_process import Gate, until
from tests.visitors import Visitors


def test_a_log_that_cannot_grow(folder: Path, visitors: Visitors) -> None:
    """RLIMIT_FSIZE stands in for the disk: write(2) fails in the same way, in the middle of a line too."""
    alice = visitors.context("alice")
    with App() as behind, Gate(folder, behind.url) as gate:
        (worker,) = gate.workers()
        gate.request(alice, target="/first")
        gate.logged(1)
        before = resource.prlimit(worker, resource.RLIMIT_FSIZE)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (gate.log.stat().st_size + 10, before[1]))
        for _ in range(3):
            assert gate.request(alice, target="/lost")[0] == 200
        gate.wait_for(lambda line: "access log: file too large; lines are lost" in line.lower())
        until(lambda: gate.admin("/status")[1]["access_log_lost"] == 3)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, before)
        assert gate.request(alice, target="/last")[0] == 200
        until(lambda: gate.log.read_text().endswith("}\n") and "/last" in gate.log.read_text())
        lines = gate.log.read_text().splitlines()
        assert [json.loads(lines[0])["target"], json.loads(lines[-1])["target"]] == ["/first", "/last"]
