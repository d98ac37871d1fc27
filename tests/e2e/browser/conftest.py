"""What every browser test needs: an authority, a gate in front of a small app, a person's home folder."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import WSMsgType, web

from tests.app import App
from tests.e2e.authority import ca
from tests.e2e.browser.chromium import Home, certificates_chosen
from tests.gate_process import Gate
from tests.tools import needs

EC = ("--key", "ec:p256")


async def small_app(request: web.Request) -> web.StreamResponse:
    """Greets by the name that the gate tells, echoes on a WebSocket, sends an event and goes on."""
    name = request.headers.get("X-SSL-Client-S-DN", "stranger")
    if request.path == "/ws":
        return await _echo(request)
    if request.path == "/events":
        return await _events(request, name)
    return web.Response(text=f"<!doctype html><title>In</title><h1>Hello, {name}</h1>", content_type="text/html")


async def _echo(request: web.Request) -> web.StreamResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data.upper())
    return socket


async def _events(request: web.Request, name: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    await response.write(f"data: for {name}\n\n".encode())
    with suppress(ConnectionError):
        while request.transport is not None and not request.transport.is_closing():
            await response.write(b": still here\n\n")
            await asyncio.sleep(0.2)
    return response


@pytest.fixture(scope="session")
def browser() -> None:
    """The programs of a person: a browser, and Mozilla's tools that fill its certificate store."""
    needs("chromium", "certutil", "pk12util")
    if os.geteuid() != 0:
        pytest.skip("needs root, for the policy that chooses a certificate")


@pytest.fixture
def home(browser: None, office: Path) -> Iterator[Home]:
    """A home folder whose certificate store knows the authority, and no certificate of its own.

    Its path is short: Chromium makes a socket in it.
    """
    with tempfile.TemporaryDirectory(prefix="home", ignore_cleanup_errors=True) as folder:
        home = Home(Path(folder))
        home.trust(office / "ca" / "ca.crt")
        yield home


@pytest.fixture(scope="session")
def office(browser: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the authority's folder ``ca`` lies."""
    folder = tmp_path_factory.mktemp("office")
    ca(folder, "init", "--cn", "Home CA", *EC)
    ca(folder, "server", "localhost", "--dns", "localhost", *EC)
    return folder


@pytest.fixture(scope="session")
def gate(office: Path) -> Iterator[Gate]:
    """A gate that trusts that authority; while it runs, browsers choose a certificate for it by themselves."""
    folder = office / "gate"
    folder.mkdir()
    for source, target in (("ca.crt", "ca.crt"), ("localhost.crt", "server.crt"), ("localhost.key", "server.key")):
        (folder / target).write_bytes((office / "ca" / source).read_bytes())
    crl = f'crl = "{office / "ca" / "ca.crl"}"\n'
    (office / "invitations").mkdir(0o700)
    tables = f'[invitations]\nfolder = "{office / "invitations"}"\n'
    with App(small_app) as app, Gate(folder, app.url, client_auth=crl, tables=tables) as gate, certificates_chosen():
        yield gate


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where pictures of pages are kept for people to look at; git does not see it."""
    return Path(__file__).parents[3] / "artefacts" / "pictures"
