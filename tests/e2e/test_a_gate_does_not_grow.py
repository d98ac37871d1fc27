"""A mixed load, with a reload in each round: memory and descriptors stay near where they were after the warm-up.

A few rounds find a leak of a few hundred bytes a request, and of one descriptor a reload. `SOAK_SECONDS` and
`SOAK_RELOADS` make it longer.
"""

import os
import signal
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from operator import le
from pathlib import Path

import pytest

from tests.app import App
from tests.e2e.test_gives_up_root import answer, reloads
from tests.expensive import largest, of_short_names
from tests.gate_process import Gate, until
from tests.visitors import REFUSED, Visitors

SECONDS = float(os.environ.get("SOAK_SECONDS", "0"))
RELOADS = int(os.environ.get("SOAK_RELOADS", "12"))
WARM_UP = max(8, RELOADS // 10)
BYTES = 2 * 1024 * 1024
KEPT = 10
"""Requests on each connection of an admitted client."""
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65536\r\nConnection: close\r\n\r\n" + bytes(65536)
NEEDS_PROC = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def refused(gate: Gate, context: ssl.SSLContext) -> None:
    status, _, _ = gate.request(context)
    assert status == 403


def admitted(gate: Gate, context: ssl.SSLContext) -> None:
    with gate.connect(context) as connection:
        for _ in range(KEPT):
            assert answer(connection) == 200
    with gate.connect(context) as connection:
        connection.sendall(POST)
        while connection.recv(65536):
            pass


def rude(gate: Gate) -> None:
    """Plain HTTP, half a handshake, and nothing at all."""
    for said in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b""):
        with suppress(OSError), socket.create_connection(("127.0.0.1", gate.port)) as connection:
            connection.sendall(said)


def play(gate: Gate, load: Callable[[], None], rounds: int, seconds: float) -> None:
    """Each round is one reload, and the load at least once, for its share of the time."""
    for _ in range(rounds):
        end, before = time.monotonic() + seconds / rounds, reloads(gate.err)
        gate.signal(signal.SIGHUP)
        load()
        while time.monotonic() < end:
            load()
        until(partial(has_reloaded, gate, before))


def has_reloaded(gate: Gate, before: int) -> bool:
    return reloads(gate.err) > before


@NEEDS_PROC
@pytest.mark.timeout(SECONDS * 1.5 + 300)
def test_memory_and_descriptors_are_flat(folder: Path, visitors: Visitors) -> None:
    """No more than 2 MiB, and not one descriptor, in the worker and in its supervisor."""
    expensive = largest(of_short_names, 16 * 1024)
    expensive.write(folder, "expensive")
    contexts = [visitors.context(name) for name in REFUSED]
    contexts.append(ssl.create_default_context(cafile=str(visitors.folder / "ca.crt")))
    contexts[-1].load_cert_chain(folder / "expensive.crt", folder / "expensive.key")
    alice = visitors.context("alice")
    with App() as behind, Gate(folder, behind.url, app="max_connections = 1") as gate:
        (worker,) = gate.workers()

        def load() -> None:
            admitted(gate, alice)
            for context in contexts:
                refused(gate, context)
            rude(gate)
            behind.asked.clear()

        def files() -> list[int]:
            return [descriptors(worker), descriptors(gate.process.pid)]

        play(gate, load, WARM_UP, SECONDS / 10)
        until(lambda: gate.admin("/status")[1]["connections"] == 0)
        before, memory = files(), resident(worker)
        play(gate, load, RELOADS, SECONDS)
        until(lambda: all(map(le, files(), before)))  # the last connections may still be closing
        assert resident(worker) - memory < BYTES
        print(f"{(resident(worker) - memory) / 1024:.0f} KiB more in {RELOADS} reloads")
        assert gate.workers() == [worker]


@NEEDS_PROC
def test_old_snapshots_are_freed(folder: Path, visitors: Visitors) -> None:
    """Each is 20 KiB in cycles that the collector has to find, and 15 KiB behind the request that the log remembers."""
    alice = visitors.context("alice")
    with App() as behind, Gate(folder, behind.url) as gate:
        (worker,) = gate.workers()
        play(gate, lambda: ask(gate, alice), 10, 0)
        memory = resident(worker)
        play(gate, lambda: ask(gate, alice), 240, 0)
        print(f"{(resident(worker) - memory) / 1024:.0f} KiB more in 240 reloads")
        assert resident(worker) - memory < 240 * 9 * 1024
        assert gate.workers() == [worker]


def ask(gate: Gate, context: ssl.SSLContext) -> None:
    """One request of an admitted visitor."""
    assert gate.request(context)[0] == 200
