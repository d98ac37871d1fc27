"""A worker that does not react is noticed after ``timeouts.hang``, ended and replaced."""

import os
import signal
from pathlib import Path

from tests.app import App
from tests.gate_process import Gate, until
from tests.visitors import Visitors


def test_a_stopped_worker(folder: Path, visitors: Visitors) -> None:
    """SIGSTOP is the purest hang: nothing in the process can help itself."""
    with App() as behind, Gate(folder, behind.url, tables='[timeouts]\nhang = "4s"') as gate:
        (worker,) = gate.workers()
        os.kill(worker, signal.SIGSTOP)
        until(lambda: gate.workers() not in ([worker], []))
        assert gate.request(visitors.context("alice"))[0] == 200
        gate.wait_for(lambda line: "has not reacted for 4 s; it is killed" in line)
        assert gate.admin("/status")[1]["worker_restarts"] == 1


def test_a_gate_that_was_stopped_as_a_whole_goes_on(folder: Path, visitors: Visitors) -> None:
    """A machine that was suspended, a debugger: nobody is to blame, and nobody is killed.

    `sigtimedwait` is a pause here: five seconds are more than the limit, and two more are enough to be killed in.
    """
    with App() as behind, Gate(folder, behind.url, tables='[timeouts]\nhang = "4s"') as gate:
        (worker,) = gate.workers()
        for pid in (gate.process.pid, worker):
            os.kill(pid, signal.SIGSTOP)
        signal.sigtimedwait([signal.SIGUSR2], 5.0)
        for pid in (gate.process.pid, worker):
            os.kill(pid, signal.SIGCONT)
        assert gate.request(visitors.context("alice"))[0] == 200
        signal.sigtimedwait([signal.SIGUSR2], 2.0)
        assert gate.workers() == [worker]
