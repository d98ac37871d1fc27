"""A gate in memory: the real protocols and real TLS, and transports that only keep what is written to them."""

import asyncio
import ssl
import time
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import hpack

from benchmarks.certificates import client_context, make_certificates
from gatekeeper.config.load import load
from gatekeeper.process.worker import new_event_loop
from gatekeeper.proxy.client.connection import ClientConnection
from gatekeeper.proxy.proxy import Proxy
from gatekeeper.proxy.snapshot import build_snapshot
from gatekeeper.proxy.upstream.endpoints import make_endpoints
from gatekeeper.proxy.upstream.http1 import UpstreamConnection
from gatekeeper.proxy.upstream.pool import Pool
from gatekeeper.telemetry.access_log import AccessLog
from gatekeeper.telemetry.log_lines import FORMATS
from gatekeeper.telemetry.metrics import Metrics
from gatekeeper.wire.http2.frames import (
    DEFAULT_WINDOW,
    END_STREAM,
    MAX_WINDOW,
    PREFACE,
    headers_frames,
    settings_frame,
    window_update_frame,
)

BROWSER = (
    b"GET /bench HTTP/1.1\r\nHost: localhost:8443\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
    b'Sec-CH-UA: "Chromium";v="142", "Not_A Brand";v="99"\r\nSec-CH-UA-Mobile: ?0\r\nSec-CH-UA-Platform: "Linux"\r\n'
    b"Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\n"
    b"Cookie: session=%08d\r\n\r\n"
)
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Mon, 23 Nov 2026 19:00:00 GMT\r\nContent-Type: text/plain\r\n"
    b'Content-Length: 100\r\nConnection: keep-alive\r\nETag: "65-1"\r\n\r\n' + b"x" * 100
)


class Http2Requests:
    """The same request in HTTP/2, as browsers encode it: what was sent before is referred to, but for the path."""

    def __init__(self, *, cookie: bool = True) -> None:
        self._encoder = hpack.Encoder()
        self._stream_id = -1
        lines = (BROWSER % 0).split(b"\r\n")[2 : -2 if cookie else -3]
        self._fields = [(name.lower(), value) for name, _, value in (line.partition(b": ") for line in lines)]

    def next(self, path: bytes = b"/bench") -> bytes:
        """The frame of the next one."""
        self._stream_id += 2
        pseudo = ((b":method", b"GET"), (b":authority", b"localhost:8443"), (b":scheme", b"https"))
        path_field = hpack.NeverIndexedHeaderTuple(b":path", path)
        block = self._encoder.encode([*pseudo, path_field, *self._fields])
        return headers_frames(self._stream_id, block, END_STREAM)

    def page(self, resources: int) -> list[bytes]:
        """The frames of a new visitor, which are the same for each: one for the page, and one for each resource."""
        return [self.next(b"/page/index.html"), *[self.next(b"/page/%d.css" % number) for number in range(resources)]]


WEBSOCKET = (
    b"GET /bench HTTP/1.1\r\nHost: localhost:8443\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
WEBSOCKET_MESSAGE = bytes((0x82, 0x80 | 100)) + bytes(4) + b"x" * 100
"""A masked binary message (RFC 6455, 5.2), as a client sends it."""
WEBSOCKET_REPLY = bytes((0x82, 100)) + b"x" * 100

MIB = 1 << 20
PIECE = 256_000
"""As much as uvloop reads at once."""
UPLOAD = b"POST /bench HTTP/1.1\r\nHost: localhost:8443\r\nContent-Length: %d\r\n\r\n" % MIB + b"x" * MIB
DOWNLOAD = (
    b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % MIB + b"x" * MIB
)

TICK = 50e-6
"""Seconds that pass each time the clock is read: the true ones would depend on how slow the count is."""

CONFIGURATION = """\
[server]
listen = "127.0.0.1:0"
certificate = "server.crt"
key = "server.key"
[client_auth]
ca = "ca.crt"
[upstream]
url = "http://127.0.0.1:8000"
[upstreams.app]
url = "http://127.0.0.1:8001"
[[routes]]
path = "/app/*"
upstream = "app"
[[routes]]
path = "/*"
"""
RESUMING = CONFIGURATION.replace("[client_auth]\n", "[client_auth]\nsession_resumption = true\n")


def prepare(folder: Path) -> Path:
    """Write a configuration and the certificates that it names; they can serve several gates."""
    make_certificates(folder)
    (folder / "gatekeeper.toml").write_text(CONFIGURATION)
    (folder / "resuming.toml").write_text(RESUMING)
    return folder


class Transport(asyncio.Transport):
    """Takes everything at once."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[Any] = []
        self._closing = False

    def write(self, data: Any) -> None:  # noqa: D102
        self.got.append(data)

    def writelines(self, pieces: Iterable[Any]) -> None:  # noqa: D102
        self.got += pieces

    def take(self) -> bytes:
        """What was written since this was asked last."""
        taken = b"".join(self.got)
        self.got.clear()
        return taken

    def is_closing(self) -> bool:  # noqa: D102
        return self._closing

    def close(self) -> None:  # noqa: D102
        self._closing = True

    abort = close

    def can_write_eof(self) -> bool:  # noqa: D102
        return True

    def write_eof(self) -> None:  # noqa: D102
        pass

    def pause_reading(self) -> None:  # noqa: D102
        pass

    def resume_reading(self) -> None:  # noqa: D102
        pass

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:  # noqa: D102
        pass

    def get_write_buffer_size(self) -> int:  # noqa: D102
        return 0


class Gate:
    """The proxy with one connection to the app, which the script plays. ``folder`` was made by `prepare`;
    ``resuming`` is whether clients may resume their TLS sessions.
    """

    def __init__(self, folder: Path, *, resuming: bool = False) -> None:
        settings = load(folder / ("resuming.toml" if resuming else "gatekeeper.toml")).settings
        self.loop = new_event_loop()
        pools = {
            name: Pool(upstream, make_endpoints(name, upstream, {}), self.loop)
            for name, upstream in settings.every_upstream.items()
        }
        self._log = log = AccessLog(folder / "access.log", FORMATS["json"], self.loop)
        snapshot = build_snapshot(settings, pools, time.time())
        self.proxy = Proxy(snapshot, loop=self.loop, log=log, metrics=Metrics(), wall=count(time.time(), TICK).__next__)
        self.app = Transport()
        endpoint = pools["default"].endpoints[0]
        self._endpoint = endpoint
        self.upstreams: list[UpstreamConnection] = []
        self.upstream = self.connect_to_app()
        self.visitors_tls = client_context(folder / "ca.crt")
        self.visitors_tls.load_cert_chain(folder / "client.crt", folder / "client.key")
        self.strangers_tls = client_context(folder / "ca.crt")

    def shake_hands_for_http2(self) -> "Visitor":
        """A client that speaks HTTP/2 (ALPN), with its first frames sent."""
        self.visitors_tls.set_alpn_protocols(["h2"])
        visitor = self.shake_hands()
        visitor.begin_http2()
        return visitor

    def connect_to_app(self) -> UpstreamConnection:
        """One more idle connection to the app."""
        connection = UpstreamConnection(self._endpoint)
        connection.connection_made(self.app)
        self._endpoint.release(connection, 0.0)
        self.upstreams.append(connection)
        return connection

    def turn(self) -> None:
        """One turn of the event loop, for what was put off until its end."""
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()

    def connect(self) -> "Visitor":
        """A client, before its handshake."""
        return Visitor(self)

    def shake_hands(self, *, certificate: bool = True, session: ssl.SSLSession | None = None) -> "Visitor":
        """A client whose handshake is done."""
        visitor = Visitor(self, certificate=certificate, session=session)
        visitor.shake_hands()
        return visitor

    def close(self) -> None:
        """Let go of everything."""
        self._log.close()
        self.loop.close()


class Visitor:
    """A client, with a good certificate or without one; ``session`` is the TLS session that it wants to resume."""

    def __init__(self, gate: Gate, *, certificate: bool = True, session: ssl.SSLSession | None = None) -> None:
        self._gate = gate
        self.transport = Transport()
        self.connection = ClientConnection(gate.proxy, "127.0.0.1:50000", "127.0.0.1")
        self.connection.connection_made(self.transport)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = gate.visitors_tls if certificate else gate.strangers_tls
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost", session=session)

    def shake_hands(self) -> None:
        """A full handshake, both sides."""
        done = False
        while not done:
            with suppress(ssl.SSLWantReadError):
                self.tls.do_handshake()
                done = True
            self.connection.data_received(self._outgoing.read())
            self._incoming.write(self.transport.take())

    def begin_http2(self) -> None:
        """Say what a client says first, with a window that lets all answers pass."""
        window = window_update_frame(0, MAX_WINDOW - DEFAULT_WINDOW)
        self.connection.data_received(self.encrypt(PREFACE + settings_frame(()) + window))
        self.transport.got.clear()

    def encrypt(self, data: bytes) -> bytes:
        """The records that carry ``data``, not sent yet."""
        self.tls.write(data)
        return self._outgoing.read()

    def exchange(self, records: bytes) -> None:
        """A request and its response."""
        gate = self._gate
        self.connection.data_received(records)
        gate.app.got.clear()
        gate.upstream.data_received(RESPONSE)
        self.transport.got.clear()

    def download(self, records: bytes) -> None:
        """A request and its response of a MiB."""
        gate = self._gate
        self.connection.data_received(records)
        gate.app.got.clear()
        for piece in pieces(DOWNLOAD):
            gate.upstream.data_received(piece)
            self.transport.got.clear()

    def upload(self, records: bytes) -> None:
        """A request of a MiB and its response."""
        gate = self._gate
        for piece in pieces(records):
            self.connection.data_received(piece)
            gate.app.got.clear()
        gate.upstream.data_received(RESPONSE)
        self.transport.got.clear()

    def exchange_and_read(self, records: bytes) -> None:
        """The same, with the response decrypted, and so a session ticket taken."""
        gate = self._gate
        self.connection.data_received(records)
        gate.app.got.clear()
        gate.upstream.data_received(RESPONSE)
        self._incoming.write(self.transport.take())
        self.tls.read(4096)

    def exchange_all(self, records: bytes) -> None:
        """Requests, at most as many as there are connections to the app, and the responses, which come in one turn of
        the event loop.
        """
        gate = self._gate
        self.connection.data_received(records)
        gate.app.got.clear()
        for upstream in gate.upstreams:
            if upstream.handler is not None:
                upstream.data_received(RESPONSE)
        gate.turn()
        self.transport.got.clear()

    def send(self, records: bytes) -> None:
        """A request that the gate answers itself."""
        self.connection.data_received(records)
        self.transport.got.clear()

    def open_websocket(self) -> None:
        """A WebSocket through the gate's only connection to the app."""
        gate = self._gate
        self.connection.data_received(self.encrypt(WEBSOCKET))
        gate.app.got.clear()
        gate.upstream.data_received(SWITCHED)
        self.transport.got.clear()

    def echo(self, records: bytes) -> None:
        """A message and the reply to it."""
        gate = self._gate
        self.connection.data_received(records)
        gate.app.got.clear()
        gate.upstream.data_received(WEBSOCKET_REPLY)
        self.transport.got.clear()

    def leave(self) -> None:
        """Say goodbye and close."""
        with suppress(ssl.SSLError):
            self.tls.unwrap()
        self.connection.data_received(self._outgoing.read())
        self.connection.connection_lost(None)


def pieces(data: bytes) -> Iterable[bytes]:
    """A large body as it arrives."""
    return (data[start : start + PIECE] for start in range(0, len(data), PIECE))
