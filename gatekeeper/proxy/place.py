"""One URL of an app: how it is reached, and the connections to it."""

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path

from gatekeeper.addresses import Address, SocketPath, UpstreamURL
from gatekeeper.errors import ConfigurationError, Mistake
from gatekeeper.proxy.upstream import UpstreamConnection
from gatekeeper.settings import UpstreamSettings

# A kept connection is closed before the app's own timeout is likely to close it under a request (uvicorn and
# Node.js wait 5 seconds, gunicorn 2, nginx 75).
KEEP_SECONDS = 30.0
MAX_IDLE = 256


class Place:
    """One URL of an app: its idle connections, most recently used last, and how many are busy."""

    def __init__(self, address: Address | SocketPath, tls: ssl.SSLContext | None, server_name: str | None) -> None:
        self.address = address
        self.busy = 0
        self._tls = tls
        self._server_name = server_name
        self._idle: list[UpstreamConnection] = []

    def take(self) -> UpstreamConnection | None:
        """An idle connection that is still open, None if there is none."""
        while self._idle:
            connection = self._idle.pop()
            self.busy += 1
            if not connection.transport.is_closing():
                return connection
        return None

    def give_back(self, connection: UpstreamConnection, now: float) -> None:
        """Keep a connection for the next exchange."""
        if connection.paused:
            connection.resume_reading()
        if connection.transport.is_closing() or len(self._idle) >= MAX_IDLE:
            connection.close()
            return
        self.busy -= 1
        connection.used_before = True
        connection.idle_since = now
        self._idle.append(connection)

    async def connect(self, loop: asyncio.AbstractEventLoop) -> UpstreamConnection:
        """A fresh connection; OSError (ssl.SSLError among them) if the app cannot be reached or verified."""
        if isinstance(self.address, SocketPath):
            _, connection = await loop.create_unix_connection(
                lambda: UpstreamConnection(self),
                str(self.address.path),
                ssl=self._tls,
                server_hostname=self._server_name,
            )
        else:
            _, connection = await loop.create_connection(
                lambda: UpstreamConnection(self),
                self.address.host,
                self.address.port,
                ssl=self._tls,
                server_hostname=self._server_name,
            )
        return connection

    def opened(self, connection: UpstreamConnection) -> None:
        """A connection is there; whoever asked for it may have left meanwhile, but it will be lost."""
        self.busy += 1

    def lost(self, connection: UpstreamConnection) -> None:
        """A connection was closed by either side."""
        if connection in self._idle:
            self._idle.remove(connection)
        else:
            self.busy -= 1

    def close_idle(self, before: float) -> int:
        """Close what has been idle since before that time; returns how many are left."""
        for connection in [one for one in self._idle if one.idle_since < before]:
            self._idle.remove(connection)
            self.busy += 1  # until it is lost
            connection.close()
        return len(self._idle)


def make_places(name: str, settings: UpstreamSettings, folders: Mapping[Path, SocketPath]) -> list[Place]:
    """The places of an upstream; ``folders`` says where static folders are served. ConfigurationError for bad files."""
    return [_make_place(name, settings, url, folders) for url in settings.places]


def _make_place(name: str, settings: UpstreamSettings, url: UpstreamURL, folders: Mapping[Path, SocketPath]) -> Place:
    address = url.address
    if address is None:
        if url.path is None:
            raise AssertionError(f"{url} is nowhere")
        address = folders[url.path]
    if url.scheme != "https":
        return Place(address, None, None)
    server_name = settings.server_name or url.host
    return Place(address, upstream_tls(name, settings), server_name)


def upstream_tls(name: str, settings: UpstreamSettings) -> ssl.SSLContext:
    """TLS towards an app: its certificate is verified unless ``unsafe_skip_verify`` says otherwise."""
    table = "upstream" if name == "default" else f"upstreams.{name}"
    try:
        context = ssl.create_default_context(cafile=str(settings.ca) if settings.ca else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(Mistake(f"{table}.ca", f"{settings.ca} cannot be used: {_words(error)}")) from error
    context.set_alpn_protocols(["http/1.1"])
    if settings.unsafe_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.certificate is not None:
        try:
            context.load_cert_chain(settings.certificate, settings.key, password=_no_passphrase)
        except (OSError, ssl.SSLError) as error:
            sentence = f"{settings.certificate} and its key cannot be used: {_words(error)}"
            raise ConfigurationError(Mistake(f"{table}.certificate", sentence)) from error
    return context


def _no_passphrase() -> str:
    """OpenSSL would ask on the terminal; a key of an upstream's client certificate has none."""
    return ""


def _words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
