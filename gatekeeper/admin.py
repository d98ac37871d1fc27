"""The listener for operators and orchestrators: plain HTTP, meant for the machine itself."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of being ready, and a sentence where it is not met."""

    ok: bool
    detail: str = ""


Checks = Callable[[], Mapping[str, Check]]
Documents = Callable[[], Mapping[bytes, bytes]]


class Admin:
    """Serves ``/healthz`` and ``/readyz``; ``checks`` is asked at each ``/readyz``.

    ``documents`` are what visitors get by the same paths (the JWKS), path to JSON.
    """

    def __init__(self, checks: Checks, documents: Documents = dict) -> None:
        self._checks = checks
        self._documents = documents
        self._runner: web.AppRunner | None = None

    async def start(self, listener: socket.socket) -> None:
        """Begin to answer on a listening socket."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/.well-known/{path:.+}", self._document)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    async def stop(self) -> None:
        """Answer no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _document(self, request: web.Request) -> web.Response:
        document = self._documents().get(request.raw_path.encode("ascii", "replace"))
        if document is None:
            raise web.HTTPNotFound
        return web.Response(body=document, content_type="application/json")

    async def _readyz(self, _request: web.Request) -> web.Response:
        checks = self._checks()
        ready = all(check.ok for check in checks.values())
        body = {
            "status": "ready" if ready else "not ready",
            "checks": {name: {"ok": check.ok, "detail": check.detail} for name, check in checks.items()},
        }
        return web.json_response(body, status=200 if ready else 503)
