"""A gate that is still loading obeys SIGTERM and SIGINT at once, as process 1 too, and survives SIGHUP and SIGUSR1."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from tests.gate_process import PATIENCE, ROOT, configure, until
from tests.tools import namespace

SERVE = [sys.executable, "-m", "gatekeeper", "serve", "-c"]


@contextmanager
def loading(folder: Path, *before: str) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A gate that reads its configuration, which comes out of a pipe, and the pipe's other end."""
    pipe = folder / "gatekeeper.toml"
    os.mkfifo(pipe)
    process = subprocess.Popen([*before, *SERVE, pipe], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    end = os.open(pipe, os.O_WRONLY)  # waits until the gate has opened it
    try:
        yield process, end
    finally:
        with suppress(OSError):
            os.close(end)
        process.kill()
        process.communicate(timeout=PATIENCE)


def stopped(process: "subprocess.Popen[str]", send: Callable[[], None]) -> bool:
    """Python obeys a signal between two system calls. One that comes just before a call that waits forever, as for this
    pipe, which no file does, is obeyed with the next one only."""
    with suppress(ProcessLookupError):
        send()
    with suppress(subprocess.TimeoutExpired):
        process.wait(1)
    return process.returncode is not None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_at_once(folder: Path, number: signal.Signals) -> None:
    """Without a word: somebody has changed their mind."""
    with loading(folder) as (process, _):
        until(lambda: stopped(process, partial(process.send_signal, number)))
        assert process.returncode == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_process_1_stops_too(folder: Path) -> None:
    """The kernel drops a signal to process 1 that it has no handler for (pid_namespaces(7)): `docker stop` would wait
    in vain."""
    with loading(folder, *namespace("--pid", "--fork", "--kill-child")) as (process, _):
        (init,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        until(lambda: stopped(process, partial(os.kill, int(init), signal.SIGTERM)))
        assert process.returncode == 0


def test_others_wait_until_it_serves(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A reload and a rotation of logs that come too early do no harm, and are not forgotten."""
    with loading(folder) as (process, end):
        for number in (signal.SIGHUP, signal.SIGUSR1):
            process.send_signal(number)
        written = configure(tmp_path_factory.mktemp("written"))
        text = written.read_bytes()
        written.replace(folder / "gatekeeper.toml")
        os.write(end, text)
        os.close(end)
        assert process.stderr is not None
        said = ""
        # The worker logs the one and the supervisor the other, in either order.
        while not ("reloaded" in said and "admin on http://" in said):
            line = process.stderr.readline()
            assert line, said
            said += line
