"""No zombie, no orphan: neither at the end, nor when the supervisor is killed, nor as process 1 of a container."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.app import App
from tests.e2e.test_an_upgrade_loses_no_request import alive
from tests.gate_process import PATIENCE, ROOT, Gate, configure, until
from tests.tools import namespace
from tests.visitors import Visitors


def is_there(pid: int) -> bool:
    """Whether the process exists, zombies included."""
    return Path(f"/proc/{pid}").exists()


def test_workers_end_with_a_supervisor_that_is_killed(folder: Path) -> None:
    """They notice that nobody would ever end them, and the port is free."""
    with App() as behind, Gate(folder, behind.url, server="workers = 2") as gate:
        workers = gate.workers()
        gate.signal(signal.SIGKILL)
        gate.process.wait(PATIENCE)
        until(lambda: not any(map(alive, workers)))


def test_a_killed_worker_leaves_no_zombie(folder: Path) -> None:
    """The supervisor takes note of its end."""
    with App() as behind, Gate(folder, behind.url) as gate:
        (worker,) = gate.workers()
        os.kill(worker, signal.SIGKILL)
        until(lambda: not is_there(worker))


def test_ctrl_c_is_one_signal(folder: Path) -> None:
    """A terminal sends it to every process; the workers leave it to the supervisor."""
    with App() as behind, Gate(folder, behind.url, server="workers = 2") as gate:
        for pid in (*gate.workers(), gate.process.pid):
            os.kill(pid, signal.SIGINT)
        assert gate.wait() == 0
        assert not any("replaced" in line for line in gate.err), gate.err


# Becomes the init of a new PID namespace, in which a grandchild loses its parent.
AS_INIT = """
import os, sys
from gatekeeper.cli import main
if os.fork() == 0:
    orphan = os.fork()
    if orphan == 0:
        open(sys.argv[2]).read()  # until the test opens the other end, and closes it
        os._exit(0)
    os._exit(0)
sys.exit(main(["serve", "-c", sys.argv[1]]))
"""


def test_process_1_of_a_container_takes_care_of_strangers(folder: Path, visitors: Visitors) -> None:
    """Whoever loses its parent becomes a child of process 1, which must wait for it."""
    release = folder / "release"
    os.mkfifo(release)
    process = subprocess.Popen(
        [*namespace("--pid", "--fork", "--kill-child"), sys.executable, "-c", AS_INIT, configure(folder), release],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        while "admin on" not in process.stderr.readline():
            pass
        (init,) = children(process.pid)
        # The worker and the orphan, whose parent was waited for.
        until(lambda: len(children(init)) == 2)
        release.write_text("")
        until(lambda: len(children(init)) == 1)
        os.kill(init, signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait(PATIENCE)
        process.stderr.close()


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
