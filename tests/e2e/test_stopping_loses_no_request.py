"""SIGTERM under load: whoever was connected is answered, whoever comes later is refused by the kernel."""

import asyncio
import signal
import ssl
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.app import App
from tests.e2e.clients import Client, app, next_head
from tests.gate_process import PATIENCE, Gate
from tests.visitors import Visitors

# As many answers has each client before the gate is told to stop.
UNDER_WAY = 5


@pytest.mark.parametrize("workers", [1, 2])
def test_under_load(folder: Path, visitors: Visitors, workers: int) -> None:
    """Clients that keep their connection, and clients that come new for each request."""
    with App(app) as behind, Gate(folder, behind.url, server=f"workers = {workers}") as gate:
        answered = asyncio.run(play(gate, visitors.context("alice")))
        assert gate.wait() == 0
        assert len(gate.logged(answered)) == answered


async def play(gate: Gate, alice: ssl.SSLContext) -> int:
    stopping = asyncio.Event()
    answers = [asyncio.Semaphore(0) for _ in range(16)]
    kept = [asyncio.create_task(keep(gate, alice, each)) for each in answers[:8]]
    new = [asyncio.create_task(come_anew(gate, alice, each, stopping)) for each in answers[8:]]
    for _ in range(UNDER_WAY):
        await asyncio.wait_for(asyncio.gather(*(each.acquire() for each in answers)), PATIENCE)
    gate.signal(signal.SIGTERM)
    stopping.set()
    return sum(await asyncio.wait_for(asyncio.gather(*kept, *new), PATIENCE))


async def keep(gate: Gate, alice: ssl.SSLContext, answers: asyncio.Semaphore) -> int:
    """Ask until the gate says Connection: close; every request is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port, ssl=alice, server_hostname="localhost")
    answered, clock = 0, asyncio.get_running_loop().time
    since = clock()
    while head := await next_head(reader, writer, since):
        answered, since = answered + 1, clock()
        answers.release()
        if b"\r\nConnection: close\r\n" in head:
            break
        await asyncio.sleep(0.002)
    writer.transport.abort()
    return answered


async def come_anew(gate: Gate, alice: ssl.SSLContext, answers: asyncio.Semaphore, stopping: asyncio.Event) -> int:
    """Connect, ask, leave. Once connected, one is answered; not to be able to connect is the only way to fail."""
    answered = 0
    while True:
        plain = await connected(gate.port)
        if plain is None:
            assert stopping.is_set(), "nobody may be refused before the gate stops"
            return answered
        reader, writer = plain
        await writer.start_tls(alice, server_hostname="localhost")
        client = Client("new", reader, writer)
        assert await client.get() == 200
        answered += 1
        answers.release()
        client.close()


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    try:
        return await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return None


def test_readiness_goes_first(folder: Path, visitors: Visitors) -> None:
    """For timeouts.drain_delay the gate serves on as before, so that load balancers can notice; a second signal ends
    the wait."""
    with App() as behind, Gate(folder, behind.url, tables='[timeouts]\ndrain_delay = "5m"') as gate:
        assert gate.admin("/readyz")[0] == 200
        gate.signal(signal.SIGTERM)
        while gate.admin("/readyz")[0] == 200:
            pass
        assert gate.admin("/readyz")[1]["checks"]["draining"]["ok"] is False
        assert gate.request(visitors.context("alice"))[0] == 200
        gate.signal(signal.SIGTERM)
        assert gate.wait() == 0


def test_the_delay_has_an_end(folder: Path) -> None:
    """timeouts.drain_delay."""
    with App() as behind, Gate(folder, behind.url, tables='[timeouts]\ndrain_delay = "200ms"') as gate:
        gate.signal(signal.SIGTERM)
        assert gate.wait() == 0


def listen(chat: ClientConnection) -> None:
    while True:
        chat.recv()


def test_a_websocket_is_told(folder: Path, visitors: Visitors) -> None:
    """1001, going away (RFC 6455, 7.4.1): the page then connects anew, elsewhere."""
    with App(app) as behind, Gate(folder, behind.url) as gate:
        with connect(f"wss://localhost:{gate.port}/chat", ssl=visitors.context("alice"), proxy=None) as chat:
            assert chat.recv() == "tick"
            assert "gatekeeper_tunnels 1\n" in gate.admin_text("/metrics")
            gate.signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as closed:
                listen(chat)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        assert gate.wait() == 0
