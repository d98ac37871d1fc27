"""How many connections are taken from a queue that holds more of them, on a real socket."""

import asyncio
import socket
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from gatekeeper.proxy.client import acceptor as module
from gatekeeper.proxy.client.acceptor import BATCH, Acceptor
from gatekeeper.proxy.proxy import Proxy
from gatekeeper.proxy.snapshot import Snapshot
from gatekeeper.telemetry.metrics import Metrics
from tests.proxy.scene import Files, Log


class Taken(asyncio.Protocol):
    """Stands for a client."""

    def __init__(self, proxy: SimpleNamespace, *_who: str) -> None:
        proxy.connections.add(self)


@pytest.mark.parametrize(("allowed", "descriptors", "taken"), [(3, 100, 3), (100, 4, 4), (100, 100, BATCH)])
def test_no_more_are_taken_at_once_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch, allowed: int, descriptors: int, taken: int
) -> None:
    """All were waiting when the gate looked; who is left waits in the kernel."""
    monkeypatch.setattr(module, "ClientConnection", Taken)
    monkeypatch.setattr(module, "_descriptors", lambda: 2 * descriptors)
    assert asyncio.run(play(allowed)) == taken


async def play(allowed: int) -> int:
    proxy = SimpleNamespace(
        loop=asyncio.get_running_loop(),
        connections=set(),
        snapshot=SimpleNamespace(expects_proxy_header=lambda _: False),
        over_limit=lambda _: False,
        reserve=lambda _: None,
    )
    proxy.capacity = lambda coming: allowed - len(proxy.connections)  # those that are coming are in there
    with socket.create_server(("127.0.0.1", 0), backlog=BATCH * 2) as listener:
        listener.setblocking(False)
        waiting = [socket.create_connection(listener.getsockname()) for _ in range(BATCH + 4)]
        acceptor = Acceptor(proxy, [listener])  # type: ignore[arg-type]
        acceptor._readable(listener)
        acceptor.pause()
        await asyncio.wait(acceptor._coming)
        for one in waiting:
            one.close()
    return len(proxy.connections)


def test_connections_on_their_way_count_for_their_address(files: Files, snapshot: Snapshot) -> None:
    """All were waiting when the gate looked: with ``connections_per_ip = 2``, 32 were let in at once."""
    settings = files.settings(limits={"connections_per_ip": 2})
    assert asyncio.run(crowd(replace(snapshot, settings=settings))) == (2, 0)


async def crowd(snapshot: Snapshot) -> tuple[int, int]:
    """How many connections of one address are held, and how many are counted once they are closed."""
    loop = asyncio.get_running_loop()
    log: Any = Log()
    proxy = Proxy(snapshot, loop=loop, log=log, metrics=Metrics())
    with socket.create_server(("127.0.0.1", 0), backlog=BATCH * 2) as listener:
        listener.setblocking(False)
        waiting = [socket.create_connection(listener.getsockname()) for _ in range(BATCH)]
        acceptor = Acceptor(proxy, [listener])
        acceptor._readable(listener)
        acceptor.pause()
        await asyncio.wait(acceptor._coming)
        held = len(proxy.connections)
        proxy.cut()
        await proxy.drain(60.0)
        for one in waiting:
            one.close()
        proxy.local.close()
    return held, proxy.metrics.address_counts.own("127.0.0.1")
