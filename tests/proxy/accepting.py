"""An acceptor on real sockets, with guests in place of connections."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from gatekeeper.proxy.client.acceptor import BATCH, Acceptor
from gatekeeper.proxy.proxy import Proxy
from gatekeeper.proxy.snapshot import Snapshot
from gatekeeper.telemetry.metrics import Metrics
from tests.gate_process import PATIENCE
from tests.proxy.scene import Files, Log


class Guest(asyncio.Protocol):
    """Stands for a client's connection: it is counted, and says nothing."""

    transport: asyncio.Transport

    def __init__(self, gate: "Gate", proxy: Proxy, address: str) -> None:
        self.gate = gate
        self.proxy = proxy
        self.address = address

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.proxy.opened(self)
        self.gate.arrived.put_nowait(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self.proxy.closed(self)
        self.gate.left.put_nowait(self)

    def judge_anew(self) -> None:
        pass

    def drain(self) -> None:
        pass

    def abort(self) -> None:
        self.transport.abort()


class Gate:
    """An acceptor, its listeners, and the guests that it has let in."""

    def __init__(self, proxy: Proxy, listeners: list[socket.socket], *, shared: bool) -> None:
        self.arrived: asyncio.Queue[Guest] = asyncio.Queue()
        self.left: asyncio.Queue[Guest] = asyncio.Queue()
        self.proxy = proxy
        self.clients: list[socket.socket] = []
        self.listeners = listeners
        self.address = listeners[0].getsockname()
        speak: Any = lambda proxy, _client, address: Guest(self, proxy, address)  # noqa: E731
        self.acceptor = Acceptor(proxy, listeners, shared=shared, speak=speak)

    def connect(self, count: int = 1) -> None:
        """Clients whose connections are complete, in the kernel's queue."""
        for _ in range(count):
            client = socket.socket(self.listeners[0].family)
            client.settimeout(PATIENCE)
            client.connect(self.address)
            self.clients.append(client)

    async def guest(self) -> Guest:
        return await asyncio.wait_for(self.arrived.get(), PATIENCE)

    async def look(self) -> int:
        """Have the acceptor look once, as when the loop says that a listener is readable. How many came in."""
        before = len(self.proxy.connections)
        self.acceptor._readable(self.listeners[0])
        self.acceptor.pause()
        if self.acceptor._coming:
            await asyncio.wait(self.acceptor._coming)
        return len(self.proxy.connections) - before


@asynccontextmanager
async def opened(
    files: Files, snapshot: Snapshot, listener: socket.socket | None = None, *, shared: bool = False, **tables: Any
) -> AsyncIterator[Gate]:
    settings = files.settings(**tables)
    log: Any = Log()
    proxy = Proxy(replace(snapshot, settings=settings), loop=asyncio.get_running_loop(), log=log, metrics=Metrics())
    listener = listener or socket.create_server(("127.0.0.1", 0), backlog=BATCH * 3)
    listener.setblocking(False)
    gate = Gate(proxy, [listener], shared=shared)
    try:
        yield gate
    finally:
        if listener.fileno() >= 0:
            gate.acceptor.pause()
            listener.close()
        proxy.cut()
        await proxy.drain(PATIENCE)
        proxy.local.close()
        for client in gate.clients:
            client.close()


def is_over(client: socket.socket) -> bool:
    """Whether the other side has closed the connection."""
    with suppress(ConnectionResetError):
        return client.recv(1) == b""
    return True


def player(files: Files, snapshot: Snapshot) -> Callable[..., None]:
    """Runs a scene with an opened gate, whose tables of the configuration are named."""

    def run(scene: Callable[[Gate], Awaitable[None]], *arguments: Any, **options: Any) -> None:
        async def main() -> None:
            async with opened(files, snapshot, *arguments, **options) as gate:
                await scene(gate)

        asyncio.run(main())

    return run
