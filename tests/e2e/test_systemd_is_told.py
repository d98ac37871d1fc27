"""Ready, reloading, stopping, and in between that it lives: by the datagrams that systemd waits for."""

import signal
import socket
from pathlib import Path

from tests.app import App
from tests.gate_process import PATIENCE, Gate


def test_a_whole_life(folder: Path) -> None:
    """READY comes when visitors are answered, not before, and again when a reload is done."""
    where = folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, App() as behind:
        systemd.bind(str(where))
        systemd.settimeout(PATIENCE)
        environ = {"NOTIFY_SOCKET": str(where), "WATCHDOG_USEC": "2000000"}
        with Gate(folder, behind.url, environ=environ) as gate:
            until(systemd, "READY=1")
            until(systemd, "WATCHDOG=1")
            gate.signal(signal.SIGHUP)
            until(systemd, "RELOADING=1")
            until(systemd, "READY=1")
            gate.signal(signal.SIGTERM)
            until(systemd, "STOPPING=1")
            assert gate.wait() == 0


def until(systemd: socket.socket, word: str) -> None:
    """Read datagrams up to the one with that word."""
    while word not in systemd.recv(1000).decode():
        pass
