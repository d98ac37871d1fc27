"""A header that does not come at once, over HTTP/2: `timeouts.request_header` (RFC 9113, 6.2 and 6.10)."""

from typing import Any

import pytest

from gatekeeper.proxy.states import PauseReason
from tests.proxy.browser import Browser
from tests.proxy.scene import CUT, OK, Files, Scene

# GET https://app.example.com/ (RFC 7541, appendix A: 2, 7, 4, and 1 with a value).
FIELDS = b"\x82\x87\x84\x41\x0fapp.example.com"
END_STREAM, END_HEADERS = 0x1, 0x4
CALM = 11
"""ENHANCE_YOUR_CALM (RFC 9113, 7)."""


def headers(stream: int, flags: int, fields: bytes = FIELDS) -> bytes:
    return len(fields).to_bytes(3) + bytes((1, END_STREAM | flags)) + stream.to_bytes(4) + fields


def continuation(stream: int, flags: int, fields: bytes = b"") -> bytes:
    return len(fields).to_bytes(3) + bytes((9, flags)) + stream.to_bytes(4) + fields


WHOLE = headers(1, END_HEADERS)
BEGINNINGS = pytest.mark.parametrize(
    "beginning", [headers(1, 0), headers(1, 0, b""), WHOLE[:9], WHOLE[:-1]], ids=["open", "empty", "no fields", "cut"]
)


def started(scene: Scene, files: Files) -> Browser:
    return Browser(scene, files.alice)


@BEGINNINGS
def test_a_header_without_end_ends_the_connection_in_time(stage: Any, files: Files, beginning: bytes) -> None:
    """As in HTTP/1.1, not only after `timeouts.idle`."""
    scene = stage()
    browser = started(scene, files)
    browser.visitor.send(beginning)
    scene.loop.advance(9.9)
    browser.read()
    assert not browser.visitor.was_sent_away
    scene.loop.advance(0.2)
    browser.read()
    assert browser.goaways == [(0, CALM)]
    assert browser.visitor.was_sent_away


@pytest.mark.parametrize("pieces", [[continuation(1, 0)] * 3, [b"\x82"] * 3], ids=["continuation", "bytes"])
def test_what_comes_in_drops_gets_no_more_time(stage: Any, files: Files, pieces: list[bytes]) -> None:
    """The time runs from the first part to the last, whether frames come or bytes of one."""
    scene = stage()
    browser = started(scene, files)
    browser.visitor.send(headers(1, 0) if len(pieces[0]) > 1 else WHOLE[:9])
    for piece in pieces:
        scene.loop.advance(3)
        browser.visitor.send(piece)
    browser.read()
    assert not browser.visitor.was_sent_away
    scene.loop.advance(1.1)
    browser.read()
    assert browser.goaways == [(0, CALM)]


def test_a_frame_that_is_cut_and_then_a_block_is_one_header(stage: Any, files: Files) -> None:
    """HEADERS in two pieces, without END_HEADERS: its time began with the first."""
    scene = stage()
    browser = started(scene, files)
    beginning = headers(1, 0)
    browser.visitor.send(beginning[:-1])
    scene.loop.advance(6)
    browser.visitor.send(beginning[-1:])
    scene.loop.advance(4.1)
    browser.read()
    assert browser.goaways == [(0, CALM)]


def test_requests_under_way_do_not_keep_such_a_connection(stage: Any, files: Files) -> None:
    """They would not let `timeouts.idle` end it either."""
    scene = stage()
    browser = started(scene, files)
    ends, goes_on = browser.ask("/1"), browser.ask("/2")
    browser.visitor.send(headers(5, 0))
    first, second = scene.app.connections
    first.send(OK)
    second.send(CUT)
    scene.loop.advance(10.1)
    browser.read()
    assert browser.answers[ends].ended
    assert not browser.answers[goes_on].ended
    assert browser.goaways == [(3, CALM)]
    assert browser.visitor.was_sent_away


def test_the_end_of_a_request_does_not_put_it_off(stage: Any, files: Files) -> None:
    """`timeouts.idle` runs after the last one."""
    scene = stage()
    browser = started(scene, files)
    browser.ask()
    browser.visitor.send(headers(3, 0))
    scene.app.last.send(OK)
    scene.loop.advance(10.1)
    browser.read()
    assert browser.goaways == [(1, CALM)]


@pytest.mark.parametrize(
    ("beginning", "rest"),
    [(headers(1, 0, FIELDS[:4]), continuation(1, END_HEADERS, FIELDS[4:])), (WHOLE[:12], WHOLE[12:])],
    ids=["continuation", "frame"],
)
def test_a_header_that_comes_in_time_is_served(stage: Any, files: Files, beginning: bytes, rest: bytes) -> None:
    """And the time for it is over: the answer may take longer, and the next header has its own."""
    scene = stage()
    browser = started(scene, files)
    browser.visitor.send(beginning)
    scene.loop.advance(9)
    browser.visitor.send(rest)
    assert scene.app.last.read().startswith(b"GET / HTTP/1.1\r\nHost: app.example.com\r\n")
    browser.visitor.send(headers(3, 0))
    scene.loop.advance(9)
    assert not browser.visitor.was_sent_away
    browser.visitor.send(continuation(3, END_HEADERS))
    scene.loop.advance(20)
    assert not browser.visitor.was_sent_away
    assert len(scene.app.connections) == 2


def test_trailers_without_end_end_the_connection_too(stage: Any, files: Files) -> None:
    """Their stream is the one of a header that has come whole."""
    scene = stage()
    browser = started(scene, files)
    head = headers(1, 0, FIELDS.replace(b"\x82", b"\x83"))
    opened = head[:4] + bytes((0,)) + head[5:]
    browser.visitor.send(opened)
    scene.loop.advance(5)
    browser.visitor.send(continuation(1, END_HEADERS) + headers(1, 0, b""))
    scene.loop.advance(9.9)
    assert not browser.visitor.was_sent_away
    scene.loop.advance(0.2)
    assert browser.visitor.was_sent_away


def test_who_is_not_read_is_not_late(stage: Any, files: Files) -> None:
    """The rest may be in the kernel."""
    scene = stage()
    browser = started(scene, files)
    browser.visitor.send(headers(1, 0))
    browser.visitor.connection.pause_reading(PauseReason.AHEAD)
    scene.loop.advance(11)
    browser.visitor.connection.resume_reading(PauseReason.AHEAD)
    assert not browser.visitor.was_sent_away
    scene.loop.advance(10)
    assert browser.visitor.was_sent_away
