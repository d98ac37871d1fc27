"""HTTP/2 to an app, with python-hyper's h2 as the app: shared connections, and how they end."""

from collections.abc import Callable
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest

from gatekeeper.wire.response import MAX_HEAD_BYTES
from tests.proxy.browser import Browser
from tests.proxy.http2_app import H2C, POST, HTTP2App, started
from tests.proxy.scene import Files, Scene, get, request, undated

Make = Callable[..., Scene]


@pytest.fixture
def scene(make_scene: Make) -> Scene:
    return make_scene(**H2C)


def test_a_request_becomes_one_of_http2_and_back(scene: Scene) -> None:
    """RFC 9113, 8.3: pseudo-header fields, no Host, te: trailers; the visitor is told as over HTTP/1.1."""
    alice = scene.alice()
    alice.send(get("/a?b", "Accept: text/plain"))
    app = started(scene)
    fields = app.requests()[1]
    assert [fields[name] for name in (b":method", b":scheme", b":path", b":authority", b"te", b"accept")] == [
        b"GET",
        b"http",
        b"/a?b",
        b"app.example.com",
        b"trailers",
        b"text/plain",
    ]
    assert fields[b"x-real-ip"] == b"192.0.2.7"
    assert fields[b"x-forwarded-host"] == b"app.example.com"
    assert len(fields[b"x-request-id"]) == 32
    assert b"host" not in fields
    assert b"connection" not in fields
    app.answer(1, b"ok", (b"content-length", b"2"))
    assert undated(alice.read()) == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    assert scene.statuses == [200]


def test_a_response_without_a_date_gets_one(scene: Scene) -> None:
    """RFC 9110, 6.6.1. The block is cached for as long as the app sends it, the date of a response is not."""
    alice = scene.alice()
    alice.send(get())
    app = started(scene)
    app.answer(1, b"ok", (b"content-length", b"2"))
    assert b"\r\nDate: " in alice.read()
    alice.send(get())
    app.requests()
    app.answer(3, b"ok", (b"content-length", b"2"), (b"date", b"Sun, 06 Nov 1994 08:49:37 GMT"))
    assert alice.read().count(b"\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n") == 1


def test_a_head_that_a_date_makes_too_large_is_a_bad_gateway(scene: Scene) -> None:
    """The limit is one for what the client gets."""
    alice = scene.alice()
    alice.send(get())
    app = started(scene)
    size = MAX_HEAD_BYTES - len(b"HTTP/1.1 200 OK\r\nx: \r\n\r\n") - 20
    app.answer(1, b"ok", (b"x", b"y" * size))
    assert alice.read().startswith(b"HTTP/1.1 502 ")


def test_requests_share_one_connection(scene: Scene) -> None:
    """And their answers come in the app's order."""
    first, second = scene.alice(), scene.alice()
    first.send(get("/1"))
    app = started(scene)
    second.send(get("/2"))
    assert [fields[b":path"] for fields in app.requests().values()] == [b"/1", b"/2"]
    assert scene.busy == 2
    app.answer(3, b"two")
    assert second.read().endswith(b"3\r\ntwo\r\n0\r\n\r\n")
    app.answer(1, b"one")
    assert first.read().endswith(b"3\r\none\r\n0\r\n\r\n")
    assert (len(scene.app.connections), scene.busy) == (1, 0)


def test_requests_wait_for_the_first_settings(scene: Scene) -> None:
    """Nobody knows before how many the app takes; no second connection is made meanwhile."""
    visitors = [scene.alice() for _ in range(3)]
    for number, visitor in enumerate(visitors):
        visitor.send(get(f"/{number}"))
    app = HTTP2App(scene.app.last)
    assert list(app.requests()) == [1]
    app.send()
    assert list(app.requests()) == [1, 3, 5]
    assert len(scene.app.connections) == 1


def test_a_further_connection_is_made_where_the_app_takes_no_more_on_one(scene: Scene) -> None:
    """SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113, 5.1.2)."""
    first, second = scene.alice(), scene.alice()
    first.send(get("/1"))
    app = started(scene, max_concurrent_streams=1)
    second.send(get("/2"))
    assert list(app.requests()) == [1]
    assert len(scene.app.connections) == 2
    assert list(started(scene).requests()) == [1]


def test_a_request_waits_for_a_stream_where_no_connection_may_be_added(make_scene: Make) -> None:
    """max_connections counts connections."""
    scene = make_scene(upstream={"url": "h2c://127.0.0.1:8000", "max_connections": 1})
    first, second = scene.alice(), scene.alice()
    first.send(get("/1"))
    app = started(scene, max_concurrent_streams=1)
    second.send(get("/2"))
    app.answer(1)
    assert app.requests()[3][b":path"] == b"/2"
    assert len(scene.app.connections) == 1


def test_no_request_is_lost_when_the_app_goes_away(scene: Scene) -> None:
    """RFC 9113, 6.8: what is above the last stream is sent again on a new connection, the rest is finished."""
    first, second = scene.alice(), scene.alice()
    first.send(get("/1"))
    app = started(scene)
    second.send(request("POST", "/2", *POST, body=b"hello"))
    app.receive()
    app.h2.close_connection(last_stream_id=1)
    goaway = app.h2.data_to_send()
    app.wire.send(goaway)
    assert len(scene.app.connections) == 2
    again = started(scene)
    assert again.body(1) == b"hello"
    again.answer(1)
    assert second.read().startswith(b"HTTP/1.1 200 OK\r\n")
    # h2 sends nothing after its own GOAWAY: HEADERS with :status 200 (RFC 7541, A: index 8) and END_STREAM.
    app.wire.send(b"\x00\x00\x01\x01\x05\x00\x00\x00\x01\x88")
    assert first.read().startswith(b"HTTP/1.1 200 OK\r\n")
    assert app.wire.is_gone or app.wire.transport.closing


def test_an_app_that_speaks_http1_is_named_in_the_log(scene: Scene) -> None:
    """A bad gateway at once, not a timeout."""
    alice = scene.alice()
    alice.send(get())
    scene.app.last.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    assert scene.statuses == [502]
    assert scene.app.last.transport.closing


def test_a_lost_connection_ends_every_stream_on_it(scene: Scene) -> None:
    """Once each, and nothing is left."""
    visitors = [scene.alice() for _ in range(3)]
    visitors[0].send(request("POST", "/", *POST, body=b"hello"))
    app = started(scene)
    for visitor in visitors[1:]:
        visitor.send(request("POST", "/", *POST, body=b"hello"))
    app.receive()
    app.wire.reset()
    assert scene.statuses == [502, 502, 502]
    assert scene.busy == 0


def test_an_idle_connection_is_closed(scene: Scene) -> None:
    """With GOAWAY, after the same time as one of HTTP/1.1."""
    alice = scene.alice()
    alice.send(get())
    app = started(scene)
    app.requests()
    app.answer(1)
    scene.loop.advance(50)
    assert any(isinstance(event, h2.events.ConnectionTerminated) for event in app.receive())
    assert app.wire.transport.closing


def test_why_an_app_does_not_speak_http2_is_logged(scene: Scene) -> None:
    """RFC 9113, 4.2: a frame of 16 MiB is larger than we allow."""
    alice = scene.alice()
    alice.send(get())
    app = started(scene)
    app.wire.send(b"\xff\xff\xff\x00\x00\x00\x00\x00\x01")
    assert scene.statuses == [502]
    assert "a frame is larger than allowed" in scene.log.records[0]["detail"]
    assert b"larger" not in alice.read()


def test_a_small_request_goes_out_in_one_write(stage: Any, files: Files) -> None:
    """Head, body and end, as a call of gRPC has them."""
    scene = stage(**H2C)
    browser = Browser(scene, files.alice)
    first = browser.ask("/", ("content-length", "5"), method="POST", end=False)
    app = started(scene)
    browser.send(first, b"hello", end=True)
    app.answer(first)
    written: list[bytes] = []
    write = app.wire.transport.write
    app.wire.transport.write = lambda data: (written.append(bytes(data)), write(data))[1]  # type: ignore[method-assign]
    stream = browser.h2.get_next_available_stream_id()
    fields = [(":method", "POST"), (":scheme", "https"), (":authority", "app.example.com"), (":path", "/")]
    fields.append(("content-type", "application/grpc"))
    browser.h2.send_headers(stream, fields)
    browser.h2.send_data(stream, b"hello", end_stream=True)
    browser.flush()
    assert len(written) == 1
    assert app.body(stream) == b"hello"
