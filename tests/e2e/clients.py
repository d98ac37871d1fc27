"""Clients that stay: they ask again and again, listen to a WebSocket, or download without end."""

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from dataclasses import dataclass, field

from aiohttp import web

from gatekeeper.proxy.client.http1_stream import DRAIN_IDLE_SECONDS
from tests.gate_process import PATIENCE

UPGRADE = (
    b"GET /chat HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def app(request: web.Request) -> web.StreamResponse:
    """``/chat`` is a WebSocket that ticks, ``/film`` a download without end, everything else is answered at once."""
    if request.path == "/chat":
        chat = web.WebSocketResponse()
        await chat.prepare(request)
        while not chat.closed and request.transport is not None:
            await chat.send_str("tick")
            await asyncio.sleep(0.05)
        return chat
    if request.path == "/film":
        response = web.StreamResponse(headers={"Content-Length": str(1 << 40)})
        await response.prepare(request)
        while True:
            await response.write(b"x" * 1000)
            await asyncio.sleep(0.01)
    return web.Response(text="hello")


@dataclass
class Client:
    """One connection. ``statuses`` are what its requests got; ``out`` says that it learned that it is out.

    ``moved`` is set by each answer, by each piece of a download or WebSocket, and when nothing follows any more.
    """

    name: str
    reader: StreamReader
    writer: StreamWriter
    statuses: dict[int, int] = field(default_factory=dict)
    out: bool = False
    last: bytes = b""
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    async def connect(cls, name: str, port: int, holder: ssl.SSLContext) -> "Client":
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=holder, server_hostname="localhost")
        return cls(name, reader, writer)

    async def head(self, request: bytes) -> bytes:
        self.writer.write(request)
        await self.writer.drain()
        return await self.reader.readuntil(b"\r\n\r\n")

    async def get(self) -> int:
        head = await self.head(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status = int(head.split(b" ")[1])
        length = next(line for line in head.lower().splitlines() if line.startswith(b"content-length:"))
        await self.reader.readexactly(int(length.partition(b":")[2]))
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.moved.set()
        return status

    async def moves(self, times: int = 1) -> None:
        """Wait until it got more, so many times, or nothing follows any more."""
        for _ in range(times):
            self.moved.clear()
            await asyncio.wait_for(self.moved.wait(), PATIENCE)

    async def keep_asking(self, every: float) -> None:
        """Until it is refused."""
        try:
            while await self.get() == 200:  # noqa: ASYNC110  it asks, it does not wait for a flag
                await asyncio.sleep(every)
            self.out = True
        finally:
            self.moved.set()

    async def listen(self, request: bytes, status: bytes) -> None:
        """Until the gate ends it."""
        head = await self.head(request)
        assert head.startswith(b"HTTP/1.1 " + status), head
        try:
            while data := await self.reader.read(65536):
                self.last = data
                self.moved.set()
        except (ssl.SSLError, OSError):
            pass
        self.out = True
        self.moved.set()

    def close(self) -> None:
        self.writer.transport.abort()


async def next_head(reader: StreamReader, writer: StreamWriter, since: float) -> bytes:
    """Ask for "hello" on a connection whose last answer came at ``since``, by the loop's clock; the head of the answer.

    b"" if the gate closed the connection and this process is to blame: a gate that stops gives a client
    `DRAIN_IDLE_SECONDS` for one more request.
    """
    slow = asyncio.get_running_loop().time() - since > DRAIN_IDLE_SECONDS / 2
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionResetError) as error:
        if slow and not getattr(error, "partial", b""):
            return b""
        raise
    assert head.startswith(b"HTTP/1.1 200 "), head
    await reader.readexactly(5)
    return head


# What sends a close frame ends like this: 1008 and the reason (RFC 6455, 5.5.1).
def closed(reason: str) -> bytes:
    """The last bytes of a WebSocket that the gate has closed."""
    return bytes([0x88, 2 + len(reason)]) + (1008).to_bytes(2, "big") + reason.encode()
