"""One request to an app over HTTP/2: flow control, what may be sent again, and how it ends."""

from collections.abc import Callable
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest

from gatekeeper.proxy.streams import Replay
from gatekeeper.wire.request import HeadLimits, RequestReader
from tests.proxy.browser import Browser
from tests.proxy.http2_app import H2C, POST, started
from tests.proxy.scene import MIB, Files, Scene, get, request

Make = Callable[..., Scene]


@pytest.fixture
def scene(make_scene: Make) -> Scene:
    return make_scene(**H2C)


def test_trailers_go_both_ways(scene: Scene) -> None:
    """As gRPC needs them."""
    alice = scene.alice()
    alice.send(request("POST", "/", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n"))
    app = started(scene)
    assert app.body(1) == b"hello"
    assert app.saw(h2.events.TrailersReceived, 1).headers == [(b"x-sum", b"1")]
    app.h2.send_headers(1, ((b":status", b"200"), (b"content-type", b"application/grpc")))
    app.h2.send_data(1, b"reply")
    app.h2.send_headers(1, ((b"grpc-status", b"0"),), end_stream=True)
    app.send()
    assert alice.read().endswith(b"5\r\nreply\r\n0\r\ngrpc-status: 0\r\n\r\n")


def test_an_app_that_stops_taking_a_body_stops_the_client(scene: Scene) -> None:
    """The app's window is as good as its socket."""
    alice = scene.alice()
    alice.send(request("POST", "/", f"Content-Length: {4 * MIB}"))
    app = started(scene)
    pieces = 0
    while not alice.transport.peer_is_held and pieces < 64:
        alice.send(bytes(65536))
        pieces += 1
    assert alice.transport.peer_is_held
    assert len(app.body(1)) == 65535
    for _ in range(pieces):
        app.h2.acknowledge_received_data(65535, 1)
        app.send()
        app.receive()
    assert not alice.transport.peer_is_held


def test_a_client_that_stops_reading_stops_the_app(scene: Scene) -> None:
    """The window of the stream is given back as the client takes the body; other streams are not held."""
    alice, other = scene.alice(), scene.alice()
    alice.send(get("/big"))
    app = started(scene)
    alice.transport.peer_stalls()
    app.h2.send_headers(1, ((b":status", b"200"),))
    sent = 0
    while (room := min(app.h2.local_flow_control_window(1), 16384)) > 0 and sent < 8 * MIB:
        app.h2.send_data(1, bytes(room))
        sent += room
        app.send()
        app.receive()
    assert sent < 2 * MIB
    other.send(get("/small"))
    app.requests()
    app.answer(3, b"small")
    assert other.read().endswith(b"small\r\n0\r\n\r\n")
    alice.transport.peer_takes()
    app.receive()
    assert app.h2.local_flow_control_window(1) > 0


def test_what_the_app_refuses_is_sent_again(scene: Scene) -> None:
    """RFC 9113, 8.7: REFUSED_STREAM says that the app has not begun, so even a POST is safe, with its body."""
    alice = scene.alice()
    alice.send(request("POST", "/", *POST, body=b"hello"))
    app = started(scene)
    assert app.body(1) == b"hello"
    app.h2.reset_stream(1, error_code=7)
    app.send()
    assert app.body(3) == b"hello"
    assert app.saw(h2.events.StreamEnded, 3) is not None
    app.answer(3)
    assert alice.read().startswith(b"HTTP/1.1 200 OK\r\n")


def test_an_app_that_refuses_each_time_is_a_bad_gateway(scene: Scene) -> None:
    """A sixth attempt would be no better."""
    alice = scene.alice()
    alice.send(request("POST", "/", *POST, body=b"hello"))
    app = started(scene)
    for stream in (1, 3, 5, 7, 9, 11):
        assert app.body(stream) == b"hello"
        app.h2.reset_stream(stream, error_code=7)
        app.send()
    assert scene.statuses == [502]
    assert list(app.requests()) == [1, 3, 5, 7, 9, 11]


def test_a_post_whose_stream_is_reset_otherwise_is_not_sent_again(scene: Scene) -> None:
    """The app may have begun."""
    alice = scene.alice()
    alice.send(request("POST", "/", *POST, body=b"hello"))
    app = started(scene)
    app.receive()
    app.h2.reset_stream(1, error_code=2)
    app.send()
    assert scene.statuses == [502]
    assert list(app.requests()) == [1]


@pytest.mark.parametrize("code", range(14))
def test_a_get_that_the_app_resets_is_not_sent_again_there(scene: Scene, code: int) -> None:
    """Over a connection that has been idle, which lives on: it is not one that closed when it was used again. Where the
    app says that it did not begin (code 7), five attempts follow.
    """
    alice = scene.alice()
    alice.send(get("/"))
    app = started(scene)
    app.receive()
    app.answer(1)
    alice.send(get("/"))
    attempts = (3, 5, 7, 9, 11, 13) if code == 7 else (3,)
    for stream in attempts:
        app.receive()
        app.h2.reset_stream(stream, error_code=code)
        app.send()
    assert list(app.requests()) == [1, *attempts]
    assert scene.statuses == [200, 502]


@pytest.mark.parametrize("end", [False, True])
def test_content_without_a_head_is_a_bad_gateway(scene: Scene, end: bool) -> None:
    """A client would read it as the response."""
    alice = scene.alice()
    alice.send(get("/"))
    app = started(scene)
    app.receive()
    content = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    app.wire.send(bytes((0, 0, len(content), 0, int(end), 0, 0, 0, 1)) + content)
    assert alice.read().startswith(b"HTTP/1.1 502 ")
    assert app.saw(h2.events.StreamReset, 1).error_code == 1


def test_an_answer_cut_by_the_app_is_cut_for_the_client(scene: Scene) -> None:
    """RFC 9113, 8.1.1: it must not look complete."""
    alice = scene.alice()
    alice.send(get())
    app = started(scene)
    app.receive()
    app.h2.send_headers(1, ((b":status", b"200"),))
    app.h2.send_data(1, b"half")
    app.h2.reset_stream(1, error_code=2)
    app.send()
    assert not alice.read().endswith(b"0\r\n\r\n")
    assert alice.was_sent_away
    assert scene.log.records[0]["detail"] == "The response is incomplete: the stream was reset, code 2"


CALL = ("content-type", "application/grpc")


@pytest.mark.parametrize(
    ("answered", "code", "passed"),
    [
        *((False, code, passed) for code, passed in ((8, 8), (11, 11), (1, 2), (2, 2), (13, 2))),
        *((True, code, passed) for code, passed in ((8, 8), (11, 11), (1, 2), (2, 2), (7, 2), (13, 2))),
    ],
)
def test_the_apps_reset_of_a_call_is_the_clients(
    stage: Any, files: Files, answered: bool, code: int, passed: int
) -> None:
    """CANCEL and ENHANCE_YOUR_CALM mean something to a gRPC client; what is about the app's connection does not pass,
    nor does an invitation to repeat what the app began with.
    """
    scene = stage(**H2C)
    browser = Browser(scene, files.alice)
    stream = browser.ask("/a.Service/Method", CALL, method="POST")
    app = started(scene)
    app.receive()
    if answered:
        app.h2.send_headers(1, ((b":status", b"200"),))
    app.h2.reset_stream(1, error_code=code)
    app.send()
    browser.read()
    assert browser.answers[stream].reset == passed
    assert scene.statuses == [200 if answered else 502]


def test_a_reset_of_anything_else_is_a_bad_gateway(stage: Any, files: Files) -> None:
    """A page, where none of the response had come."""
    scene = stage(**H2C)
    browser = Browser(scene, files.alice)
    stream = browser.ask("/")
    app = started(scene)
    app.receive()
    app.h2.reset_stream(1, error_code=8)
    app.send()
    browser.read()
    assert browser.answers[stream].status == 502


def test_a_client_that_leaves_cancels_its_stream_alone(scene: Scene) -> None:
    """RST_STREAM(CANCEL); the connection stays for others."""
    alice = scene.alice()
    alice.send(get())
    app = started(scene)
    app.receive()
    alice.reset()
    assert app.saw(h2.events.StreamReset, 1).error_code == 8
    scene.alice().send(get())
    assert list(app.requests()) == [1, 3]


def test_an_app_that_fell_silent_gets_no_further_requests_on_that_connection(scene: Scene) -> None:
    """It may have vanished without a FIN, and every request on a shared connection would time out."""
    alice = scene.alice()
    alice.send(get())
    started(scene)
    scene.loop.advance(61)
    assert scene.statuses == [504]
    scene.alice().send(get())
    assert len(scene.app.connections) == 2


def test_a_response_head_that_no_client_should_see_is_a_bad_gateway(scene: Scene) -> None:
    """RFC 9113, 8.2.2: here a field about the connection. Literal, because h2 would not send it."""
    alice = scene.alice()
    alice.send(get())
    app = started(scene)
    app.wire.send(b"\x00\x00\x13\x01\x05\x00\x00\x00\x01\x88\x00\x0aconnection\x05close")
    assert scene.statuses == [502]
    assert b"connection" not in alice.read().partition(b"\r\n\r\n")[2]
    assert scene.log.records[0]["detail"].startswith("The app's response cannot be passed on: ")
    assert app.saw(h2.events.StreamReset, 1) is not None


def test_a_request_that_met_the_end_of_an_idle_connection_is_sent_again(scene: Scene) -> None:
    """RFC 9112, 9.3.1 of HTTP/1.1 says it of kept connections: on a new one, and only what is idempotent."""
    alice = scene.alice()
    alice.send(get("/1"))
    app = started(scene)
    app.requests()
    app.answer(1)
    alice.read()
    alice.send(get("/2"))
    app.wire.reset()
    again = started(scene)
    assert again.requests()[1][b":path"] == b"/2"
    again.answer(1)
    assert alice.read().startswith(b"HTTP/1.1 200 OK\r\n")
    alice.send(request("POST", "/3", *POST, body=b"hello"))
    again.wire.reset()
    assert scene.statuses == [200, 200, 502]


def test_a_request_that_met_others_at_work_is_not_sent_again(scene: Scene) -> None:
    """An app that was at work did not close an idle connection: it failed."""
    first, second, third = scene.alice(), scene.alice(), scene.alice()
    first.send(get("/1"))
    app = started(scene)
    app.requests()
    app.answer(1)
    second.send(get("/2"))
    third.send(get("/3"))
    app.wire.reset()
    again = started(scene)
    assert [fields[b":path"] for fields in again.requests().values()] == [b"/2"]
    assert scene.statuses == [200, 502]


@pytest.mark.parametrize(("size", "streams"), [(65_536, [1, 3]), (65_537, [1])])
def test_a_body_is_kept_up_to_its_limit(scene: Scene, size: int, streams: list[int]) -> None:
    """64 KiB, to be sent again after REFUSED_STREAM; a longer one is a bad gateway."""
    alice = scene.alice()
    alice.send(request("POST", "/", f"Content-Length: {size}", body=bytes(size)))
    app = started(scene)
    app.receive()
    app.h2.reset_stream(1, error_code=7)
    app.send()
    assert list(app.requests()) == streams
    assert scene.statuses == ([] if len(streams) > 1 else [502])


def test_trailers_are_sent_again(scene: Scene) -> None:
    """With the body that they end."""
    alice = scene.alice()
    alice.send(request("POST", "/", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n"))
    app = started(scene)
    app.receive()
    app.h2.reset_stream(1, error_code=7)
    app.send()
    assert app.body(3) == b"hello"
    assert app.saw(h2.events.TrailersReceived, 3).headers == [(b"x-sum", b"1")]


def test_what_the_app_began_with_is_not_sent_again(scene: Scene) -> None:
    """REFUSED_STREAM behind 103 is not true: RFC 9113, 8.7 says that nothing was processed."""
    alice = scene.alice()
    alice.send(get())
    app = started(scene)
    app.receive()
    app.h2.send_headers(1, ((b":status", b"103"), (b"link", b"</a>")))
    app.h2.reset_stream(1, error_code=7)
    app.send()
    assert list(app.requests()) == [1]
    assert scene.statuses == [502]


@pytest.mark.parametrize(("count", "status"), [(16, 200), (17, 502)])
def test_interim_responses_are_bounded(scene: Scene, count: int, status: int) -> None:
    """As from an app that speaks HTTP/1.1."""
    alice = scene.alice()
    alice.send(get())
    app = started(scene)
    app.receive()
    for _ in range(count):
        app.h2.send_headers(1, ((b":status", b"103"),))
    app.answer(1)
    assert scene.statuses == [status]


class Told:
    """Writes down how it ended."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def upstream_gone(self, error: Exception | None) -> None:
        self.error = error


def test_a_request_for_a_connection_that_has_just_ended_goes_elsewhere(scene: Scene) -> None:
    """RFC 9113, 6.8: GOAWAY came between the choice of the connection and the request, which is told afterwards."""
    alice = scene.alice()
    alice.send(get())
    app = started(scene)
    app.requests()
    app.answer(1)
    endpoint = scene.proxy.snapshot.upstreams["default"].endpoints[0]
    stream, told = endpoint.acquire(), Told()
    assert stream is not None
    app.h2.close_connection(last_stream_id=1)
    app.send()
    head = RequestReader(HeadLimits()).read(b"GET / HTTP/1.1", b"Host: a\r\n\r\n", cache=False)
    stream.send_request(told, head, b"", "id")  # type: ignore[arg-type]
    assert told.error is None
    scene.loop.settle()
    assert isinstance(told.error, ConnectionRefusedError)
    assert stream.replay == Replay(b"", b"", ended=False)
    assert list(app.requests()) == [1]
