"""The app behind a real gate: a real HTTP server in a thread of its own, which remembers what it was asked."""

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.gate_process import PATIENCE

LONGEST_FIELD = 128 * 1024  # a certificate with a large subject, in PEM, with every line end escaped

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Asked:
    """One request as it reached the app; ``headers`` in their order, with repetitions."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The one value of that name, None if there is none."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) < 2, values
        return values[0] if values else None


class App:
    """An aiohttp app on a port of its own. Without a handler it records what it is asked, in ``asked``."""

    def __init__(
        self, handler: Handler | None = None, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self._tls = tls
        self._host = host
        self.asked: list[Asked] = []
        self._handler = handler or self._record
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = self.run(self._start())
        self.url = f"{'https' if self._tls else 'http'}://{self._host}:{self.port}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.run(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run something in the app's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    async def _record(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = [(name.decode(), value.decode("latin-1")) for name, value in request.raw_headers]
        self.asked.append(Asked(request.method, request.raw_path, headers, body))
        return web.Response(text=f"{request.method} {request.raw_path}: {len(body)} bytes\n")

    async def _start(self) -> int:
        app = web.Application(client_max_size=1 << 40)
        app.router.add_route("*", "/{path:.*}", self._handler)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, max_field_size=LONGEST_FIELD)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, 0, ssl_context=self._tls)
        await site.start()
        assert site._server is not None
        port: int = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        return port
