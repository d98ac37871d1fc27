"""Destination and If, for an app that knows itself by another path or name (RFC 4918, 10.3 and 10.4)."""

import time

import pytest

from gatekeeper.gate.routes import NoRoute, Routes
from gatekeeper.settings.access import RouteSettings
from gatekeeper.wire.request import HeadLimits, RequestHead, RequestReader
from gatekeeper.wire.rewriting import Rewriting
from gatekeeper.wire.webdav import AMBIGUOUS_ADDRESS, ELSEWHERE, SEVERAL, answer_to

APP = b"127.0.0.1:8000"
TOKEN = b"(<urn:uuid:181d4fae>)"
ROUTES = Routes([RouteSettings(path="/dav/*", strip_prefix=True), RouteSettings(path="/admin/*")])


def head(*lines: bytes, method: bytes = b"MOVE", host: bytes = b"site.example") -> RequestHead:
    block = b"".join(line + b"\r\n" for line in (b"Host: %b" % host, *lines)) + b"\r\n"
    return RequestReader(HeadLimits()).read(b"%b /dav/a HTTP/1.1" % method, block, cache=False)


def answered(*lines: bytes, method: bytes = b"MOVE") -> NoRoute | None:
    """What the gate itself answers."""
    return answer_to(head(*lines, method=method), b"/dav", ROUTES.match)


def sent(line: bytes, prefix: bytes = b"/dav", host: bytes = b"", method: bytes = b"MOVE") -> bytes:
    """What the app gets in place of the line."""
    got = Rewriting(prefix, host, APP).request(head(line, method=method))
    assert not got.wire_head or got.block.forward in got.wire_head
    return got.block.forward.split(b"\r\n")[1]


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        (b"https://site.example/dav/b", b"https://site.example/b"),
        (b"HTTPS://SITE.example:443/dav/b%20c", b"https://SITE.example:443/b%20c"),
        (b"https://site.example/dav/", b"https://site.example/"),
        (b"https://site.example/dav", b"https://site.example/"),
        (b"https://site.example/dav//evil.example/", b"https://site.example/evil.example/"),
        (b"/dav/b", b"/b"),
        (b"/dav//evil.example/b", b"/evil.example/b"),
        (b" /dav/b \t", b"/b"),
    ],
)
def test_a_destination_loses_what_the_path_loses(asked: bytes, got: bytes) -> None:
    """An absolute address or a path (RFC 4918, 8.3); the default port may stand in it."""
    assert answered(b"Destination: %b" % asked) is None
    assert sent(b"Destination: %b" % asked).lower() == b"destination: %b" % got.lower()


@pytest.mark.parametrize(
    "asked",
    [
        b"https://elsewhere.example/dav/b",
        b"https://site.example.evil.example/dav/b",
        b"https://evil@site.example/dav/b",
        b"https://site.example:8443/dav/b",
        b"http://site.example/dav/b",
        b"https://site.example/b",
        b"https://site.example/davos",
        b"https://site.example/%64av/b",
        b"https://site.example",
        b"//site.example/dav/b",
        b"/b",
        b"dav/b",
        b"",
    ],
)
def test_a_destination_elsewhere_is_told(asked: bytes) -> None:
    """The app would take each of them for one of its own paths, or for none."""
    assert answered(b"Destination: %b" % asked, method=b"COPY") is ELSEWHERE


CLIMBING = [
    *(b"/dav/../admin/x", b"/dav/a/../../admin/x", b"/dav/%2e%2e/admin/x", b"/dav/..%2fadmin/x", b"/dav/..;/admin/x"),
    *(b"/dav/..;a=b/admin/x", b"/dav/\\..\\admin\\x", b"/dav/%252e%252e/admin/x", b"/dav/..%5cadmin/x", b"/dav/..#/x"),
    *(b"/dav/%c0%ae%c0%ae/admin/x", b"/dav/b/..", b"/dav/..?a"),
]


@pytest.mark.parametrize("path", CLIMBING)
def test_an_address_is_judged_as_a_path_is(path: bytes) -> None:
    """It begins with the prefix, and the app would look for it above its root; as a request's path it gets 400 too."""
    for url in (path, b"https://site.example" + path, b"HTTPS://SITE.example:443" + path):
        assert answered(b"Destination: " + url) is AMBIGUOUS_ADDRESS
        assert answered(b"If: <%b> %b" % (url, TOKEN), method=b"LOCK") is AMBIGUOUS_ADDRESS
        assert answered(b"Destination: /dav/b", b"If: </dav/a> (a) <%b> (b)" % url) is AMBIGUOUS_ADDRESS


@pytest.mark.parametrize(
    "path", [b"/dav/a%2Fb", b"/dav/a;b", b"/dav//b", b"/dav/a..b", b"/dav/...b/", b"/dav/b?x=/../y"]
)
def test_an_odd_address_passes_as_an_odd_path_does(path: bytes) -> None:
    """However it is read, it is below the prefix."""
    assert answered(b"Destination: " + path, b"If: <%b> (a)" % path) is None


def test_only_one_destination_can_be_meant() -> None:
    """Nobody knows which of them the app reads."""
    assert answered(b"Destination: /dav/b", b"destination: /b") is SEVERAL
    assert answered(b"Destination: /dav/b", b"Destination: /dav/b", method=b"COPY") is SEVERAL


def test_a_state_or_another_site_in_if_is_not_judged() -> None:
    """Neither is a path at the visitor's Host; it is a condition that the visitor puts on its own request."""
    assert answered(b"If: (<https://site.example/dav/../lock>)", method=b"LOCK") is None
    assert answered(b"If: <https://elsewhere.example/../b> (a) </admin/x> (b)", method=b"LOCK") is None


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST"])
def test_ordinary_methods_are_not_searched(method: bytes) -> None:
    """To them the field means nothing, so that it costs nothing."""
    line = b"Destination: https://site.example/dav/b"
    assert answered(b"Destination: /b", method=method) is None
    assert sent(line, method=method) == line


def test_a_request_without_destination_leads_nowhere() -> None:
    """Nor does one whose name only ends alike."""
    assert answered(b"X-Destination: /b", method=b"PROPFIND") is None


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        (TOKEN, TOKEN),
        (b"<https://site.example/dav/b> " + TOKEN, b"<https://site.example/b> " + TOKEN),
        (b"</dav/b> %b </dav/c> %b" % (TOKEN, TOKEN), b"</b> %b </c> %b" % (TOKEN, TOKEN)),
        (b"<https://elsewhere.example/dav/b> " + TOKEN, b"<https://elsewhere.example/dav/b> " + TOKEN),
        (b"</b> " + TOKEN, b"</b> " + TOKEN),
        (b"(<https://site.example/dav/lock>)", b"(<https://site.example/dav/lock>)"),
        (b'(["a)</dav/b>"]) </dav/c> (Not <a:b>)', b'(["a)</dav/b>"]) </c> (Not <a:b>)'),
        (b"(<a)</dav/b>) </dav/c> (<a:b>)", b"(<a)</dav/b>) </c> (<a:b>)"),
        (b"</dav/b", b"</dav/b"),
        (b"(<a:b", b"(<a:b"),
    ],
)
def test_the_resources_in_if_lose_it_too(asked: bytes, got: bytes) -> None:
    """But no state, which may look like one; what is malformed stays."""
    assert sent(b"If: " + asked, method=b"LOCK") == b"If: " + got


@pytest.mark.parametrize("prefix", [b"", b"/dav"])
def test_an_app_with_another_name_gets_that(prefix: bytes) -> None:
    """Apache's mod_dav answers 400 to an address with another name than its own."""
    moved = b"/dav/b".removeprefix(prefix)
    assert sent(b"Destination: https://site.example/dav/b", prefix, b"app") == b"Destination: https://app" + moved
    assert sent(b"If: <https://site.example/dav/b> (a)", prefix, b"app") == b"If: <https://app%b> (a)" % moved
    other = b"Destination: https://elsewhere.example/dav/b"
    assert sent(other, prefix, b"app") == other


@pytest.mark.parametrize("value", [b"(", b"<", b'("', b"(<", b"<>(", b"()"])
def test_a_long_if_takes_no_longer_than_its_length(value: bytes) -> None:
    """Compared with a value of the same length in which nothing is left open."""

    def seconds(line: bytes) -> float:
        began = time.process_time()
        for _ in range(20):
            sent(line, method=b"LOCK")
        return time.process_time() - began

    lines = b"If: " + b"a" * 30_000, b"If: " + value * (30_000 // len(value))
    assert min(seconds(lines[1]) for _ in range(3)) < 50 * min(seconds(lines[0]) for _ in range(3)) + 1.0
