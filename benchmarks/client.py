"""A load generator for what wrk cannot do, run as a process of its own so that its cost is not the proxy's.

`python -m benchmarks.client messages|idle|idle-http2 PORT CERTIFICATE KEY CONNECTIONS SECONDS`

- `messages`: WebSocket connections, each sending a text message and waiting for its echo, over and over.
- `idle`: connections that make one request and then keep still; `idle-http2` the same in HTTP/2.

It prints `ready` when all connections stand, waits for a line on standard input, and answers it with a line of JSON.
"""

import asyncio
import json
import ssl
import sys
import time
from pathlib import Path
from typing import cast

import uvloop

TEXT = b"x" * 100
MASK = bytes(4)
"""RFC 6455 section 5.3 wants it unpredictable against proxies that parse; here nobody is attacked, and zero is free."""
MESSAGE = bytes([0x81, 0x80 | len(TEXT)]) + MASK + TEXT
ECHO = bytes([0x81, len(TEXT)]) + TEXT
"""RFC 6455 section 5.2: a final text frame, from the client masked, from the server not."""
UPGRADE = (
    b"GET /app/echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
HTTP2_REQUEST = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"  # RFC 9113, 3.4: preface and SETTINGS
    b"\0\0\x14\x01\x05\0\0\0\x01\x82\x87\x01\x09localhost\x04\x05/100b"  # HEADERS that end their stream (RFC 7541)
)
DATA, END_STREAM = 0, 1
REQUEST = b"GET /100b HTTP/1.1\r\nHost: localhost\r\nUser-Agent: idle\r\n\r\n"
BODY = 100
AT_ONCE = 20
"""Connections that shake hands at the same time."""


class Peer(asyncio.Protocol):
    """One connection: a head is awaited, then, for messages, echoes."""

    def __init__(self, request: bytes, body: int) -> None:
        self.request = request
        self.body = body
        self.received = b""
        self.standing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sent_at = 0
        self.running = False
        self.lost = False
        self.latencies: list[int] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The TLS handshake is done."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Part of the answer's head, or of an echo."""
        self.received += data
        if self.request is HTTP2_REQUEST:
            self.take_frames()
            return
        if self.standing.done():
            self.take_echo()
            return
        head, end, rest = self.received.partition(b"\r\n\r\n")
        if end and len(rest) >= self.body:
            wanted = b"HTTP/1.1 200" if self.body else b"HTTP/1.1 101"
            self.received = b""
            if head.startswith(wanted):
                self.standing.set_result(None)
            else:
                self.standing.set_exception(ConnectionError(f"answered {head[:60]!r}"))

    def take_frames(self) -> None:
        """It stands when a response has ended."""
        while len(self.received) >= 9 and len(self.received) >= 9 + int.from_bytes(self.received[:3]):
            kind, flags, size = self.received[3], self.received[4], int.from_bytes(self.received[:3])
            self.received = self.received[9 + size :]
            if kind == DATA and flags & END_STREAM and not self.standing.done():
                self.standing.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """The proxy closed it."""
        self.lost = True
        if not self.standing.done():
            self.standing.set_exception(ConnectionError("closed before an answer"))

    def send(self) -> None:
        """Send one message."""
        self.running = True
        self.sent_at = time.monotonic_ns()
        self.transport.write(MESSAGE)

    def take_echo(self) -> None:
        """Note the time that an echo took, and send the next message."""
        if len(self.received) < len(ECHO):
            return
        if self.received != ECHO:
            self.lost, self.running = True, False
            self.transport.abort()
            return
        self.latencies.append((time.monotonic_ns() - self.sent_at) // 1000)
        self.received = b""
        if self.running:
            self.send()


async def connect(count: int, port: int, context: ssl.SSLContext, request: bytes, body: int) -> list[Peer]:
    """Open all connections, a few at a time, each with its first answer."""
    peers: list[Peer] = []
    loop = asyncio.get_running_loop()

    async def one() -> None:
        _, peer = await loop.create_connection(
            lambda: Peer(request, body), "127.0.0.1", port, ssl=context, server_hostname="localhost"
        )
        peers.append(peer)
        await peer.standing

    for begin in range(0, count, AT_ONCE):
        await asyncio.gather(*(one() for _ in range(min(AT_ONCE, count - begin))))
    return peers


async def told() -> None:
    """Say that all stands, and wait for a line."""
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


async def run(kind: str, port: int, certificate: Path, key: Path, count: int, seconds: float) -> dict[str, object]:
    """Do it; the values of the answer."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(certificate, key)
    messages = kind == "messages"
    if kind == "idle-http2":
        context.set_alpn_protocols(["h2"])
    request = {"messages": UPGRADE, "idle": REQUEST, "idle-http2": HTTP2_REQUEST}[kind]
    peers = await connect(count, port, context, request, 0 if messages else BODY)
    await told()
    if messages:
        for peer in peers:
            peer.send()
        await asyncio.sleep(seconds)
        for peer in peers:
            peer.running = False
    latencies = sorted(latency for peer in peers for latency in peer.latencies)
    lost = sum(peer.lost for peer in peers)
    for peer in peers:
        peer.transport.abort()
    return {"count": len(latencies), "lost": lost, "latencies": [quantile(latencies, q) for q in (0.5, 0.99)]}


def quantile(values: list[int], fraction: float) -> int:
    """The value below which `fraction` of the sorted values lie; 0 if there are none."""
    return values[min(len(values) - 1, int(len(values) * fraction))] if values else 0


if __name__ == "__main__":
    kind, port, certificate, key, count, seconds = sys.argv[1:]
    answer = uvloop.run(run(kind, int(port), Path(certificate), Path(key), int(count), float(seconds)))
    print(json.dumps(answer), flush=True)
