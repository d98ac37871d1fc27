"""A worker that cannot start stops the gate with its reason; the gate does not go round in circles."""

import os
import signal
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

from tests.app import App
from tests.gate_process import Gate


def test_a_replacement_without_an_authority(folder: Path) -> None:
    """The file is gone when the worker is killed: exit code 2, as at the start. Nobody is let in on an old state."""
    with App() as behind, Gate(folder, behind.url) as gate:
        (folder / "ca.crt").unlink()
        os.kill(gate.workers()[0], signal.SIGKILL)
        assert gate.wait() == 2
        assert gate.err[-1].startswith(f"gatekeeper: {folder / 'gatekeeper.toml'}: line ")
        assert "client_auth.ca" in gate.err[-1]


def test_workers_that_keep_dying(folder: Path) -> None:
    """A few times they are replaced at once, then after a pause, and at last the gate gives up with a sentence."""
    with App() as behind, Gate(folder, behind.url) as gate:
        while gate.process.poll() is None:
            # The question waits in the kernel until there is a worker to answer it.
            with suppress(OSError, HTTPException, ValueError):
                os.kill(gate.admin("/status")[1]["workers"][0]["pid"], signal.SIGKILL)
        assert gate.wait() == 1
        assert "keep ending right after their start" in gate.err[-1]
