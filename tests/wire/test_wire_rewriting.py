"""What differs between a visitor's view of an app and the app's own."""

import pytest

from gatekeeper.wire.request import HeadLimits, RequestReader
from gatekeeper.wire.response import read_response
from gatekeeper.wire.rewriting import Rewriting

APP = b"127.0.0.1:8000"


def request(rewriting: Rewriting, target: str, *lines: bytes) -> tuple[bytes, bytes, bytes]:
    """The target, the fields and the fast form of the head that the app gets."""
    block = b"".join(line + b"\r\n" for line in (b"Host: site.example", *lines)) + b"\r\n"
    line = b"GET %b HTTP/1.1" % target.encode()
    head = rewriting.request(RequestReader(HeadLimits()).read(line, block, cache=False))
    return head.target, head.block.forward, head.wire_head


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ("/photos/a?b=c", "/a?b=c"),
        ("/photos/", "/"),
        ("/photos", "/"),
        ("/photos?a", "/?a"),
        ("/photos//evil.example/", "/evil.example/"),
        ("/photos/photos/a", "/photos/a"),
    ],
)
def test_a_path_loses_its_beginning(asked: str, got: str) -> None:
    """What is left begins with one slash, and the app is told what is missing."""
    target, fields, wire_head = request(Rewriting(b"/photos", b"", APP), asked)
    assert target == got.encode()
    assert fields == b"Host: site.example\r\nX-Forwarded-Prefix: /photos\r\n"
    assert wire_head == b"GET %b HTTP/1.1\r\n%bX-Forwarded-Host: site.example\r\n" % (target, fields)


@pytest.mark.parametrize("asked", ["/photosynthesis", "/other/photos/a", "/Photos/a"])
def test_another_path_stays(asked: str) -> None:
    """Only the path of the route, whole segments of it."""
    target, fields, _ = request(Rewriting(b"/photos", b"", APP), asked)
    assert (target, fields) == (asked.encode(), b"Host: site.example\r\n")


@pytest.mark.parametrize(("files", "got"), [(True, b"/"), (False, b"*")])
def test_a_folder_is_not_asked_about_the_server(files: bool, got: bytes) -> None:
    """RFC 9110, 9.3.7: other apps may have an answer to that."""
    rewriting = Rewriting(b"", b"", APP, files=files)
    head = RequestReader(HeadLimits()).read(b"OPTIONS * HTTP/1.1", b"Host: a\r\n\r\n", cache=False)
    assert rewriting.request(head).target == got


def test_a_folder_gets_only_what_the_server_of_its_files_acts_on() -> None:
    """Each further field, and each further method, is one that aiohttp might not be able to read."""
    rewriting = Rewriting(b"", b"", APP, files=True)
    conditions = (
        b"If-Match: a",
        b"if-none-match: b",
        b"If-Modified-Since: c",
        b"If-Unmodified-Since: d",
        b"If-Range: e",
    )
    wanted = (b"Accept: a", b"Accept-Encoding: b", b"Accept-Language: c", b"Range: d", *conditions)
    others = (
        b"Cookie: a",
        b"X-Accept: a",
        b"Accept-Charset: a",
        b"Content-Encoding: br",
        b"Range-X: a",
        b"X: Range: a",
    )
    _, fields, wire_head = request(rewriting, "/", *wanted, *others)
    assert fields == b"Host: site.example\r\n" + b"".join(line + b"\r\n" for line in wanted)
    assert wire_head == b"GET / HTTP/1.1\r\n" + fields + b"X-Forwarded-Host: site.example\r\n"


def test_a_cookie_that_was_read_apart_does_not_reach_a_folder() -> None:
    """Where the head was found in the memory of heads."""
    head = RequestReader(HeadLimits()).cached[b"GET / HTTP/1.1\r\nHost: a\r\nCookie: b\r\n\r\n"]
    got = Rewriting(b"", b"", APP, files=True).request(head)
    assert head.cookie == b"Cookie: b\r\n"
    assert (got.cookie, got.wire_head) == (b"", b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: a\r\n")


@pytest.mark.parametrize(
    ("method", "got"), [(b"GET", b"GET"), (b"HEAD", b"HEAD"), (b"FOO", b"POST"), (b"get", b"POST"), (b"PUT", b"POST")]
)
def test_a_folder_is_asked_by_methods_that_its_server_knows(method: bytes, got: bytes) -> None:
    """POST gets the same 405 that they all get; the framing of the body stays, and no upgrade is asked for."""
    lines = b"Host: a\r\nConnection: upgrade\r\nUpgrade: tcp\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
    head = RequestReader(HeadLimits()).read(method + b" / HTTP/1.1", lines, cache=False)
    sent = Rewriting(b"", b"", APP, files=True).request(head)
    assert (sent.method, sent.upgrade) == (got, b"")
    assert sent.block.forward == b"Host: a\r\nContent-Length: 1\r\n"


def test_the_app_gets_the_host_that_it_expects() -> None:
    """The visitor's stands in X-Forwarded-Host; nothing else changes."""
    _, fields, wire_head = request(Rewriting(b"", b"app.internal", APP), "/", b"Accept: x")
    assert fields == b"Host: app.internal\r\nAccept: x\r\n"
    assert wire_head == b"GET / HTTP/1.1\r\n" + fields + b"X-Forwarded-Host: site.example\r\n"


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        (b"Origin: https://site.example", b"Origin: https://app.internal"),
        (b"origin: https://SITE.example", b"origin: https://app.internal"),
        (b"Referer: https://site.example/a?b", b"Referer: https://app.internal/a?b"),
        (b"Origin: http://site.example", b"Origin: http://site.example"),
        (b"Origin: https://site.example:8443", b"Origin: https://site.example:8443"),
        (b"Origin: https://site.example.evil.example", b"Origin: https://site.example.evil.example"),
        (b"Origin: https://evil.example", b"Origin: https://evil.example"),
        (b"Referer: https://evil.example/https://site.example", b"Referer: https://evil.example/https://site.example"),
        (b"Referer: https://site.example@evil.example/", b"Referer: https://site.example@evil.example/"),
        (b"Origin: null", b"Origin: null"),
        (b"X-Origin: https://site.example", b"X-Origin: https://site.example"),
    ],
)
def test_the_visitors_own_site_is_the_apps(sent: bytes, got: bytes) -> None:
    """As the Host is, so that an app that compares the two knows its own pages. Another site's request stays one."""
    _, fields, wire_head = request(Rewriting(b"", b"app.internal", APP), "/", sent)
    assert fields == b"Host: app.internal\r\n%b\r\n" % got
    assert fields in wire_head
    assert request(Rewriting(b"/photos", b"", APP), "/photos/", sent)[1].startswith(
        b"Host: site.example\r\n%b\r\n" % sent
    )


def location(rewriting: Rewriting, value: bytes, name: bytes = b"Location") -> bytes:
    head = read_response(b"HTTP/1.1 302 Found\r\nDate: now\r\n%b: %b\r\nContent-Length: 0\r\n\r\n" % (name, value))
    rewritten = rewriting.response(head)
    assert rewritten.wire_head == rewritten.fields + b"Content-Length: 0\r\n\r\n"
    return rewritten.fields.rpartition(name + b": ")[2].rstrip()


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        (b"http://127.0.0.1:8000/login", b"/login"),
        (b"HTTP://127.0.0.1:8000", b"/"),
        (b"https://app.internal?a", b"/?a"),
        (b"http://127.0.0.1:80001/login", b"http://127.0.0.1:80001/login"),
        (b"http://app.internal.evil.example/", b"http://app.internal.evil.example/"),
        (b"https://elsewhere.example/", b"https://elsewhere.example/"),
        (b"/login", b"/login"),
        (b"login", b"login"),
        (b"//elsewhere.example/", b"//elsewhere.example/"),
    ],
)
def test_a_location_at_the_apps_own_address_leads_to_the_visitors(sent: bytes, got: bytes) -> None:
    """And only that; in Content-Location too, in whatever case it is written."""
    rewriting = Rewriting(b"", b"app.internal", APP)
    assert location(rewriting, sent) == got
    assert location(rewriting, sent, b"content-location") == got


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        (b"/login", b"/photos/login"),
        (b"http://127.0.0.1:8000/login", b"/photos/login"),
        (b"/photos/login", b"/photos/login"),
        (b"/photosynthesis", b"/photos/photosynthesis"),
        (b"login", b"login"),
        (b"//elsewhere.example/", b"//elsewhere.example/"),
        (b"https://elsewhere.example/a", b"https://elsewhere.example/a"),
    ],
)
def test_a_location_gets_the_beginning_of_the_path_back(sent: bytes, got: bytes) -> None:
    """Unless the app knows of it already."""
    assert location(Rewriting(b"/photos", b"", APP), sent) == got


def test_a_head_without_location_is_the_same() -> None:
    """Not even copied."""
    head = read_response(b"HTTP/1.1 200 OK\r\nDate: now\r\nX-Location: http://127.0.0.1:8000/\r\n\r\n")
    assert Rewriting(b"/photos", b"x", APP).response(head) is head
