"""Reloads, the end of a worker and the end of the gate under load in HTTP/2: each request is answered, or the client
knows that it may repeat it.
"""

import asyncio
import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path

import pytest
from aiohttp import web

from tests.app import App
from tests.e2e.clients import app
from tests.gate_process import PATIENCE, Gate, until
from tests.http2_client import Http2Client, LostError, RepeatableError, keep_asking
from tests.tools import needs
from tests.visitors import Visitors

RELOADS = 100
STREAMS = 32


def lost(counted: Counter[str]) -> list[str]:
    return [word for word in counted if word.startswith("lost")]


def test_a_hundred_reloads(folder: Path, visitors: Visitors) -> None:
    """SIGHUP, again as soon as the last one is done: the same connection, and not even a request to repeat."""

    async def play(gate: Gate) -> Counter[str]:
        stop = asyncio.Event()
        load = asyncio.create_task(keep_asking(gate.port, visitors.context("alice"), STREAMS, stop))
        for number in range(RELOADS):
            gate.signal(signal.SIGHUP)
            await asyncio.to_thread(until, lambda number=number: reloads(gate) > number)  # type: ignore[misc]
        stop.set()
        return await load

    with App(app) as behind, Gate(folder, behind.url) as gate:
        counted = asyncio.run(play(gate))
    assert counted.keys() == {"200", "connections"}
    assert counted["connections"] == 1


def reloads(gate: Gate) -> int:
    return sum("INFO: reloaded " in line for line in gate.err)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_end_of_the_gate(folder: Path, visitors: Visitors, workers: int) -> None:
    """SIGTERM: GOAWAY in two steps, so that what is on its way is answered, and what comes behind may be repeated."""

    async def play(gate: Gate) -> Counter[str]:
        clients = [await Http2Client.connect(gate.port, visitors.context("alice")) for _ in range(4)]
        counted: Counter[str] = Counter()

        async def ask(client: Http2Client) -> None:
            while client.takes_requests:
                try:
                    counted[str(await client.get())] += 1
                except RepeatableError:
                    counted["repeatable"] += 1
                except LostError as error:
                    counted[f"lost: {error}"] += 1

        asking = [asyncio.create_task(ask(client)) for client in clients for _ in range(8)]
        await asyncio.to_thread(until, lambda: counted["200"] > 500)
        gate.signal(signal.SIGTERM)
        await asyncio.gather(*asking, *(client.closed for client in clients))
        assert all(client.goaways for client in clients)
        return counted

    with App(app) as behind, Gate(folder, behind.url, server=f"workers = {workers}") as gate:
        counted = asyncio.run(play(gate))
        assert gate.wait() == 0
        assert lost(counted) == []
        assert len(gate.logged(counted["200"])) == counted["200"]


def test_a_worker_that_is_killed(folder: Path, visitors: Visitors) -> None:
    """SIGKILL: its own connections break, the other worker's go on, and a new one is served."""

    async def play(gate: Gate) -> None:
        clients = [await Http2Client.connect(gate.port, visitors.context("alice")) for _ in range(16)]
        assert [await client.get() for client in clients] == [200] * len(clients)
        victim = (await asyncio.to_thread(gate.admin, "/status"))[1]["workers"][0]
        os.kill(victim["pid"], signal.SIGKILL)
        await asyncio.to_thread(until, lambda: len(gate.workers()) == 2 and victim["pid"] not in gate.workers())
        while sum(client.closed.done() for client in clients) < victim["connections"]:
            left = [client.closed for client in clients if not client.closed.done()]
            await asyncio.wait(left, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        for client in clients:
            if not client.closed.done():
                assert await client.get() == 200
        fresh = await Http2Client.connect(gate.port, visitors.context("alice"))
        assert await fresh.get() == 200
        for client in (*clients, fresh):
            client.close()

    with App(app) as behind, Gate(folder, behind.url, server="workers = 2") as gate:
        asyncio.run(play(gate))


PUBLIC = '[[routes]]\npath = "/*"\npublic = true\n'
SUCCEEDED = re.compile(r" (\d+) succeeded")
ENDED = re.compile(r"(\d+) succeeded, (\d+) failed, \d+ errored, (\d+) timeout")
EACH = 300
CONNECTIONS = 8


@contextmanager
def h2load(gate: Gate, requests: int, connections: int = 4) -> Iterator[subprocess.Popen[str]]:
    """It shows no certificate, so it asks for what is public: connections with 32 requests under way on each."""
    needs("h2load")
    command = ("h2load", f"-n{requests}", f"-c{connections}", f"-m{STREAMS}", f"{gate.address}/")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_hundred_reloads_under_h2load(folder: Path) -> None:
    """As many runs of it as they take: each request succeeds."""
    done = 0
    with App(app) as behind, Gate(folder, behind.url, tables=PUBLIC) as gate:
        while done < RELOADS:
            with h2load(gate, 4000) as load:
                while load.poll() is None and done < RELOADS:
                    gate.signal(signal.SIGHUP)
                    until(lambda: reloads(gate) > done)  # noqa: B023  called at once
                    done += 1
                said, _ = load.communicate(timeout=PATIENCE)
            assert "4000 succeeded, 0 failed, 0 errored" in said


def test_the_end_of_the_gate_under_h2load(folder: Path) -> None:
    """All that the gate began is answered. What h2load calls failed came behind the last GOAWAY, or never left it after
    the first: it may be repeated (RFC 9113, 6.8), which h2load does not do.
    """
    with App(app) as behind, Gate(folder, behind.url, tables=PUBLIC) as gate:
        with h2load(gate, 10_000_000) as load:
            until(lambda: gate.log.exists() and gate.log.read_bytes().count(b"\n") > 500)
            gate.signal(signal.SIGTERM)
            said, _ = load.communicate(timeout=PATIENCE)
        assert gate.wait() == 0
        succeeded = int(SUCCEEDED.search(said)[1])
        assert succeeded > 500
        lines = gate.logged(succeeded)
        assert len(lines) == succeeded
        assert {line["status"] for line in lines} == {200}


def test_a_worker_that_is_killed_under_h2load(folder: Path) -> None:
    """SIGKILL leaves no time for GOAWAY: what is under way on that worker's connections is lost, and h2load sees them
    closed, so that it knows. The other worker's lose nothing, and who comes again is served at once.
    """
    killed = asyncio.Event()

    async def waiting(request: web.Request) -> web.StreamResponse:
        await killed.wait()
        return await app(request)

    async def go_on() -> None:
        killed.set()

    with App(waiting) as behind, Gate(folder, behind.url, server="workers = 2", tables=PUBLIC) as gate:
        with h2load(gate, EACH * CONNECTIONS, CONNECTIONS) as load:
            until(lambda: sum(worker["connections"] for worker in gate.admin("/status")[1]["workers"]) == CONNECTIONS)
            other, victim = sorted(gate.admin("/status")[1]["workers"], key=itemgetter("connections"))
            os.kill(victim["pid"], signal.SIGKILL)
            behind.run(go_on())
            with h2load(gate, 100) as second:
                again, _ = second.communicate(timeout=PATIENCE)
            said, _ = load.communicate(timeout=PATIENCE)
        succeeded, failed, timeout = (int(count) for count in ENDED.search(said).groups())
        assert succeeded + failed == EACH * CONNECTIONS
        assert timeout == 0
        assert failed <= victim["connections"] * EACH
        assert succeeded >= other["connections"] * EACH
        assert "100 succeeded, 0 failed, 0 errored" in again
        until(lambda: len(gate.workers()) == 2 and victim["pid"] not in gate.workers())
