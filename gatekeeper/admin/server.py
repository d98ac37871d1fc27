"""The HTTP listener for operators and orchestrators: plain HTTP, intended for loopback."""

import asyncio
import base64
import hashlib
import json
import re
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs

from gatekeeper.admin.connection import AdminAnswer, AdminConnection, plain
from gatekeeper.admin.status import Check, is_ready
from gatekeeper.admin.wording import brief, pluralized, span
from gatekeeper.errors import PackageChangedError
from gatekeeper.package import OWN
from gatekeeper.wire.request import RequestHead

if TYPE_CHECKING:
    import jinja2  # loaded for the first page

SHUTDOWN_SECONDS = 1.0
# Limits on connections, which each serve one request: a slow client must not keep a descriptor that visitors need.
CONNECTION_SECONDS = 10.0
MOST_CONNECTIONS = 32


class StatusSource(Protocol):
    """What the listener serves; `gatekeeper.admin.status.Status` implements it."""

    async def checks(self, *, verbose: bool = False) -> Mapping[str, Check]:
        """The readiness conditions; with ``verbose`` also those that do not decide."""

    async def report(self) -> dict[str, Any]:
        """The status as a value that JSON can represent."""

    async def metrics(self) -> str:
        """The metrics in Prometheus' text format."""


Documents = Callable[[], Mapping[bytes, bytes]]


class Admin:
    """Serves ``/healthz``, ``/readyz``, ``/status`` and ``/metrics`` from ``status``.

    ``documents`` maps paths to JSON that visitors get at the same paths (the JWKS). ``hosts`` are the names in the Host
    header that are accepted besides localhost and IP addresses. ``seconds`` is the longest life of a connection.
    """

    def __init__(
        self,
        status: StatusSource,
        documents: Documents = dict,
        seconds: float = CONNECTION_SECONDS,
        hosts: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._status = status
        self._documents = documents
        self._seconds = seconds
        self._hosts = hosts
        self._server: asyncio.Server | None = None
        self._connections: dict[AdminConnection, None] = {}  # oldest first
        self._answers: Mapping[bytes, Callable[[RequestHead], Awaitable[AdminAnswer]]] = {
            b"/": self._redirect_to_status,
            b"/healthz": self._healthz,
            b"/readyz": self._readyz,
            b"/status": self._show_status,
            b"/metrics": self._metrics,
        }

    async def start(self, listener: socket.socket) -> None:
        """Begin to accept connections on a listening socket."""
        self._server = await asyncio.get_running_loop().create_server(self._connection, sock=listener)

    def leave(self) -> None:
        """Accept no new connections; other processes accept on the same socket."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def stop(self) -> None:
        """Stop serving. Who has connected may still ask: a client cannot know that this worker leaves."""
        self.leave()
        if self._connections:
            under_way = [connection.answered for connection in self._connections]
            await asyncio.wait(under_way, timeout=SHUTDOWN_SECONDS)
        for connection in list(self._connections):
            connection.abort()

    def _connection(self) -> asyncio.Protocol:
        """The protocol for a new connection. Beyond `MOST_CONNECTIONS` the oldest is closed, so that none can block the
        others.
        """
        for oldest in list(self._connections)[: max(0, len(self._connections) + 1 - MOST_CONNECTIONS)]:
            oldest.abort()
        connection = AdminConnection(self._answer, asyncio.get_running_loop(), self._seconds, self._connections.pop)
        self._connections[connection] = None
        return connection

    async def _answer(self, head: RequestHead) -> AdminAnswer:
        answer = self._answers.get(head.target.partition(b"?")[0])
        document = self._documents().get(head.target)
        if answer is None and document is None:
            return plain(404, "There is nothing here.")
        # RFC 9110, 9.1: GET and HEAD must be supported; 15.5.6: 405 names what is.
        if head.method not in (b"GET", b"HEAD"):
            return replace(plain(405, "Only GET and HEAD are supported."), headers=(("Allow", "GET, HEAD"),))
        return AdminAnswer(document or b"") if answer is None else await answer(head)

    def _misdirected(self, head: RequestHead) -> AdminAnswer | None:
        """421 (RFC 9110, 15.5.20) for a host name that is not the gate's own, else None.

        Otherwise a page of attacker.example could read the answer as its own if that name resolves to 127.0.0.1 (DNS
        rebinding). IP addresses cannot be rebound.
        """
        host = head.block.host.decode("latin-1")
        if names_the_machine(host) or _name_in(host) in self._hosts():
            return None
        return plain(421, "admin.hosts does not list the name of this request")

    async def _redirect_to_status(self, _head: RequestHead) -> AdminAnswer:
        """Redirect the bare address to the page for people."""
        return replace(plain(302, "See /status."), headers=(("Location", "/status"),))

    async def _healthz(self, _head: RequestHead) -> AdminAnswer:
        return _json({"status": "ok"})

    async def _readyz(self, head: RequestHead) -> AdminAnswer:
        verbose = b"verbose" in parse_qs(head.target.partition(b"?")[2], keep_blank_values=True)
        if verbose and (misdirected := self._misdirected(head)):
            return misdirected
        checks = await self._status.checks(verbose=verbose)
        ready = is_ready(checks)
        body = {
            "status": "ready" if ready else "not ready",
            "checks": {name: asdict(check) for name, check in checks.items()},
        }
        return _json(body, 200 if ready else 503)

    async def _show_status(self, head: RequestHead) -> AdminAnswer:
        if misdirected := self._misdirected(head):
            return misdirected
        report = await self._status.report()
        vary = (("Vary", "Accept"),)
        if b"text/html" not in head.block.get(b"accept"):
            return replace(_json(report), headers=vary)
        try:
            headers = (("Content-Security-Policy", _policy()), *vary)
            return AdminAnswer(page(report).encode(), "text/html; charset=utf-8", headers=headers)
        except PackageChangedError:
            return replace(_json(report), headers=vary)

    async def _metrics(self, head: RequestHead) -> AdminAnswer:
        if misdirected := self._misdirected(head):
            return misdirected
        text = await self._status.metrics()
        return AdminAnswer(text.encode(), "text/plain; version=0.0.4; charset=utf-8")


def _json(value: object, status: int = 200) -> AdminAnswer:
    return AdminAnswer(json.dumps(value).encode(), status=status)


def names_the_machine(host: str) -> bool:
    """Whether a Host is empty, localhost or below it (RFC 6761, 6.3), or an IP address; the port is ignored."""
    name = _name_in(host)
    if not host or name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _name_in(host: str) -> str:
    """The host in a Host header in lower case, without port, brackets and trailing dot."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name.lower().removesuffix(".")


def page(report: dict[str, Any]) -> str:
    """The status as HTML. All values are escaped: anyone can choose the names in a certificate."""
    return _template().render(report)


def load_page() -> None:
    """Load what `page` needs, so that nothing is read from the disk later."""
    _template()
    _policy()


@cache
def _source() -> str:
    return OWN.read("admin/status.html")


@cache
def _template() -> "jinja2.Template":
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["span"] = span
    environment.filters["pluralized"] = pluralized
    environment.filters["bars"] = bars
    environment.filters["brief"] = brief
    return environment.from_string(_source())


@cache
def _policy() -> str:
    """The Content-Security-Policy: nothing is loaded or run; the only style sheet is identified by its hash."""
    style = re.search(r"<style>(.*?)</style>", _source(), re.DOTALL)
    if style is None:
        raise AssertionError("the page has no style")
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


def bars(counts: Sequence[int], height: int = 64) -> list[tuple[int, int, int, str]]:
    """Left, top and height of a bar for each half hour, ten units apart, and what it means; the highest fills
    ``height``. A count above 0 is never invisible."""
    highest = max(counts, default=0)
    drawn: list[tuple[int, int, int, str]] = []
    for index, count in enumerate(counts):
        tall = max(2, round(height * count / highest)) if count else 0
        hours = (len(counts) - 1 - index) / 2
        drawn.append((10 * index + 1, height - tall, tall, f"{pluralized(count, 'refusal')}, {hours:g} h ago"))
    return drawn
