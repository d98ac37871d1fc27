"""HTTP/2 from a visitor's first byte to the app and back, with h2 as the visitor, in memory."""

from typing import Any, cast

import h2.errors
import pytest

from gatekeeper.proxy.client.http2 import Http2
from gatekeeper.proxy.states import PauseReason
from gatekeeper.telemetry.metrics import Cell
from tests.certificates import make_client
from tests.proxy.browser import Browser
from tests.proxy.reloading import renew, revoking
from tests.proxy.scene import OK, Files


def test_a_request_reaches_the_app_and_its_answer_the_visitor(stage: Any, files: Files) -> None:
    """The app sees HTTP/1.1 with the identity; an identity that the visitor sends is dropped."""
    scene = stage()
    browser = Browser(scene, files.alice)
    stream = browser.ask("/a?b", ("x-client-cn", "mallory"), ("accept", "text/html"))
    asked = scene.app.last.read()
    assert asked.startswith(b"GET /a?b HTTP/1.1\r\nHost: app.example.com\r\n")
    assert b"mallory" not in asked
    assert b"alice" in asked
    scene.app.last.send(OK)
    browser.read()
    answer = browser.answers[stream]
    assert (answer.status, answer.content, answer.ended) == (200, b"ok", True)
    assert scene.statuses == [200]


def test_requests_run_side_by_side(stage: Any, files: Files) -> None:
    """The second one is answered first."""
    scene = stage()
    browser = Browser(scene, files.alice)
    one, two = browser.ask("/1"), browser.ask("/2")
    first, second = scene.app.connections
    second.send(OK)
    browser.read()
    assert browser.answers[two].ended
    assert not browser.answers[one].ended
    first.send(OK)
    browser.read()
    assert browser.answers[one].ended


def test_an_upload_gets_windows_as_the_app_takes_it(stage: Any, files: Files) -> None:
    """1 MiB in steps of what the windows let pass; trailers of a body without length come behind the last chunk."""
    scene = stage()
    browser = Browser(scene, files.alice)
    stream = browser.ask("/", ("content-length", str(1 << 20)), method="POST", end=False)
    left, got = 1 << 20, b""
    for _ in range(1000):
        size = min(left, browser.h2.local_flow_control_window(stream), 16384)
        assert size, "the gate gives no window"
        left -= size
        browser.send(stream, bytes(size), end=not left)
        got += scene.app.last.read()
        if not left:
            break
    head, _, body = got.partition(b"\r\n\r\n")
    assert b"Content-Length: 1048576" in head
    assert len(body) == 1 << 20
    scene.app.last.send(OK)
    browser.read()
    assert browser.answers[stream].ended


def test_a_slow_app_stops_an_upload(stage: Any, files: Files) -> None:
    """No window beyond the first is given while the app's socket takes nothing."""
    scene = stage()
    browser = Browser(scene, files.alice)
    stream = browser.ask("/", method="POST", end=False)
    codec = cast(Http2, browser.visitor.connection._codec)
    codec._streams[stream].pause_request(PauseReason.UPSTREAM)
    while size := min(browser.h2.local_flow_control_window(stream), 16384):
        browser.send(stream, bytes(size))
    assert browser.h2.local_flow_control_window(stream) == 0
    codec._streams[stream].resume_request(PauseReason.UPSTREAM)
    browser.read()
    assert browser.h2.local_flow_control_window(stream) >= 65536


def test_a_visitor_who_gives_no_window_stops_the_app(stage: Any, files: Files) -> None:
    """What waits in the gate is bounded, and goes on when the windows do."""
    scene = stage()
    browser = Browser(scene, files.alice)
    browser.reads = False
    stream = browser.ask()
    scene.app.last.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n")
    sent = 0
    while scene.app.last.transport.reading and sent < 1 << 20:
        scene.app.last.send(bytes(16384))
        sent += 16384
    assert sent < 400 * 1024
    browser.read()
    assert len(browser.answers[stream].content) == 65535


def test_trailers_pass_both_ways(stage: Any, files: Files) -> None:
    """gRPC's status is one."""
    scene = stage()
    browser = Browser(scene, files.alice)
    stream = browser.ask("/", method="POST", end=False)
    browser.h2.send_data(stream, b"abc")
    browser.h2.send_headers(stream, [("checksum", "1")], end_stream=True)
    browser.flush()
    assert scene.app.last.read().endswith(b"3\r\nabc\r\n0\r\nchecksum: 1\r\n\r\n")
    scene.app.last.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\ngrpc-status: 0\r\n\r\n")
    browser.read()
    answer = browser.answers[stream]
    assert (answer.content, answer.trailers, answer.ended) == (b"ok", {"grpc-status": "0"}, True)


@pytest.mark.parametrize(
    ("method", "response", "status"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("GET", b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n', 304),
    ],
)
def test_responses_without_a_body_end_with_their_head(
    stage: Any, files: Files, method: str, response: bytes, status: int
) -> None:
    """RFC 9113, 8.1."""
    scene = stage()
    browser = Browser(scene, files.alice)
    stream = browser.ask(method=method)
    scene.app.last.send(response)
    browser.read()
    answer = browser.answers[stream]
    assert (answer.status, answer.content, answer.ended) == (status, b"", True)
    assert answer.headers.get("content-length") == ("5" if method == "HEAD" else None)


def test_an_interim_response_passes(stage: Any, files: Files) -> None:
    """103 Early Hints."""
    scene = stage()
    browser = Browser(scene, files.alice)
    stream = browser.ask()
    scene.app.last.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + OK)
    browser.read()
    assert browser.answers[stream].interim == ["103"]
    assert browser.answers[stream].status == 200


def test_a_response_that_is_cut_is_reset(stage: Any, files: Files) -> None:
    """Never END_STREAM: the visitor must be able to tell."""
    scene = stage()
    browser = Browser(scene, files.alice)
    stream = browser.ask()
    scene.app.last.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    scene.app.last.close()
    browser.read()
    answer = browser.answers[stream]
    assert (answer.ended, answer.reset) == (False, h2.errors.ErrorCodes.INTERNAL_ERROR)


def test_a_cancelled_stream_closes_the_apps_connection_and_no_other(stage: Any, files: Files) -> None:
    """The app learns that nobody waits."""
    scene = stage()
    browser = Browser(scene, files.alice)
    one, two = browser.ask("/1"), browser.ask("/2")
    browser.h2.reset_stream(one)
    browser.flush()
    first, second = scene.app.connections
    assert first.is_gone
    second.send(OK)
    browser.read()
    assert browser.answers[two].status == 200
    assert scene.statuses == [499, 200]


def test_draining_takes_what_is_on_its_way_and_ends_with_the_last_answer(stage: Any, files: Files) -> None:
    """GOAWAY in two steps (RFC 9113, 6.8)."""
    scene = stage()
    browser = Browser(scene, files.alice)
    one = browser.ask("/1")
    scene.proxy.draining = True
    browser.visitor.connection.drain()
    said = browser.visitor.read()
    assert said.startswith(b"\x00\x00\x08\x07\x00\x00\x00\x00\x00\x7f\xff\xff\xff\x00\x00\x00\x00")
    scene.loop.advance(1.1)
    last = one.to_bytes(4, "big")
    assert browser.visitor.read() == b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + last + bytes(4)
    assert not browser.visitor.was_sent_away
    scene.app.last.send(OK)
    assert browser.visitor.read().endswith(b"\x00\x00\x02\x00\x01" + last + b"ok")
    assert browser.visitor.was_sent_away


def test_an_idle_connection_is_closed(stage: Any, files: Files) -> None:
    """timeouts.idle, with GOAWAY."""
    scene = stage(timeouts={"idle": "5s"})
    browser = Browser(scene, files.alice)
    scene.loop.advance(6)
    browser.read()
    assert browser.goaways == [(0, 0)]
    assert browser.visitor.was_sent_away


def test_a_visitor_who_takes_nothing_of_an_answer_is_cut_off(stage: Any, files: Files) -> None:
    """timeouts.stream_idle runs on body bytes, also when the app is long done; PING does not help."""
    scene = stage(timeouts={"stream_idle": "5s"})
    browser = Browser(scene, files.alice)
    browser.reads = False
    stream = browser.ask()
    scene.app.last.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(100000))
    browser.read()
    for _ in range(4):
        scene.loop.advance(3)
        browser.h2.ping(b"12345678")
        browser.flush()
    assert browser.answers[stream].reset == h2.errors.ErrorCodes.CANCEL


def test_a_revoked_visitors_streams_end_and_nobody_elses(stage: Any, files: Files) -> None:
    """The download is reset, the request that waits gets 403, and GOAWAY follows; others go on."""
    scene = stage()
    lost = make_client("lost", files.authority)
    browser, other = Browser(scene, lost), Browser(scene, files.alice)
    download, waits, kept = browser.ask("/film"), browser.ask("/slow"), other.ask("/film")
    for app in (scene.app.connections[0], scene.app.connections[2]):
        app.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    renew(scene, revoking(scene, lost))
    browser.read()
    scene.loop.advance(0.2)
    browser.read()
    assert browser.answers[download].reset == h2.errors.ErrorCodes.CANCEL
    assert browser.answers[waits].status == 403
    assert browser.goaways == [(waits, 0)]
    scene.app.connections[2].send(b"bottom")
    other.read()
    assert other.answers[kept].content == b"halfbottom"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [("no/slash", 400, h2.errors.ErrorCodes.PROTOCOL_ERROR), ("/" + "x" * 9000, 414, h2.errors.ErrorCodes.NO_ERROR)],
    ids=["malformed", "too long"],
)
def test_a_malformed_request_is_the_last_of_its_connection(
    stage: Any, files: Files, path: str, status: int, code: int
) -> None:
    """The answer says why; GOAWAY follows when it is quiet, so that what was sent beside it is answered."""
    scene = stage()
    browser = Browser(scene, files.alice)
    stream = browser.ask(path)
    assert browser.answers[stream].status == status
    other = browser.ask("/")
    scene.app.last.send(OK)
    browser.read()
    assert browser.answers[other].status == 200
    scene.loop.advance(0.2)
    browser.read()
    assert browser.goaways == [(other, code)]


@pytest.mark.parametrize("who", ["alice", "nobody"])
def test_the_log_names_the_version(stage: Any, files: Files, who: str) -> None:
    """Whether or not a certificate was sent."""
    scene = stage()
    Browser(scene, files.alice if who == "alice" else None).ask("/")
    if who == "alice":
        scene.app.last.send(OK)
    assert [record["protocol"] for record in scene.log.records] == ["HTTP/2.0"]


def test_requests_and_connections_are_counted_by_version(stage: Any, files: Files) -> None:
    """HTTP/2 apart, and no connection that has ended. Streams are published with the worker's sign of life."""
    scene = stage()

    def streams() -> int:
        scene.proxy.metrics.beat(0.0)
        return scene.proxy.metrics.count(Cell.HTTP2_STREAMS)

    browser = Browser(scene, files.alice)
    assert scene.proxy.metrics.count(Cell.HTTP2_CONNECTIONS) == 1
    browser.ask("/")
    assert streams() == 1
    scene.app.last.send(OK)
    assert streams() == 0
    alice = scene.alice()
    alice.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    scene.serve(alice)
    assert dict(scene.proxy.metrics.http2_answers()) == {200: 1}
    browser.ask("/")
    browser.visitor.leave()
    assert scene.proxy.metrics.count(Cell.HTTP2_CONNECTIONS) == 0
    assert streams() == 0


def test_answers_of_one_turn_of_the_loop_go_out_together(stage: Any, files: Files) -> None:
    """One TLS record for both; the last one under way goes at once."""
    scene = stage()
    browser = Browser(scene, files.alice)
    streams = [browser.ask(f"/{number}") for number in range(3)]
    transport = browser.visitor.transport
    written: list[int] = []
    write = transport.write
    transport.write = lambda data: (written.append(len(data)), write(data))[1]  # type: ignore[method-assign]
    for connection in scene.app.connections[:2]:
        connection.transport._protocol.data_received(OK)
    assert written == []
    scene.loop.settle()
    assert len(written) == 1
    scene.app.last.transport._protocol.data_received(OK)
    assert len(written) == 2
    browser.read()
    assert [browser.answers[stream].status for stream in streams] == [200, 200, 200]
