"""One request of an HTTP/2 connection: what is cut, and how its client leaves."""

from typing import Any

import h2.errors
import pytest

from gatekeeper.proxy.client.http2_refusals import QUIET_SECONDS
from gatekeeper.proxy.client.http2_stream import RESET_SECONDS
from gatekeeper.wire.http2.stream import SEND_HIGH
from tests.proxy.browser import Browser
from tests.proxy.scene import OK, Files
from tests.proxy.test_proxy_client_http2_websocket import websocket

CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"


def test_a_client_that_sends_no_more_is_answered(stage: Any, files: Files) -> None:
    """RFC 8446, 6.1: its request is complete, so close_notify does not cancel it. Then the connection ends."""
    scene = stage()
    browser = Browser(scene, files.alice)
    browser.ask()
    browser.visitor.say_goodbye()
    assert not browser.visitor.was_sent_away
    scene.app.last.send(OK)
    assert browser.visitor.read().endswith(b"ok")
    assert browser.visitor.was_sent_away
    assert scene.statuses == [200]


def test_an_upload_that_will_never_be_whole_is_cut(stage: Any, files: Files) -> None:
    """The app must not take what came until then for all of it."""
    scene = stage()
    browser = Browser(scene, files.alice)
    stream = browser.ask("/", method="POST", end=False)
    browser.send(stream, b"half")
    browser.visitor.say_goodbye()
    assert scene.app.last.is_gone
    assert scene.statuses == [499]


def test_a_websocket_ends_with_its_clients_goodbye(stage: Any, files: Files) -> None:
    """It has no end of its own that could still come."""
    scene, browser, _ = websocket(stage, files)
    browser.visitor.say_goodbye()
    assert scene.app.last.is_gone


def test_a_websocket_is_closed_when_the_gate_stops(stage: Any, files: Files) -> None:
    """By a close frame with 1001 (RFC 6455, 7.4.1)."""
    scene, browser, _ = websocket(stage, files)
    browser.visitor.connection.drain()
    assert b"\x88\x02\x03\xe9" in browser.visitor.read()
    scene.loop.settle()
    assert scene.app.last.is_gone


def test_a_client_that_is_gone_cancels_all_its_requests(stage: Any, files: Files) -> None:
    """A cut connection: each app's is closed, and each request is logged."""
    scene = stage()
    browser = Browser(scene, files.alice)
    for path in ("/1", "/2"):
        browser.ask(path)
    scene.app.connections[1].send(CUT)
    browser.visitor.reset()
    assert [app.is_gone for app in scene.app.connections] == [True, True]
    assert sorted(scene.statuses) == [200, 499]


def test_a_download_pauses_for_a_client_that_gives_no_window(stage: Any, files: Files) -> None:
    """What waits for it is bounded: the app's socket is not read beyond that, and is when the client goes on."""
    scene = stage()
    browser = Browser(scene, files.alice)
    browser.reads = False
    stream = browser.ask()
    app = scene.app.last
    size = 4 * SEND_HIGH
    app.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
    sent = 0
    while sent < size and app.transport.reading:
        app.send(bytes(16384))
        sent += 16384
    assert not app.transport.reading
    assert sent < size
    browser.read()
    browser.reads = True
    browser.h2.acknowledge_received_data(len(browser.answers[stream].content), stream)
    browser.h2.increment_flow_control_window(size)
    browser.h2.increment_flow_control_window(size, stream)
    browser.flush()
    assert app.transport.reading
    app.send(bytes(size - sent))
    browser.read()
    assert len(browser.answers[stream].content) == size
    assert browser.answers[stream].ended


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_malformed_request_has_a_whole_answer_and_then_an_error(stage: Any, files: Files, method: str) -> None:
    """RFC 9113, 8.1.1 and 5.4.1: its stream is closed, so the connection has the error. Not in one piece with the
    answer, which some clients would not show.
    """
    scene = stage()
    browser = Browser(scene, files.alice)
    answer = browser.answers[browser.ask("no/slash", method=method)]
    assert answer.status == 400
    assert bool(answer.content) is (method == "GET")
    assert (answer.ended, browser.goaways) == (True, [])
    scene.loop.advance(RESET_SECONDS)
    browser.read()
    assert browser.goaways == [(1, h2.errors.ErrorCodes.PROTOCOL_ERROR)]
    assert answer.reset is None


def test_a_malformed_request_with_a_body_is_reset_behind_its_answer(stage: Any, files: Files) -> None:
    """RFC 9113, 8.1.1: an error of the stream, which the client still sends on."""
    scene = stage()
    browser = Browser(scene, files.alice)
    answer = browser.answers[browser.ask("no/slash", method="POST", end=False)]
    assert (answer.status, answer.ended, answer.reset) == (400, True, None)
    scene.loop.advance(RESET_SECONDS)
    browser.read()
    assert answer.reset == h2.errors.ErrorCodes.PROTOCOL_ERROR


def test_a_malformed_request_costs_no_other_its_answer(stage: Any, files: Files) -> None:
    """Node.js gives all streams up at a GOAWAY with an error. With NO_ERROR the connection still ends."""
    scene = stage()
    browser = Browser(scene, files.alice)
    other = browser.ask()
    browser.ask("no/slash")
    scene.loop.advance(RESET_SECONDS)
    browser.read()
    assert h2.errors.ErrorCodes.PROTOCOL_ERROR not in [code for _, code in browser.goaways]
    scene.app.last.send(OK)
    browser.read()
    assert browser.answers[other].ended
    scene.loop.advance(QUIET_SECONDS)
    browser.read()
    assert browser.visitor.was_sent_away


def test_a_request_that_is_too_large_is_no_error(stage: Any, files: Files) -> None:
    """It has its answer like any other."""
    scene = stage()
    browser = Browser(scene, files.alice)
    answer = browser.answers[browser.ask("/" + "x" * 9000)]
    assert (answer.status, answer.ended) == (414, True)
    scene.loop.advance(RESET_SECONDS)
    browser.read()
    assert [code for _, code in browser.goaways if code] == []
