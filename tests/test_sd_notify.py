"""What systemd hears, and how lines begin for its journal."""

import logging
import os
import socket
from pathlib import Path

import pytest

from gatekeeper.systemd import Line, Notice, is_journal


@pytest.mark.parametrize("abstract", [False, True])
def test_a_notice_is_one_datagram(tmp_path: Path, abstract: bool) -> None:
    """One assignment a line, to a path or to an abstract address (sd_notify(3))."""
    where = f"@gatekeeper-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0" + where[1:] if abstract else where)
        Notice({"NOTIFY_SOCKET": where}).send("RELOADING=1", "MONOTONIC_USEC=5")
        assert systemd.recv(100) == b"RELOADING=1\nMONOTONIC_USEC=5"


@pytest.mark.parametrize(
    "environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:1"}, {"NOTIFY_SOCKET": "/gone"}]
)
def test_without_systemd_nothing_happens(environ: dict[str, str]) -> None:
    """Nor if it has gone."""
    Notice(environ).send("READY=1")


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
    assert Notice(environ).watchdog_seconds == seconds


def test_the_journal_is_known_by_device_and_inode(tmp_path: Path) -> None:
    """stderr may have been redirected since systemd said where it leads."""
    with open(tmp_path / "file", "wb") as file:
        found = os.fstat(file.fileno())
        assert is_journal(file.fileno(), {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
        assert not is_journal(file.fileno(), {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino + 1}"})
        assert not is_journal(file.fileno(), {})
    assert not is_journal(-1, {"JOURNAL_STREAM": "1:1"})


def test_a_line_begins_with_its_priority_for_the_journal() -> None:
    """sd-daemon(3); every line, if there are several. A terminal is spared that."""
    record = logging.LogRecord("gatekeeper", logging.ERROR, "", 0, "one\ntwo", (), None)
    assert Line(journal=True).format(record) == "<3>gatekeeper: ERROR: one\n<3>two"
    assert Line(journal=False).format(record) == "gatekeeper: ERROR: one\ntwo"
