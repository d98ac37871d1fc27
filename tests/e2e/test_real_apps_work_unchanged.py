"""Real applications behind the gate: aiohttp with a WebSocket, WSGI, ASGI, `python -m http.server`, nginx."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.sync.client import connect

from tests.app import App
from tests.gate_process import PATIENCE, Gate, until
from tests.ports import accepts, free_port
from tests.tools import needs
from tests.visitors import Visitors

WSGI = """
def app(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    who = environ["HTTP_X_SSL_CLIENT_S_DN"]
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Method", environ["REQUEST_METHOD"])])
    yield f"{who} {environ['PATH_INFO']} ".encode()
    yield body
"""
ASGI = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        event = await receive()
        body, more = body + event.get("body", b""), event.get("more_body", False)
    headers = dict(scope["headers"])
    who = headers[b"x-ssl-client-s-dn"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-method", scope["method"].encode())]})
    await send({"type": "http.response.body", "body": who + b" " + scope["path"].encode() + b" ", "more_body": True})
    await send({"type": "http.response.body", "body": body})
"""
NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr;
events {{ }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen unix:{folder}/nginx.sock; root {folder}/www; gzip on; gzip_min_length 0; gzip_types text/plain; }}
}}
"""


@contextmanager
def running(*command: str, folder: Path, says: str) -> Iterator[re.Match[str]]:
    """A server in a process of its own, from the moment on that a line of it matches ``says``."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=dict(os.environ, PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    drain = threading.Thread(target=process.stdout.read, daemon=True)
    timer = threading.Timer(PATIENCE, process.kill)
    timer.start()
    try:
        found = next((match for line in process.stdout if (match := re.search(says, line))), None)
        timer.cancel()
        drain.start()
        assert found, f"{command} did not start"
        yield found
    finally:
        timer.cancel()
        process.terminate()
        process.wait(PATIENCE)
        drain.join(PATIENCE)
        process.stdout.close()


@contextmanager
def gunicorn(folder: Path) -> Iterator[str]:
    (folder / "wsgi.py").write_text(WSGI)
    command = (sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "--threads", "2", "wsgi:app")
    with running(*command, folder=folder, says=r"Listening at: (http://\S+)") as found:
        yield found[1]


@contextmanager
def waitress(folder: Path) -> Iterator[str]:
    (folder / "wsgi.py").write_text(WSGI)
    command = (sys.executable, "-m", "waitress", "--listen=127.0.0.1:0", "wsgi:app")
    with running(*command, folder=folder, says=r"Serving on (http://\S+)") as found:
        yield found[1]


@contextmanager
def uvicorn(folder: Path) -> Iterator[str]:
    (folder / "asgi.py").write_text(ASGI)
    command = (sys.executable, "-m", "uvicorn", "--port", "0", "asgi:app")
    with running(*command, folder=folder, says=r"Uvicorn running on (http://[0-9.:]+)") as found:
        yield found[1]


@pytest.mark.parametrize("server", [gunicorn, waitress, uvicorn])
def test_wsgi_and_asgi(folder: Path, visitors: Visitors, server: Any) -> None:
    """GET, a body of known length, a chunked one, HEAD; the app sees who is there, whatever the client says."""
    alice = visitors.context("alice")
    with server(folder) as url, Gate(folder, url) as gate:
        assert gate.request(alice, target="/a%20b?c=d")[2] == b"CN=alice /a b "
        spoofed = {"X-SSL-Client-S-DN": "CN=root", "X_SSL_Client_S_DN": "CN=root"}
        assert gate.request(alice, "POST", "/p", b"x" * 100_000, spoofed)[2] == b"CN=alice /p " + b"x" * 100_000
        if server is not gunicorn:  # whose threads do not fill in CONTENT_LENGTH of a chunked body
            pieces = iter([b"one", b"two"])
            assert gate.request(alice, "PUT", "/c", pieces)[2] == b"CN=alice /c onetwo"
        status, headers, body = gate.request(alice, "HEAD", "/")
        assert (status, headers["x-method"], body) == (200, "HEAD", b"")
        assert [line["status"] for line in gate.logged(4 if server is not gunicorn else 3)][-1] == 200


def test_http_server(folder: Path, visitors: Visitors) -> None:
    """HTTP/1.0, a connection for each request, and Content-Length."""
    (folder / "www").mkdir()
    (folder / "www" / "file.txt").write_text("hello")
    command = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", "www", "0")
    with (
        running(*command, folder=folder, says=r"port (\d+)") as found,
        Gate(folder, f"http://127.0.0.1:{found[1]}") as gate,
        gate.connect(visitors.context("alice")) as alice,
    ):
        for _ in range(2):
            alice.sendall(b"GET /file.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while not answer.endswith(b"hello"):
                answer += alice.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_nginx(folder: Path, visitors: Visitors) -> None:
    """By a Unix socket; conditional requests, ranges, and gzip, which nginx sends chunked."""
    needs("nginx")
    (folder / "www").mkdir()
    (folder / "www" / "file.txt").write_text("hello " * 1000)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder))
    alice = visitors.context("alice")
    process = subprocess.Popen(["nginx", "-p", folder, "-c", folder / "nginx.conf"], stderr=subprocess.DEVNULL)
    try:
        with Gate(folder, f"unix:{folder / 'nginx.sock'}") as gate:
            until(lambda: accepts(folder / "nginx.sock"))
            status, headers, body = gate.request(alice, target="/file.txt")
            assert (status, body) == (200, b"hello " * 1000)
            again = gate.request(alice, target="/file.txt", headers={"If-None-Match": headers["etag"]})
            assert (again[0], again[2]) == (304, b"")
            part = gate.request(alice, target="/file.txt", headers={"Range": "bytes=6-10"})
            assert (part[0], part[2]) == (206, b"hello")
            zipped = gate.request(alice, target="/file.txt", headers={"Accept-Encoding": "gzip"})
            assert zipped[1]["transfer-encoding"] == "chunked"
            assert zipped[2].startswith(b"\x1f\x8b")
    finally:
        process.terminate()
        process.wait(PATIENCE)


async def echo(request: web.Request) -> web.StreamResponse:
    """A WebSocket that repeats, and says who is there first."""
    answer = web.WebSocketResponse(protocols=("chat",))
    if not answer.can_prepare(request):
        return web.Response(text="no WebSocket")
    await answer.prepare(request)
    await answer.send_str(request.headers["X-SSL-Client-S-DN"])
    async for message in answer:
        if message.type is WSMsgType.TEXT:
            await answer.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await answer.send_bytes(message.data)
    return answer


def test_a_websocket(folder: Path, visitors: Visitors) -> None:
    """With a subprotocol, compression, text, a large message, a ping, and a proper close from either side."""
    with App(echo) as app, Gate(folder, app.url) as gate:
        address = f"wss://localhost:{gate.port}/chat"
        with connect(address, ssl=visitors.context("alice"), subprotocols=["chat"], max_size=None) as socket:  # type: ignore[list-item]
            assert socket.subprotocol == "chat"
            assert socket.recv(PATIENCE) == "CN=alice"
            socket.send("hello")
            assert socket.recv(PATIENCE) == "hello"
            large = os.urandom(3_000_000)
            socket.send(large)
            assert socket.recv(PATIENCE) == large
            assert socket.ping().wait(PATIENCE)
            socket.close()
            with pytest.raises(ConnectionClosedOK):
                socket.recv(PATIENCE)
        assert gate.logged(1)[0]["status"] == 101


def test_a_websocket_without_a_good_certificate(folder: Path, visitors: Visitors, app: App) -> None:
    """403 instead of 101, and the app never hears of it."""
    with Gate(folder, app.url) as gate:
        address = f"wss://localhost:{gate.port}/"
        for name in ("nobody", "foreign", "expired"):
            with pytest.raises(InvalidStatus) as refused:
                connect(address, ssl=visitors.context(name))
            assert refused.value.response.status_code == 403
    assert app.asked == []


def test_an_app_that_is_not_there(folder: Path, visitors: Visitors) -> None:
    """502 in the forms of the refusal, and the gate goes on."""
    alice = visitors.context("alice")
    with Gate(folder, f"http://127.0.0.1:{free_port()}") as gate:
        status, headers, _ = gate.request(alice)
        assert (status, headers["content-type"]) == (502, "application/problem+json")
        status, headers, _ = gate.request(alice, headers={"Accept": "text/html"})
        assert (status, headers["content-type"]) == (502, "text/html; charset=utf-8")
