"""SIGTERM and SIGINT drain, a second one stops at once, SIGUSR1 opens the log file anew."""

import asyncio
import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.app import App
from tests.gate_process import PATIENCE, Gate
from tests.visitors import Visitors

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class SlowApp:
    """Answers when it is let."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.may_answer = asyncio.Event()

    async def answer(self, _: web.Request) -> web.Response:
        self.asked.set()
        await self.may_answer.wait()
        return web.Response(text="late")


@pytest.fixture
def slow() -> SlowApp:
    return SlowApp()


@pytest.fixture
def gate(slow: SlowApp, folder: Path) -> Iterator[Gate]:
    with App(slow.answer) as app:
        slow.let = lambda: app.run(let(slow))  # type: ignore[attr-defined]
        with Gate(folder, app.url) as gate:
            yield gate
        app.run(let(slow))


async def let(slow: SlowApp) -> None:
    slow.may_answer.set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_gate_stops(gate: Gate, number: signal.Signals) -> None:
    """Exit code 0, and not a word."""
    gate.signal(number)
    assert gate.wait() == 0
    assert len(gate.err) == 2, gate.err


def test_what_is_under_way_ends_first(gate: Gate, slow: SlowApp, visitors: Visitors) -> None:
    """No new connections, idle ones are closed, /readyz says no, and the answer under way arrives."""
    alice = visitors.context("alice")
    with gate.connect(alice) as busy, gate.connect(alice) as idle:
        busy.sendall(GET)
        assert slow.asked.wait(PATIENCE)
        assert gate.admin("/readyz")[0] == 200
        gate.signal(signal.SIGTERM)
        assert idle.recv(1) == b""
        status, told = gate.admin("/readyz")
        assert status == 503
        assert told["checks"]["draining"]["ok"] is False
        assert gate.admin("/healthz")[0] == 200
        with pytest.raises(OSError, match="refused"):
            gate.connect(alice)
        slow.let()  # type: ignore[attr-defined]
        answer = b""
        while piece := busy.recv(65536):
            answer += piece
    assert answer.endswith(b"\r\n\r\nlate")
    assert b"\r\nConnection: close\r\n" in answer
    assert gate.wait() == 0
    assert gate.logged(1)[0]["status"] == 200


def test_a_second_signal_stops_at_once(gate: Gate, slow: SlowApp, visitors: Visitors) -> None:
    """Whatever is under way; it still stands in the log."""
    alice = visitors.context("alice")
    with gate.connect(alice) as busy, gate.connect(alice) as idle:
        busy.sendall(GET)
        assert slow.asked.wait(PATIENCE)
        gate.signal(signal.SIGTERM)
        assert idle.recv(1) == b""
        gate.signal(signal.SIGTERM)
        with pytest.raises(OSError, match=r"EOF|reset"):
            busy.recv(1)
    assert gate.wait() == 0
    assert gate.logged(1)[0]["status"] == 499


def test_draining_has_an_end(slow: SlowApp, folder: Path, visitors: Visitors) -> None:
    """timeouts.drain."""
    with App(slow.answer) as app, Gate(folder, app.url, tables='[timeouts]\ndrain = "200ms"') as gate:
        with gate.connect(visitors.context("alice")) as busy:
            busy.sendall(GET)
            assert slow.asked.wait(PATIENCE)
            gate.signal(signal.SIGTERM)
            assert gate.wait() == 0
        app.run(let(slow))


def test_the_log_is_opened_anew(folder: Path, app: App, visitors: Visitors) -> None:
    """As logrotate wants it: rename, SIGUSR1; not a line is lost, and none lands in the wrong file for long."""
    alice = visitors.context("alice")
    with Gate(folder, app.url) as gate:
        gate.request(alice, target="/old")
        assert gate.logged(1)[0]["target"] == "/old"
        rotated = gate.log.rename(folder / "access.log.1")
        gate.signal(signal.SIGUSR1)
        gate.request(alice, target="/new")
        while not gate.log.exists():
            gate.request(alice, target="/new")  # the signal may arrive after the request
        gate.stop()
        lines = [json.loads(line)["target"] for line in rotated.read_text().splitlines()]
        assert lines[0] == "/old"
        assert json.loads(gate.log.read_text().splitlines()[-1])["target"] == "/new"
        assert len(app.asked) == len(lines) + len(gate.log.read_text().splitlines())
