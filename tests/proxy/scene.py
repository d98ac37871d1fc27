"""A gate without sockets: real TLS and real HTTP in memory, a clock moved by hand, and an app played by the test."""

import asyncio
import json
import re
import ssl
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from gatekeeper.proxy.client.connection import ClientConnection
from gatekeeper.proxy.forwarding import client_address
from gatekeeper.proxy.proxy import Proxy
from gatekeeper.proxy.snapshot import Snapshot, make_snapshot
from gatekeeper.proxy.upstream.endpoints import make_endpoints
from gatekeeper.proxy.upstream.pool import Pool
from gatekeeper.settings.tables import Settings
from gatekeeper.settings.validation import Loading
from gatekeeper.telemetry.log_lines import Outcome, json_line
from gatekeeper.telemetry.log_lines import Visitor as LoggedVisitor
from gatekeeper.telemetry.metrics import Metrics
from gatekeeper.wire.request import RequestHead
from tests.certificates import Holder, make_authority, make_client, make_server
from tests.proxy.virtual import FakeTransport, VirtualLoop

ADDRESS = ("192.0.2.7", 50000)
MIB = 1024 * 1024
OK = b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\nok"
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"


def undated(answer: bytes) -> bytes:
    """Without the Date that the gate adds to an app's response (RFC 9110, 6.6.1)."""
    return re.sub(rb"\r\nDate: [^\r]*", b"", answer)


def get(target: str = "/", *lines: str) -> bytes:
    """A GET request; ``lines`` are further header lines."""
    return request("GET", target, *lines)


def request(method: str, target: str, *lines: str, body: bytes = b"") -> bytes:
    """A request with the Host that every test uses."""
    head = "\r\n".join((f"{method} {target} HTTP/1.1", "Host: app.example.com", *lines, "", ""))
    return head.encode("latin-1") + body


# A WebSocket is asked for, and begins (RFC 6455, 4).
UPGRADE = get(
    "/ws", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: a2V5"
)
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"
)
EXEC = request("POST", "/exec/1/start", "Connection: Upgrade", "Upgrade: tcp", "Content-Length: 2", body=b"{}")
UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nContent-Type: text/plain\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"


@dataclass(frozen=True)
class Files:
    """What the gate's settings name, and who visits it."""

    folder: Path
    authority: Holder
    alice: Holder

    @classmethod
    def make(cls, folder: Path) -> "Files":
        authority = make_authority("Home CA")
        make_server("gate.example.com", authority).write(folder, "server")
        (folder / "ca.crt").write_bytes(authority.certificate_pem)
        return cls(folder, authority, make_client("alice", authority))

    def settings(self, **tables: Any) -> Settings:
        server = {"certificate": "server.crt", "key": "server.key"} | tables.pop("server", {})
        document = {
            "server": server,
            "client_auth": {"ca": "ca.crt"},
            "upstream": {"url": "http://127.0.0.1:8000"},
        } | tables
        return Settings.model_validate(document, context=Loading(self.folder))


@dataclass
class Log:
    """What the proxy wrote to the access log, read back from its JSON."""

    records: list[dict[str, Any]] = field(default_factory=list)
    wanted: bool = True

    def write(self, visitor: LoggedVisitor, head: RequestHead, outcome: Outcome) -> None:
        self.records.append(json.loads(json_line(visitor, head, outcome)))


class Scene:
    """A running proxy. ``tables`` are tables of the configuration, as TOML would give them."""

    def __init__(self, files: Files, snapshot: Snapshot, **tables: Any) -> None:
        self.files = files
        self.loop = VirtualLoop()
        self.app = App(self.loop)
        settings = files.settings(**tables)
        self.pool = Pool(settings.every_upstream["default"], self._endpoints(settings), self.loop)
        self.pools = {"default": self.pool} | {
            name: Pool(upstream, make_endpoints(name, upstream, {}), self.loop)
            for name, upstream in settings.upstreams.items()
        }
        self.snapshot = replace(make_snapshot(settings, snapshot.tls, self.pools), pages=snapshot.pages)
        self.log = Log()
        self.started = time.time()
        self.proxy = Proxy(
            self.snapshot,
            loop=self.loop,
            log=self.log,
            metrics=Metrics(),
            wall=self.wall,
            unacknowledged=lambda transport: transport.unacknowledged,  # type: ignore[attr-defined]
        )

    def _endpoints(self, settings: Settings) -> Any:
        self.endpoints = make_endpoints("default", settings.every_upstream["default"], {})
        return self.endpoints

    def wall(self) -> float:
        return self.started + self.loop.time()

    def connect(self, address: Any = ADDRESS) -> "Visitor":
        """Somebody connects, and says nothing yet."""
        return Visitor(self, address)

    def visitor(
        self,
        holder: Holder | None = None,
        *,
        version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        address: Any = ADDRESS,
        session: ssl.SSLSession | None = None,
    ) -> "Visitor":
        """Somebody connects and does the handshake, with a certificate or without one, or with a ``session``."""
        visitor = Visitor(self, address)
        visitor.shake_hands(holder, version, session)
        return visitor

    def alice(self) -> "Visitor":
        """Somebody who is let in."""
        return self.visitor(self.files.alice)

    def serve(self, visitor: "Visitor", response: bytes = OK) -> bytes:
        """Have the app answer what ``visitor`` asked, and return what the visitor got."""
        self.app.last.send(response)
        return visitor.read()

    def close(self) -> None:
        """The end of the test: whatever is still open must close, and then nothing may be left."""
        if self.loop.is_closed():
            return
        self.proxy.cut()
        self.proxy.local.close()
        for pool in self.pools.values():
            pool.close()
        self.loop.settle()
        assert not self.proxy.connections
        assert self.busy == 0
        self.loop.close()

    @property
    def busy(self) -> int:
        """The app's connections that carry an exchange, or soon do."""
        return sum(endpoint.busy for endpoint in self.endpoints)

    @property
    def statuses(self) -> list[int]:
        """What the access log says, oldest first."""
        return [record["status"] for record in self.log.records]


class Visitor:
    """A client: its own TLS, and the transport that the gate writes to."""

    def __init__(self, scene: Scene, address: Any) -> None:
        self.scene = scene
        self.connection = ClientConnection(scene.proxy, *client_address(address))
        self.transport = FakeTransport(scene.loop, cast(asyncio.Protocol, self.connection))
        self.connection.connection_made(self.transport)
        self.said_goodbye = False
        """Whether the gate said close_notify: what came before it is whole."""

    def shake_hands(
        self,
        holder: Holder | None,
        version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        session: ssl.SSLSession | None = None,
    ) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = client_context(holder, version).wrap_bio(self._incoming, self._outgoing, session=session)
        for _ in range(4):
            with suppress(ssl.SSLWantReadError):
                self.tls.do_handshake()
            self._exchange()

    def send(self, plaintext: bytes) -> None:
        """Send in one piece."""
        for start in range(0, len(plaintext), 16384):
            self.tls.write(plaintext[start : start + 16384])
        self._exchange()

    def send_each(self, pieces: Iterable[bytes]) -> None:
        """Send each piece in a TLS record and a read of its own, without waiting for answers."""
        records = []
        for piece in pieces:
            self.tls.write(piece)
            records.append(self._outgoing.read())
        self.transport.peer_sends_each(records)
        self._take()

    def send_and_leave(self, plaintext: bytes) -> None:
        """FIN comes before anybody can answer."""
        self.tls.write(plaintext)
        self.transport.peer_sends_each([self._outgoing.read(), b""])

    def send_raw(self, data: bytes) -> None:
        """Send without TLS."""
        self.transport.peer_sends(data)

    def read(self) -> bytes:
        """What the gate has said since this was asked last."""
        self._take()
        pieces = []
        try:
            while piece := self.tls.read(65536):
                pieces.append(piece)
            self.said_goodbye = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.said_goodbye = True
        return b"".join(pieces)

    def say_goodbye(self) -> None:
        """close_notify."""
        with suppress(ssl.SSLError):
            self.tls.unwrap()
        self._exchange()

    def leave(self) -> None:
        """FIN, without a word."""
        self.transport.peer_ends()

    def reset(self) -> None:
        self.transport.peer_resets()

    @property
    def is_gone(self) -> bool:
        """Whether the gate has closed the connection."""
        return self.transport.lost

    @property
    def was_sent_away(self) -> bool:
        """Whether the gate will answer no more: closed, or waiting for the visitor to close."""
        return self.transport.peer_got_eof or self.transport.closing

    def _exchange(self) -> None:
        if said := self._outgoing.read():
            self.transport.peer_sends(said)
        self._take()

    def _take(self) -> None:
        got = self.transport.peer_got
        self._incoming.write(bytes(got))
        got.clear()


@cache
def client_context(holder: Holder | None, version: ssl.TLSVersion) -> ssl.SSLContext:
    """A client that takes any server certificate, because the server is what is tested.

    Remembered by the holder and not by its id(): Python gives the id of a holder that is gone to the next one.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    if holder is not None:
        with TemporaryDirectory() as folder:
            context.load_cert_chain(*holder.write(Path(folder), "visitor"))
    return context


class App:
    """The app behind the gate: takes connections, unless told to refuse them or to let them hang."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.connections: list[AppConnection] = []
        self.attempts: list[Any] = []
        self.how: list[tuple[Any, str | None]] = []
        self.down: set[Any] = set()
        self.refuses: OSError | None = None
        self.hangs = False
        self.silent: set[Any] = set()
        self.dies_at_once = False
        self.peername: tuple[str, int] | None = None
        """What the kernel says of the other end of each connection."""
        self._loop = loop
        self._waiting: list[asyncio.Future[None]] = []
        loop.connector = self._connect

    @property
    def last(self) -> "AppConnection":
        return self.connections[-1]

    def recover(self) -> None:
        """Connections that hung come about."""
        self.hangs = False
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._loop.settle()

    async def _connect(
        self, factory: Any, address: Any, *, ssl: ssl.SSLContext | None = None, server_hostname: str | None = None
    ) -> Any:
        self.attempts.append(address)
        self.how.append((ssl, server_hostname))
        if address in self.down:
            raise ConnectionRefusedError(111, "Connection refused")
        if self.refuses is not None:
            raise self.refuses
        if self.hangs or address in self.silent:
            self._waiting.append(self._loop.create_future())
            await self._waiting[-1]
        connection = AppConnection(self._loop, factory(), self.peername)
        self.connections.append(connection)
        if self.dies_at_once:
            connection.transport.abort()
        try:
            await asyncio.sleep(0)  # as asyncio does, between connection_made and the end of create_connection
        except BaseException:
            connection.transport.close()
            raise
        return connection.transport, connection.protocol


class AppConnection:
    """The app's end of one connection from the gate."""

    def __init__(self, loop: VirtualLoop, protocol: asyncio.Protocol, peername: tuple[str, int] | None = None) -> None:
        self.protocol = protocol
        self.transport = FakeTransport(loop, protocol, {"peername": peername})
        protocol.connection_made(self.transport)

    def read(self) -> bytes:
        """What the gate has sent since this was asked last."""
        got = bytes(self.transport.peer_got)
        self.transport.peer_got.clear()
        return got

    def send(self, data: bytes) -> None:
        self.transport.peer_sends(data)

    def close(self) -> None:
        self.transport.peer_ends()

    def reset(self) -> None:
        self.transport.peer_resets()

    @property
    def is_gone(self) -> bool:
        """Whether the gate has closed the connection."""
        return self.transport.lost
