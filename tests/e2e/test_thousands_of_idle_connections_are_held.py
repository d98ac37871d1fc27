"""Thousands of idle connections: held by little memory, and newcomers are served as before."""

import os
import resource
from pathlib import Path

import pytest

from tests.app import App
from tests.gate_process import Gate, until
from tests.visitors import Visitors

# Each costs a handshake on both sides: ten thousand take half a minute, which only continuous integration has.
COUNT = 10_000 if os.environ.get("CI") else 1_000
WORKERS = 2  # each holds half, so that a hard limit of 20,000 files is enough
# docs/scale.md says 28 KiB; this is the peak, so the handshakes are in it.
MOST_BYTES = 100 * 1024


@pytest.mark.timeout(900)
def test_idle_connections(folder: Path, visitors: Visitors) -> None:
    """After their handshake they say nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, COUNT + 500), hard))
    alice = visitors.context("alice")
    try:
        limits = f'[limits]\nconnections = {COUNT + WORKERS}\n[timeouts]\nidle = "1h"'
        with App() as behind, Gate(folder, behind.url, server=f"workers = {WORKERS}", tables=limits) as gate:
            gate.request(alice)
            before = gate.memory()
            held = [gate.connect(alice) for _ in range(COUNT)]
            until(lambda: f"gatekeeper_connections {COUNT}\n" in gate.admin_text("/metrics"))
            assert gate.request(alice)[0] == 200
            assert (gate.memory() - before) / COUNT < MOST_BYTES
            for one in held:
                one.close()
            until(lambda: "gatekeeper_connections 0\n" in gate.admin_text("/metrics"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
