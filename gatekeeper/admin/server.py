"""The HTTP listener for operators and orchestrators: plain HTTP, intended for loopback."""

import asyncio
import base64
import hashlib
import logging
import re
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from importlib import resources
from ipaddress import ip_address
from typing import Any, Protocol

import jinja2
from aiohttp import web
from aiohttp.typedefs import Handler

from gatekeeper.admin.status import Check, is_ready

SHUTDOWN_SECONDS = 0.5
# An answer ends its connection. One that takes longer than this, or is older than so many others, is not meant to be
# answered: it would keep a descriptor that a visitor needs.
CONNECTION_SECONDS = 10.0
MOST_CONNECTIONS = 32


# A request that cannot be read is no news, and aiohttp would tell it with a traceback.
_quiet = logging.getLogger("gatekeeper.admin")
_quiet.setLevel(logging.CRITICAL)


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
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None

    async def start(self, listener: socket.socket) -> None:
        """Begin to accept connections on a listening socket."""
        app = web.Application(middlewares=[_no_store])
        app.router.add_get("/", self._redirect_to_status)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/status", self._show_status)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/.well-known/{path:.+}", self._document)
        self._runner = web.AppRunner(app, access_log=None, logger=_quiet, shutdown_timeout=SHUTDOWN_SECONDS)
        await self._runner.setup()
        self._server = await asyncio.get_running_loop().create_server(self._connection, sock=listener)

    def leave(self) -> None:
        """Accept no new connections; other processes accept on the same socket."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def stop(self) -> None:
        """Stop serving."""
        self.leave()
        if self._runner is not None:
            await self._runner.cleanup()

    def _connection(self) -> asyncio.Protocol:
        """The protocol for a new connection. Beyond `MOST_CONNECTIONS` the oldest is closed, so that none can block the
        others.
        """
        if self._runner is None or self._runner.server is None:
            raise AssertionError("connections come only while the server runs")
        server = self._runner.server
        for oldest in server.connections[: max(0, len(server.connections) + 1 - MOST_CONNECTIONS)]:
            oldest.force_close()
        connection = server()
        asyncio.get_running_loop().call_later(self._seconds, connection.force_close)
        return connection

    def _check_host(self, request: web.Request) -> None:
        """421 (RFC 9110, 15.5.20) for a host name that is not the gate's own.

        Otherwise a page of attacker.example could read the answer as its own if that name resolves to 127.0.0.1 (DNS
        rebinding). IP addresses cannot be rebound.
        """
        host = request.headers.get("Host", "")
        if not names_the_machine(host) and _name_in(host) not in self._hosts():
            raise web.HTTPMisdirectedRequest(text="admin.hosts does not list the name of this request\n")

    async def _redirect_to_status(self, _request: web.Request) -> web.Response:
        """Redirect the bare address to the page for people."""
        return web.Response(status=302, headers={"Location": "/status"})

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _document(self, request: web.Request) -> web.Response:
        document = self._documents().get(request.raw_path.encode("ascii", "replace"))
        if document is None:
            raise web.HTTPNotFound
        return web.Response(body=document, content_type="application/json")

    async def _readyz(self, request: web.Request) -> web.Response:
        verbose = "verbose" in request.query
        if verbose:
            self._check_host(request)
        checks = await self._status.checks(verbose=verbose)
        ready = is_ready(checks)
        body = {
            "status": "ready" if ready else "not ready",
            "checks": {name: asdict(check) for name, check in checks.items()},
        }
        return web.json_response(body, status=200 if ready else 503)

    async def _show_status(self, request: web.Request) -> web.Response:
        self._check_host(request)
        report = await self._status.report()
        if "text/html" not in request.headers.get("Accept", ""):
            return web.json_response(report, headers={"Vary": "Accept"})
        headers = {"Content-Security-Policy": _policy(), "Vary": "Accept"}
        return web.Response(text=page(report), content_type="text/html", headers=headers)

    async def _metrics(self, request: web.Request) -> web.Response:
        self._check_host(request)
        text = await self._status.metrics()
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=text.encode(), headers=headers)


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


@web.middleware
async def _no_store(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        response = await handler(request)
    except web.HTTPException as no:
        no.force_close()
        raise
    response.force_close()
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def page(report: dict[str, Any]) -> str:
    """The status as HTML. All values are escaped: anyone can choose the names in a certificate."""
    return _template().render(report)


@cache
def _source() -> str:
    return resources.files("gatekeeper.admin").joinpath("status.html").read_text(encoding="utf-8")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["span"] = span
    environment.filters["pluralized"] = pluralized
    environment.filters["bars"] = bars
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


def pluralized(number: int, noun: str) -> str:
    """A number with its noun: ``1 connection``, ``2 connections``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


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


def span(seconds: float) -> str:
    """A duration in its two largest units: ``3 d 4 h``."""
    parts: list[str] = []
    left = int(seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])
