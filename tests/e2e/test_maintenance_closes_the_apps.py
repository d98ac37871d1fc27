"""`gatekeeper maintenance on` closes the apps of a running gate, `off` opens them again; in every worker."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app import App
from tests.gate_process import ROOT, Gate, until
from tests.visitors import Visitors


@pytest.mark.parametrize("server", ["", 'user = "nobody"\nworkers = 2\n'], ids=["alone", "two that gave up root"])
def test_maintenance_closes_the_apps(folder: Path, visitors: Visitors, app: App, server: str) -> None:
    """Four connections in a row get the same, whichever worker takes them."""
    if server and os.geteuid() != 0:
        pytest.skip("needs root")
    alice = visitors.context("alice")
    with Gate(folder, app.url, server=server, tables='[maintenance]\nfile = "closed"\n') as gate:
        assert gate.request(alice)[0] == 200
        for state, status in (("on", 503), ("off", 200)):
            words = [sys.executable, "-m", "gatekeeper", "maintenance", state, "-c", str(folder / "gatekeeper.toml")]
            subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
            until(lambda status=status: {gate.request(alice)[0] for _ in range(4)} == {status})  # type: ignore[misc]
        assert gate.admin("/readyz")[0] == 200
