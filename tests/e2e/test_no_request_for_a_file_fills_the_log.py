"""Whatever a stranger asks a public folder for gets a file or the gate's own page, and leaves nothing on stderr."""

import json
import ssl
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPMessage, HTTPResponse
from pathlib import Path

import pytest

from tests.gate_process import Gate
from tests.visitors import Visitors

FILE = b"console.log(1)"
PUBLIC = '[[routes]]\npath = "/*"\npublic = true\n'
# RFC 9110, 9; RFC 5789; RFC 4918, 9; RFC 3253; what llhttp knows besides, what nobody does, and a token at its oddest.
METHODS = b"POST PUT DELETE OPTIONS PATCH PROPFIND LOCK MERGE M-SEARCH SOURCE PURGE PRI SETUP FOO foo get head BREW"
NAMES = b"""X-A Cookie User-Agent Referer Content-Type Authorization Origin Accept Accept-Encoding Accept-Language Range
If-Range If-None-Match If-Modified-Since If-Unmodified-Since"""
CHUNKED = b"Transfer-Encoding: chunked"


@dataclass
class Got:
    status: int
    headers: HTTPMessage
    content: bytes

    @property
    def is_file(self) -> bool:
        return (self.status, self.content) == (200, FILE)

    def is_own_page(self, status: int) -> bool:
        """An error as the gate says it, with the number of the request."""
        if self.status != status or self.headers.get_content_type() != "application/problem+json":
            return False
        problem = json.loads(self.content)
        return bool(problem["status"] == status and problem["request_id"] == self.headers["X-Request-Id"])


class Stranger:
    """Asks without a certificate, in whatever bytes, on one connection as long as the gate keeps it."""

    def __init__(self, gate: Gate, visitors: Visitors) -> None:
        self._gate = gate
        self._context = visitors.context("nobody")
        self._connection: ssl.SSLSocket | None = None

    def ask(self, *lines: bytes, method: bytes = b"GET", target: bytes = b"/app.js", body: bytes = b"") -> Got:
        connection = self._connection = self._connection or self._gate.connect(self._context)
        line = b"%b %b HTTP/1.1" % (method, target)
        connection.sendall(b"\r\n".join((line, b"Host: localhost", *lines, b"", body)))
        with HTTPResponse(connection, method=method.decode()) as response:
            response.begin()
            got = Got(response.status, response.headers, response.read())
            if response.will_close:
                self.leave()
        return got

    def leave(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@pytest.fixture
def stranger(visitors: Visitors, folder: Path) -> Iterator[Stranger]:
    """The gate must have said nothing by the time at which it has ended, when all that it said is here."""
    (folder / "www").mkdir()
    (folder / "www" / "app.js").write_bytes(FILE)
    with Gate(folder, "static:www", tables=PUBLIC) as gate:
        before = len(gate.err)
        stranger = Stranger(gate, visitors)
        yield stranger
        stranger.leave()
        gate.stop()
        assert [line for line in gate.err[before:] if not line.startswith("gatekeeper: stop")] == []


def test_bytes_that_are_no_utf_8(stranger: Stranger) -> None:
    """RFC 9110, 5.5: a value may hold any of them (obs-text). A condition or a range that is none is ignored."""
    every = bytes(range(0x80, 0x100))
    for name in NAMES.split():
        for value in (every, b"\x80\xff", b"\xe4", b'"\xe4"', b"a\xed\xa0\x80b", "ü".encode()):
            assert stranger.ask(name + b": " + value).is_file, (name, value)
    for value in (every, b'"\xe4"'):
        assert stranger.ask(b"If-Match: " + value).is_own_page(412), value
    assert stranger.ask(b"X-A: \xff", target=b"/missing").is_own_page(404)
    assert stranger.ask(b"Accept-Language: \xff", target=b"/missing").is_own_page(404)


def test_every_method_but_two_is_not_allowed(stranger: Stranger) -> None:
    """RFC 9110, 15.5.6. Methods are case-sensitive (9.1), and a client may make up its own."""
    for method in (*METHODS.split(), b"!#$%&'*+.^_`|~"):
        for target in (b"/app.js", b"/missing"):
            got = stranger.ask(method=method, target=target)
            assert got.is_own_page(405), method
            assert set(got.headers["Allow"].split(",")) == {"GET", "HEAD"}
        assert stranger.ask(b"Content-Length: 3", method=method, body=b"abc").is_own_page(405), method
    assert stranger.ask(method=b"OPTIONS", target=b"*").is_own_page(405)
    head = stranger.ask(method=b"HEAD")
    assert (head.status, head.content, head.headers["Content-Length"]) == (200, b"", str(len(FILE)))
    assert stranger.ask(b"Expect: 100-continue", b"Content-Length: 3", method=b"PUT").is_own_page(405)


def test_a_body_that_nobody_reads(stranger: Stranger) -> None:
    """RFC 9110, 9.3.1: content in a GET means nothing, whatever it calls itself."""
    for coding in (b"gzip", b"deflate", b"br", b"zstd", b"x-gzip", b"identity", b"gzip, br", b"GZIP", b"\xff", b""):
        named = b"Content-Encoding: " + coding
        for body in (b"abc", b"\x1f\x8b\x08" + bytes(99), zlib.compress(bytes(99999))[:50]):
            length = b"Content-Length: %d" % len(body)
            assert stranger.ask(named, length, body=body).is_file, coding
            chunk = b"%x\r\n%b\r\n0\r\nX-A: \xff\r\nSec-WebSocket-Key1: x\r\n\r\n" % (len(body), body)
            assert stranger.ask(named, CHUNKED, body=chunk).is_file, coding
            assert stranger.ask(named, length, method=b"POST", body=body).is_own_page(405), coding
        assert stranger.ask(named).is_file, coding


def test_fields_that_mean_nothing_to_a_file(stranger: Stranger) -> None:
    """Obsolete handshakes (draft-hixie-thewebsocketprotocol-76), protocols that are not there, and what came twice."""
    websocket = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: x", b"Sec-WebSocket-Version: 13")
    http2 = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: x")
    for lines in ((b"Sec-WebSocket-Key1: x",), websocket, http2):
        assert stranger.ask(*lines).is_file, lines
    for name in b"User-Agent ETag Server Content-Type Content-Range Content-Location Max-Forwards Range".split():
        assert stranger.ask(name + b": 1", name + b": 1").is_file, name


def test_a_trailer_is_no_field_of_the_next_request(stranger: Stranger) -> None:
    """RFC 9110, 6.5.1: it is none of its own request's either, unless somebody knows it."""
    for trailer in (b"If-None-Match: *", b"If-Match: x", b"Sec-WebSocket-Key1: x", b"X-A: \xff"):
        for method in (b"GET", b"POST"):
            stranger.ask(CHUNKED, method=method, body=b"1\r\na\r\n0\r\n%b\r\n\r\n" % trailer)
            assert stranger.ask().is_file, (method, trailer)


def test_numbers_and_dates_that_are_none(stranger: Stranger) -> None:
    """RFC 9110, 13.1.3 and 14.2: what is invalid is ignored; a range behind the end gets 416."""
    for number in (b"9" * 30, b"9" * 5000):
        assert stranger.ask(b"Range: bytes=%b-" % number).is_own_page(416)
        assert stranger.ask(b"If-Modified-Since: Thu, 01 Jan %b 00:00:00 GMT" % number).is_file
        assert stranger.ask(b"If-Modified-Since: Thu, 01 Jan 1970 00:00:%b GMT" % number).is_file
        assert stranger.ask(b"If-Modified-Since: Thu, 01 Jan %b 00:00:00 GMT" % b"_".join([b"9"] * 30)).is_file
        assert stranger.ask(b"Range: bytes=0-1", b"If-Range: Thu, %b Jan 1970 00:00:00 GMT" % number).is_file
    assert stranger.ask(b"If-Unmodified-Since: Mon, 01 Jan 0001 00:00:00 GMT").is_own_page(412)
    assert stranger.ask(b"Range: bytes=3-1").is_own_page(416)
    for value in (b"bytes=-0", b"bytes=--1", b"bytes=\xb2-\xb3", b"bytes=1-\xff"):
        assert stranger.ask(b"Range: " + value).is_file, value


def test_every_character_that_a_target_may_have(stranger: Stranger) -> None:
    """As far as the gate lets it in (RFC 9112, 3.2), with bytes that are no UTF-8 behind a percent sign."""
    for number in sorted({*range(0x21, 0x7F)} - {ord("#")}):
        for form in (b"/a%b", b"/%bb/", b"/?%b", b"//%b", b"/app.js%b"):
            target = form % bytes([number])
            assert stranger.ask(target=target).status in (200, 404), target
        assert stranger.ask(target=b"/%%%02x" % (number | 0x80)).is_own_page(404), number
