"""Plain HTTP: everybody is sent to https, and nobody further."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from gatekeeper.acme.folder import ACMEFolder
from gatekeeper.proxy.client.connection import LINGER_SECONDS
from gatekeeper.proxy.client.redirect import RedirectConnection
from tests.proxy.scene import Scene
from tests.proxy.virtual import FakeTransport


class Client:
    """Somebody who connects to the plain port."""

    def __init__(self, scene: Scene) -> None:
        self.connection = RedirectConnection(scene.proxy, "192.0.2.7:50000", "192.0.2.7", 8443)
        self.transport = FakeTransport(scene.loop, self.connection)
        self.connection.connection_made(self.transport)

    def send(self, data: bytes) -> None:
        self.transport.peer_sends(data)

    @property
    def got(self) -> bytes:
        return bytes(self.transport.peer_got)


def ask(scene: Scene, data: bytes) -> tuple[bytes, dict[str, str], bytes]:
    """Status line, headers and body of the answer to a request."""
    client = Client(scene)
    client.send(data)
    head, _, body = client.got.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    return line.encode(), dict(cast(tuple[str, str], tuple(one.split(": ", 1))) for one in lines), body


@pytest.mark.parametrize(
    ("method", "status"),
    [("GET", b"301 Moved Permanently"), ("HEAD", b"301 Moved Permanently"), ("POST", b"308 Permanent Redirect")],
)
def test_the_same_host_and_path_over_https(scene: Scene, method: str, status: bytes) -> None:
    """308 keeps the method; nothing reaches the app, and the connection ends (RFC 9110, 15.4.9)."""
    line, headers, body = ask(
        scene, f"{method} /a?b=c HTTP/1.1\r\nHost: gate.example.com\r\nContent-Length: 3\r\n\r\nabc".encode()
    )
    assert line == b"HTTP/1.1 " + status
    assert headers["Location"] == "https://gate.example.com/a?b=c"
    assert headers["Connection"] == "close"
    assert body == (b"" if method == "HEAD" else b"https://gate.example.com/a?b=c\n")
    assert scene.app.connections == []
    assert scene.statuses == [int(status[:3])]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_both_versions_are_answered(scene: Scene, version: str) -> None:
    """With the port of the https listener for who names a port."""
    answer = ask(scene, f"GET / HTTP/{version}\r\nHost: gate.example.com:8080\r\n\r\n".encode())
    assert answer[1]["Location"] == "https://gate.example.com:8443/"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example.org",
        "gate.example.com.evil.org",
        "x.gate.example.com",
        "gate.example.com@evil.org",
        "192.0.2.1",
        "",
    ],
)
def test_no_name_but_one_of_a_certificate_is_sent_on(scene: Scene, host: str) -> None:
    """A cache that keeps the answer could not be made to send others elsewhere (CWE-601)."""
    line, headers, _ = ask(scene, f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert line == b"HTTP/1.1 400 Bad Request"
    assert "Location" not in headers


def test_the_target_names_no_other_host(scene: Scene) -> None:
    """An absolute target must agree with Host (RFC 9112, 3.2.2)."""
    line, headers, _ = ask(scene, b"GET http://evil.example.org/ HTTP/1.1\r\nHost: gate.example.com\r\n\r\n")
    assert line == b"HTTP/1.1 400 Bad Request"
    assert "Location" not in headers
    location = ask(scene, b"GET http://gate.example.com/x HTTP/1.1\r\nHost: gate.example.com\r\n\r\n")[1]["Location"]
    assert location == "https://gate.example.com/x"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: gate.example.com\r\nA: " + b"b" * 40000, b"431"),
        (b"GET /" + b"a" * 20000, b"414"),
    ],
)
def test_what_is_no_request_is_told_so(scene: Scene, data: bytes, status: bytes) -> None:
    """By the same rules as on the other port, also before it is whole."""
    assert ask(scene, data)[0].split()[1] == status


def test_a_request_may_come_in_pieces(scene: Scene) -> None:
    """Byte by byte, behind an empty line (RFC 9112, 2.2); what comes after it is thrown away."""
    client = Client(scene)
    for byte in b"\r\nGET / HTTP/1.1\r\nHost: gate.example.com\r\n\r\nGET / HTTP/1.1\r\n\r\n":
        client.send(bytes((byte,)))
    assert client.got.count(b"HTTP/1.1 301") == 1


def test_a_request_that_does_not_come_is_not_waited_for(scene: Scene) -> None:
    """Half a head is told so; nothing at all is closed in silence; who does not close in the end is cut off."""
    half, silent = Client(scene), Client(scene)
    half.send(b"GET / HTTP/1.1\r\n")
    scene.loop.advance(10.1)
    assert half.got.startswith(b"HTTP/1.1 408 ")
    assert silent.got == b""
    assert silent.transport.is_closing()
    assert not half.transport.is_closing()
    scene.loop.advance(LINGER_SECONDS + 0.1)
    assert half.transport.is_closing()


def test_a_browser_gets_a_page(scene: Scene) -> None:
    """With a request number, as on the other port."""
    _, headers, body = ask(scene, b"GET / HTTP/1.1\r\nHost: else.example.org\r\nAccept: text/html\r\n\r\n")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["X-Request-Id"][:8].encode() in body


@pytest.fixture
def acme_scene(make_scene: Callable[..., Scene], tmp_path: Path) -> Scene:
    """With a folder in which one challenge waits for its answer."""
    folder = ACMEFolder(tmp_path / "acme")
    folder.put_token("tok-En_1", "tok-En_1.thumbprint")
    acme = {"domains": ["gate.example.com"], "accept_terms": True, "folder": str(folder.path)}
    return make_scene(acme=acme, server={"redirect": "127.0.0.1:80"})


def test_an_http_01_challenge_is_answered(acme_scene: Scene) -> None:
    """RFC 8555, 8.3: to whoever asks, by whatever name; the answer says nothing that the token does not prove."""
    line, headers, body = ask(
        acme_scene, b"GET /.well-known/acme-challenge/tok-En_1 HTTP/1.1\r\nHost: gate.example.com\r\n\r\n"
    )
    assert line == b"HTTP/1.1 200 OK"
    assert headers["Content-Type"] == "application/octet-stream"
    assert body == b"tok-En_1.thumbprint"


@pytest.mark.parametrize(
    "request_line",
    [
        "GET /.well-known/acme-challenge/other",
        "GET /.well-known/acme-challenge/../state.json",
        "GET /.well-known/acme-challenge/",
        "GET /.well-known/acme-challenge/tok-En_1?x",
        "GET /.well-known/acme-challenge/tok-En_1/x",
        "POST /.well-known/acme-challenge/tok-En_1",
    ],
)
def test_what_is_no_challenge_is_sent_on(acme_scene: Scene, request_line: str) -> None:
    """An app's own client of ACME may answer over https, on a public route."""
    line, headers, _ = ask(acme_scene, f"{request_line} HTTP/1.1\r\nHost: gate.example.com\r\n\r\n".encode())
    assert line.split()[1] in (b"301", b"308")
    assert headers["Location"].startswith("https://gate.example.com/")


def test_the_end_of_the_gate_does_not_wait(scene: Scene) -> None:
    """Connections count for the limits, and those that said nothing are closed when the gate stops."""
    client = Client(scene)
    assert scene.proxy.connections == {client.connection}
    client.connection.drain()
    assert client.transport.is_closing()


def test_the_end_of_the_gate_cuts_no_answer(scene: Scene) -> None:
    """What the client still sends is taken, or the kernel's reset would destroy the answer (RFC 9112, 9.6)."""
    client = Client(scene)
    client.send(b"POST / HTTP/1.1\r\nHost: gate.example.com\r\nContent-Length: 10\r\n\r\n")
    client.connection.drain()
    assert not client.transport.is_closing()
    client.send(b"0123456789")
    assert client.got.startswith(b"HTTP/1.1 308 ")
