"""What systemd hears."""

import os
import socket
from pathlib import Path

import pytest

from gatekeeper.process.sd_notify import SystemdNotifier


@pytest.mark.parametrize("abstract", [False, True])
def test_a_notice_is_one_datagram(tmp_path: Path, abstract: bool) -> None:
    """One assignment a line, to a path or to an abstract address (sd_notify(3))."""
    where = f"@gatekeeper-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0" + where[1:] if abstract else where)
        SystemdNotifier({"NOTIFY_SOCKET": where}).send("RELOADING=1", "MONOTONIC_USEC=5")
        assert systemd.recv(100) == b"RELOADING=1\nMONOTONIC_USEC=5"


@pytest.mark.parametrize(
    "environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:1"}, {"NOTIFY_SOCKET": "/gone"}]
)
def test_without_systemd_nothing_happens(environ: dict[str, str]) -> None:
    """Nor if it has gone."""
    SystemdNotifier(environ).send("READY=1")


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "often"}, None),
    ],
)
def test_the_watchdog_is_only_for_whom_it_names(environ: dict[str, str], seconds: float | None) -> None:
    """sd_watchdog_enabled(3)."""
    assert SystemdNotifier(environ).watchdog_seconds == seconds
