"""An acceptor on real sockets, with guests in place of connections."""

import asyncio
import select
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from gatekeeper.proxy.client.acceptor import BATCH, Acceptor
from gatekeeper.proxy.proxy import Proxy
from gatekeeper.proxy.snapshot import Snapshot
from gatekeeper.telemetry.metrics import Metrics
from tests.gate_process import PATIENCE, until
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


def queue_length(listener: socket.socket) -> int:
    """How many connections wait to be accepted: tcpi_unacked of a listener (Linux, tcp_get_info()); 0 where the kernel
    does not say it.
    """
    if sys.platform != "linux" or listener.family == socket.AF_UNIX:
        return 0
    information = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32)
    return int(struct.unpack_from("I", information.ljust(32, b"\0"), 24)[0])


def queued(listener: socket.socket, count: int) -> bool:
    """Whether so many wait, as far as the kernel says it. connect(2) returns with the SYN-ACK; the client's ACK, which
    completes the connection, may still be on its way.
    """
    length = queue_length(listener)
    return length >= count or (not length and bool(select.select([listener], [], [], 0)[0]))


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
        before = queue_length(self.listeners[0])
        for _ in range(count):
            client = socket.socket(self.listeners[0].family)
            client.settimeout(PATIENCE)
            client.connect(self.address)
            self.clients.append(client)
        if self.listeners[0].family != socket.AF_UNIX:
            until(lambda: queued(self.listeners[0], before + count))

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
