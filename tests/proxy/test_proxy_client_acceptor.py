"""How many connections are taken from a queue that holds more of them, on a real socket."""

import asyncio
import socket
from types import SimpleNamespace

import pytest

from gatekeeper.proxy.client import acceptor as module
from gatekeeper.proxy.client.acceptor import BATCH, Acceptor


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
