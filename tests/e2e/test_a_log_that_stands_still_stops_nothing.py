"""Whoever reads the access log reads no more: visitors are answered all the same, and the gate ends when it is told."""

import fcntl
import os
import signal
import struct
import termios
from pathlib import Path

from tests.app import App
from tests.gate_process import PATIENCE, Gate, until
from tests.visitors import Visitors


def waiting(pipe: int) -> int:
    """The bytes that nobody has read (FIONREAD, ioctl_tty(2))."""
    (count,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))
    return int(count)


def test_a_pipe_that_nobody_empties(folder: Path, visitors: Visitors) -> None:
    """Its buffer (64 KiB, pipe(7)) is full after some long lines; reopening it, and stopping, do not wait for it."""
    os.mkfifo(folder / "pipe")
    alice, long = visitors.context("alice"), "/" + 7000 * "x"
    with App() as behind, Gate(folder, behind.url, log="pipe") as gate:
        reader = os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        try:
            for _ in range(12):
                assert gate.request(alice, target=long)[0] == 200
            until(lambda: waiting(reader) > 50_000)  # of 86,000
            gate.signal(signal.SIGUSR1)
            for _ in range(3):
                assert gate.request(alice, target=long)[0] == 200
            assert gate.admin("/readyz")[0] == 200
            gate.signal(signal.SIGTERM)
            assert gate.process.wait(PATIENCE) == 0
        finally:
            os.close(reader)
    assert not any("has not reacted" in line for line in gate.err)  # it ended by itself
