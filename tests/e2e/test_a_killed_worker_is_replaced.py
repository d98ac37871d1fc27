"""A worker killed with SIGKILL is replaced at once, and costs only what it held."""

import asyncio
import os
import signal
import ssl
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.app import App
from tests.e2e.clients import Client, app
from tests.gate_process import PATIENCE, Gate, until
from tests.ports import free_port
from tests.visitors import Visitors

ANSWERED = 'gatekeeper_requests_total{code="200",protocol="HTTP/1"}'


def metric(gate: Gate, name: str) -> float:
    """One number of /metrics, by its name with labels."""
    lines = (line for line in gate.admin_text("/metrics").splitlines() if line.startswith(f"{name} "))
    return float(next(lines, "0").rpartition(" ")[2])


def kill(gate: Gate, pid: int) -> None:
    """Kill a worker and wait until as many are serving as before."""
    before = len(gate.workers())
    os.kill(pid, signal.SIGKILL)
    until(lambda: pid not in gate.workers() and len(gate.workers()) == before and serving(gate) == before)


def serving(gate: Gate) -> int:
    return sum(worker["state"] == "serving" for worker in gate.admin("/status")[1]["workers"])


def test_one_of_two_under_load(folder: Path, visitors: Visitors) -> None:
    """Others do not notice: whoever is on another worker loses nothing, and newcomers are served at once."""
    with App(app) as behind, Gate(folder, behind.url, server="workers = 2") as gate:
        asyncio.run(play(gate, visitors.context("alice")))
        assert metric(gate, "gatekeeper_worker_restarts_total") == 1
        gate.wait_for(lambda line: "was killed by SIGKILL; it is replaced" in line)


async def play(gate: Gate, alice: ssl.SSLContext) -> None:
    clients = [await Client.connect(str(number), gate.port, alice) for number in range(20)]
    asking = [asyncio.create_task(client.keep_asking(0.005)) for client in clients]
    await asyncio.gather(*(client.moves() for client in clients))
    workers = (await asyncio.to_thread(gate.admin, "/status"))[1]["workers"]
    assert sum(worker["connections"] for worker in workers) == 20
    victim = max(workers, key=lambda worker: worker["connections"])
    counted = await asyncio.to_thread(metric, gate, ANSWERED)
    await asyncio.to_thread(kill, gate, victim["pid"])
    await asyncio.wait_for(ended(asking, victim["connections"]), PATIENCE)
    await asyncio.gather(*(client.moves(2) for client, task in zip(clients, asking, strict=True) if not task.done()))
    assert sum(task.done() for task in asking) == victim["connections"]
    newcomer = await Client.connect("newcomer", gate.port, alice)
    assert await newcomer.get() == 200
    await asyncio.to_thread(until, lambda: metric(gate, ANSWERED) > counted)  # counted when it has gone out
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    for client in (*clients, newcomer):
        client.close()


async def ended(tasks: "list[asyncio.Task[None]]", count: int) -> None:
    """Wait until so many have ended, however they did."""
    while sum(task.done() for task in tasks) < count:
        await asyncio.wait([task for task in tasks if not task.done()], return_when=asyncio.FIRST_COMPLETED)


def test_the_only_one_again_and_again(folder: Path, visitors: Visitors) -> None:
    """Whoever connects in between waits in the kernel's queue; and no counter goes backwards."""
    with App() as behind, Gate(folder, behind.url) as gate:
        for times in range(1, 4):
            assert gate.request(visitors.context("alice"))[0] == 200
            until(lambda: metric(gate, ANSWERED) == times)  # noqa: B023  called at once
            kill(gate, gate.workers()[0])
            assert metric(gate, ANSWERED) == times
            assert metric(gate, "gatekeeper_connections") == 0
            assert metric(gate, "gatekeeper_worker_restarts_total") == times
        gate.signal(signal.SIGTERM)
        assert gate.wait() == 0


def test_its_replacement_is_killed_before_it_is_ready(folder: Path, visitors: Visitors) -> None:
    """As the kernel does that has no memory left: the gate replaces that one too."""
    with App() as behind, Gate(folder, behind.url) as gate:
        for _ in range(3):
            victim = gate.workers()[0]
            os.kill(victim, signal.SIGKILL)
            until(lambda gone=victim: gate.workers() not in ([], [gone]))  # type: ignore[misc]
        until(lambda: serving(gate) == 1)
        assert gate.process.poll() is None


def test_its_successor_removes_the_sockets_that_it_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of folders that are served. When the gate has ended, nothing is left."""
    with TemporaryDirectory() as name, monkeypatch.context() as environment:  # short, for the path of a socket
        environment.setenv("TMPDIR", name)
        check_what_is_left(folder, Path(name))


# fork(2) returns in the supervisor when the worker already answers: on a busy machine it may come so late.
LATE = """
import contextlib, http.client, os, runpy, sys
fork = os.fork
def late():
    if child := fork():
        with contextlib.suppress(ConnectionRefusedError):  # earlier, for another process
            admin = http.client.HTTPConnection("127.0.0.1", {port})
            admin.request("GET", "/readyz")
            print("during the fork:", admin.getresponse().status, file=sys.stderr)
    return child
os.fork = late
del sys.argv[:3]
runpy.run_module("gatekeeper", run_name="__main__", alter_sys=True)
"""


def test_a_worker_that_serves_before_the_supervisor_goes_on_is_seen_to_serve(folder: Path) -> None:
    """The supervisor does not overwrite what the worker has said about itself meanwhile."""
    port = free_port()
    run = (sys.executable, "-c", LATE.format(port=port))
    with App() as behind, Gate(folder, behind.url, admin=f"127.0.0.1:{port}", run=run) as gate:
        gate.wait_for(lambda line: line == "during the fork: 200")
        kill(gate, gate.workers()[0])
        assert gate.admin("/readyz")[0] == 200


def check_what_is_left(folder: Path, temporary: Path) -> None:
    with Gate(folder, f"static:{folder}") as gate:
        (left,) = temporary.glob("gatekeeper-*/0.sock")
        kill(gate, gate.workers()[0])
        assert not left.parent.exists()
        gate.signal(signal.SIGTERM)
        assert gate.wait() == 0
        assert not list(temporary.glob("gatekeeper-*"))
