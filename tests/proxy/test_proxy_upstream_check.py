"""Health checks against real servers."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from gatekeeper.proxy.upstream.check import ask
from gatekeeper.proxy.upstream.endpoint import Endpoint
from gatekeeper.proxy.upstream.endpoints import make_endpoints
from gatekeeper.settings.addresses import parse_upstream
from gatekeeper.settings.upstream import UpstreamSettings
from tests.certificates import make_authority, make_client, make_server
from tests.gate_process import PATIENCE
from tests.ports import free_port
from tests.proxy.test_proxy_upstream_http1 import place_at

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def checked(
    endpoint: Callable[[int], Endpoint], site: Handler, *, path: str = "/healthz", seconds: float = PATIENCE
) -> str:
    """What a check of a small server on any port finds."""
    server = web.Server(site)  # type: ignore[arg-type]
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    async with listener:
        found = await ask(endpoint(listener.sockets[0].getsockname()[1]), path, seconds)
        await server.shutdown(0.1)
    return found


def plain(port: int) -> Endpoint:
    return place_at(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("status", "found"),
    [
        (200, ""),
        (204, ""),
        (302, ""),
        (404, "/healthz is answered 404"),
        (503, "/healthz is answered 503"),
    ],
)
def test_2xx_and_3xx_are_good(status: int, found: str) -> None:
    """A redirect is an answer, and is not followed."""

    async def site(_: web.BaseRequest) -> web.Response:
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    assert asyncio.run(checked(plain, site)) == found


def test_the_path_is_asked_as_it_is_written() -> None:
    """With its query and its escapes, under the app's own name, and without anything about a visitor."""
    asked: list[web.BaseRequest] = []

    async def site(request: web.BaseRequest) -> web.Response:
        asked.append(request)
        return web.Response()

    assert asyncio.run(checked(plain, site, path="/a%2fb?c=%20")) == ""
    (request,) = asked
    assert (request.method, request.raw_path) == ("GET", "/a%2fb?c=%20")
    assert request.host.startswith("127.0.0.1:")
    assert "health check" in request.headers["User-Agent"]
    assert not [name for name in request.headers if name.lower().startswith("x-")]


def test_an_answer_that_does_not_come_in_time_is_none() -> None:
    """The check has a time of its own."""

    async def site(_: web.BaseRequest) -> web.Response:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    assert asyncio.run(checked(plain, site, seconds=0.1)) == "/healthz is not answered in 0.1 s"


def test_nobody_there() -> None:
    """Connection refused."""
    port = free_port()
    assert "/healthz: " in asyncio.run(ask(plain(port), "/healthz", PATIENCE))


def test_a_unix_socket(tmp_path: Path) -> None:
    """unix:"""

    async def site(_: web.BaseRequest) -> web.Response:
        return web.Response()

    async def talk() -> str:
        server = web.Server(site)
        path = str(tmp_path / "app.sock")
        async with await asyncio.get_running_loop().create_unix_server(server, path):
            found = await ask(place_at(f"unix:{path}"), "/", PATIENCE)
            await server.shutdown(0.1)
        return found

    assert asyncio.run(talk()) == ""


def test_https_is_verified_as_for_visitors(tmp_path: Path) -> None:
    """The authority, the server name and the client certificate of the upstream."""
    authority = make_authority("App CA")
    (tmp_path / "ca.crt").write_bytes(authority.certificate_pem)
    certificate, key = make_client("gate", authority).write(tmp_path, "gate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_server("app.internal", authority).write(tmp_path, "app"))
    context.load_verify_locations(tmp_path / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED

    async def site(_: web.BaseRequest) -> web.Response:
        return web.Response()

    async def talk(**table: object) -> str:
        server = web.Server(site)
        listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0, ssl=context)
        async with listener:
            url = parse_upstream(f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
            settings = UpstreamSettings(url=url, ca=tmp_path / "ca.crt", certificate=certificate, key=key, **table)  # type: ignore[arg-type]
            (endpoint,) = make_endpoints("default", settings, {})
            found = await ask(endpoint, "/", PATIENCE)
            await server.shutdown(0.1)
        return found

    assert asyncio.run(talk(server_name="app.internal")) == ""
    assert "certificate verify failed" in asyncio.run(talk())
