"""One URL of an app: how to reach it, the connections to it, and its health."""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import cast

from aiohappyeyeballs import start_connection

from gatekeeper.errors import ConfigurationError, Mistake, UnreachableError
from gatekeeper.proxy.upstream.health import Health
from gatekeeper.proxy.upstream.http1 import UpstreamConnection
from gatekeeper.settings.addresses import Address, SocketPath, UpstreamURL
from gatekeeper.settings.files import OPEN_DIRECTLY, FileReader
from gatekeeper.settings.tables import UpstreamSettings
from gatekeeper.tls.client import client_context

# A kept connection is closed before the app's own timeout is likely to close it under a request (uvicorn and
# Node.js wait 5 seconds, gunicorn 2, nginx 75).
KEEP_SECONDS = 30.0
MAX_IDLE = 1024
# RFC 8305, 5: how long one address of a name is waited for before the next is tried beside it.
NEXT_ADDRESS_SECONDS = 0.25
# The gate itself has no room for another connection; that says nothing about the endpoint.
_OUR_OWN_FAULT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}

_log = logging.getLogger("gatekeeper")


class Endpoint:
    """One URL of an app. ``title`` is what the log calls it, ``limit`` bounds its connections, 0 does not.

    ``health`` decides if it gets requests, ``turn`` is when it was last chosen, ``freed`` is called as one closes.
    """

    def __init__(
        self,
        title: str,
        address: Address | SocketPath,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
        *,
        limit: int = 0,
        slow_start: float = 0.0,
    ) -> None:
        self.title = title
        self.address = address
        self.tls = tls
        self.server_name = server_name
        self.limit = limit
        self.health = Health(slow_start)
        self._failure_told = False
        self.turn = 0
        self.freed: Callable[[], None] = _nobody_waits
        # What is busy is counted from these, so that no path through the code can leave it wrong.
        self._connecting: set[UpstreamConnection] = set()
        self._open: set[UpstreamConnection] = set()
        self._idle: list[UpstreamConnection] = []  # most recently used last

    @property
    def busy(self) -> int:
        """Connections that carry an exchange, or soon do, or are being closed."""
        return len(self._connecting) + len(self._open) - len(self._idle)

    @property
    def idle(self) -> int:
        """Connections that wait for an exchange."""
        return len(self._idle)

    @property
    def has_capacity(self) -> bool:
        """Whether one more exchange can go there: on an idle connection, or on one that may still be made."""
        return bool(self._idle) or self.may_open

    @property
    def may_open(self) -> bool:
        """Whether one more connection may be made."""
        return not self.limit or len(self._connecting) + len(self._open) < self.limit

    def acquire(self) -> UpstreamConnection | None:
        """An idle connection that is still open, None if there is none."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.transport.is_closing():
                return connection
        return None

    def release(self, connection: UpstreamConnection, now: float) -> None:
        """Keep a connection for the next exchange."""
        if connection.paused:
            connection.resume_response()
        if connection.transport.is_closing() or len(self._idle) >= MAX_IDLE or self.health.failed_check:
            connection.reset()
            return
        connection.used_before = True
        connection.idle_since = now
        self._idle.append(connection)

    def opened(self, connection: UpstreamConnection) -> None:
        """A connection is there; whoever asked for it may have left meanwhile, but it will be lost."""
        self._connecting.discard(connection)
        self.health.trying = False
        self._open.add(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        """A connection was closed by either side."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self.freed()

    def close_idle(self, before: float) -> int:
        """Close what has been idle since before that time; returns how many are left."""
        for connection in [one for one in self._idle if one.idle_since < before]:
            self._idle.remove(connection)  # busy until it is lost
            connection.reset()
        return len(self._idle)

    # -- connecting

    def reserve(self) -> UpstreamConnection:
        """A connection to be made by `connect`; it counts from now on."""
        connection = UpstreamConnection(self)
        self._connecting.add(connection)
        self.health.trying = True
        return connection

    async def connect(self, loop: asyncio.AbstractEventLoop, connection: UpstreamConnection, seconds: float) -> None:
        """Connect what was expected, TLS included; UnreachableError if that fails, takes longer, or who is there
        cannot be verified.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._connect(loop, connection)
            if connection.transport.is_closing():  # closed at once, so nobody will say it again
                raise ConnectionResetError(errno.ECONNRESET, "closed at once")
        except BaseException as error:
            if connection in self._open:
                connection.reset()
            if isinstance(error, OSError):
                raise self._unreachable(error, loop.time(), seconds) from error
            raise
        finally:
            self.unreserve(connection)
        if self.health.connected(loop.time()):
            self._failure_told = False
            _log.info("upstream %s: reachable again", self.title)

    def unreserve(self, connection: UpstreamConnection) -> None:
        """It is connected, or will never be."""
        if connection in self._connecting:
            self._connecting.discard(connection)
            self.health.trying = False
            self.freed()

    async def _connect(self, loop: asyncio.AbstractEventLoop, connection: UpstreamConnection) -> None:
        address, protocol = self.address, cast(asyncio.Protocol, connection)
        if isinstance(address, SocketPath):
            await loop.create_unix_connection(lambda: protocol, str(address.path))
        elif _is_ip(address.host):
            await loop.create_connection(
                lambda: protocol, address.host, address.port, ssl=self.tls, server_hostname=self.server_name
            )
        else:
            reached = await _reach(loop, address)
            await loop.create_connection(lambda: protocol, sock=reached, ssl=self.tls, server_hostname=self.server_name)

    def _unreachable(self, error: OSError, now: float, seconds: float) -> UnreachableError:
        why = _reason(error)
        if error.errno in _OUR_OWN_FAULT:
            _log.error("upstream %s: cannot connect: %s", self.title, why)
            return UnreachableError(503, "The gate has no capacity for another connection to the app.", why)
        if isinstance(error, TimeoutError):
            why = why or f"no connection in {seconds:g} s"
            self._ejected(self.health.unreachable(now), why)
            return UnreachableError(504, "The app could not be reached in time.", why)
        self._ejected(self.health.unreachable(now), why)
        return UnreachableError(502, "The app cannot be reached.", why)

    def failed(self, why: str, now: float) -> None:
        """A request that was sent there got no answer."""
        self._ejected(self.health.failed(now), why)

    def _ejected(self, pause: float, why: str) -> None:
        if pause:
            # Said once: a dead app would else fill the log, with pauses that double.
            level = logging.DEBUG if self._failure_told else logging.WARNING
            self._failure_told = True
            _log.log(level, "upstream %s: ejected for %g s: %s; logged again when it is back", self.title, pause, why)

    def checked(self, why: str, now: float) -> None:
        """A check found something wrong, "" for nothing."""
        if self.health.checked(not why, now):
            if why:
                _log.warning("upstream %s: gets no requests: %s", self.title, why)
            else:
                self._failure_told = False
                _log.info("upstream %s: gets requests again", self.title)
        if why:
            self.close_idle(float("inf"))


def _nobody_waits() -> None:
    pass


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def _reach(loop: asyncio.AbstractEventLoop, address: Address) -> socket.socket:
    """A connection to the first of a name's addresses that takes one, IPv6 and IPv4 in turn (RFC 8305). The name is
    looked up anew each time, by the system's resolver and with its cache, if it has one.
    """
    found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    return await start_connection(found, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS, interleave=1, loop=loop)


def _reason(error: OSError) -> str:
    """OpenSSL's words for a certificate, the system's for everything else; "" for a timeout of our own."""
    words = getattr(error, "verify_message", "")
    return f"certificate verify failed: {words}" if words else error.strerror or str(error)


# -- from the settings


def make_endpoints(
    name: str, settings: UpstreamSettings, folders: Mapping[Path, SocketPath], files: FileReader = OPEN_DIRECTLY
) -> list[Endpoint]:
    """The endpoints of an upstream; ``folders`` maps static folders to sockets. ConfigurationError for bad files."""
    encrypted = any(url.scheme == "https" for url in settings.endpoints)
    tls = upstream_tls(name, settings, files) if encrypted else None
    return [_make_endpoint(name, settings, url, tls, folders) for url in settings.endpoints]


def _make_endpoint(
    name: str,
    settings: UpstreamSettings,
    url: UpstreamURL,
    tls: ssl.SSLContext | None,
    folders: Mapping[Path, SocketPath],
) -> Endpoint:
    https = url.scheme == "https"
    return Endpoint(
        f"{name} ({url})",
        url.address or _folder(name, url, folders),
        tls if https else None,
        (settings.server_name or url.host) if https else None,
        limit=settings.max_connections,
        slow_start=settings.slow_start,
    )


def _folder(name: str, url: UpstreamURL, folders: Mapping[Path, SocketPath]) -> SocketPath:
    if url.path is None:
        raise AssertionError(f"{url} is nowhere")
    if not url.path.is_dir():
        raise ConfigurationError(Mistake(f"{_table(name)}.url", f"{url.path} is not a folder"))
    return folders[url.path]


def _table(name: str) -> str:
    return "upstream" if name == "default" else f"upstreams.{name}"


def upstream_tls(name: str, settings: UpstreamSettings, files: FileReader = OPEN_DIRECTLY) -> ssl.SSLContext:
    """TLS towards an app: its certificate is verified unless ``unsafe_skip_verify`` says otherwise."""
    table = _table(name)
    try:
        context = client_context(str(files.locate(settings.ca)) if settings.ca else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(Mistake(f"{table}.ca", f"{settings.ca} cannot be used: {_words(error)}")) from error
    context.set_alpn_protocols(["http/1.1"])
    if settings.unsafe_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.certificate is not None:
        try:
            key = files.locate(settings.key) if settings.key is not None else None
            context.load_cert_chain(files.locate(settings.certificate), key, password=_no_passphrase)
        except (OSError, ssl.SSLError) as error:
            sentence = f"{settings.certificate} and its key cannot be used: {_words(error)}"
            raise ConfigurationError(Mistake(f"{table}.certificate", sentence)) from error
    return context


def _no_passphrase() -> str:
    """OpenSSL would ask on the terminal; a key of an upstream's client certificate has none."""
    return ""


def _words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
