"""The short ways through an exchange give what the long ones give."""

import re
from dataclasses import replace

import pytest

from gatekeeper.proxy.upstream.health import MANY_FAILED
from gatekeeper.proxy.websocket import FrameTracker
from gatekeeper.wire.request import CACHED_BLOCK_BYTES, HeadLimits, RequestReader
from gatekeeper.wire.response import CACHED_HEAD_BYTES, read_response
from tests.proxy.reloading import renew, revoking
from tests.proxy.scene import Scene, Visitor, get, request

HEAD = b"HTTP/1.1 200 OK\r\nServer: app\r\nContent-Length: 5\r\nX-A: b\r\n\r\n"


@pytest.mark.parametrize("lines", [(), ("Connection: close",)])
def test_a_response_in_one_piece_and_in_two_are_the_same_to_everybody(scene: Scene, lines: tuple[str, ...]) -> None:
    """To the client, in the log, and for the upstream's connection."""
    got, connections = [], []
    for pieces in ((HEAD + b"hello",), (HEAD, b"hello"), (HEAD[:20], HEAD[20:] + b"hello")):
        alice = scene.alice()
        alice.send(get("/a", *lines))
        for piece in pieces:
            scene.app.last.send(piece)
        got.append(re.sub(rb"\r\nDate: [^\r]+", b"", alice.read()))  # each has its own second
        connections.append(len(scene.app.connections))
        assert alice.was_sent_away is bool(lines)
    assert got[0].count(b"\r\nConnection: close\r\n") == len(lines)
    assert got[0].endswith(b"\r\n\r\nhello")
    assert got == [got[0]] * 3
    assert connections == [1, 1, 1]
    told = [{key: record[key] for key in ("status", "bytes", "target")} for record in scene.log.records]
    assert told == [{"status": 200, "bytes": 5, "target": "/a"}] * 3


def test_more_than_the_response_is_no_short_way(scene: Scene) -> None:
    """What comes behind the body must not become the answer to the next request (response splitting)."""
    alice = scene.alice()
    alice.send(get("/a"))
    scene.app.last.send(HEAD + b"helloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    assert alice.read().endswith(b"\r\n\r\nhello")
    assert scene.app.last.is_gone


def test_a_whole_response_does_not_lose_the_warning_of_an_ending_certificate(scene: Scene) -> None:
    """What the gate has to say to a visitor stands in every response."""
    alice = scene.alice()
    alice.send(get("/a"))
    alice.connection.visit.warning = b"Gatekeeper-Certificate-Expires: soon\r\n"
    assert b"\r\nGatekeeper-Certificate-Expires: soon\r\n" in scene.serve(alice, HEAD + b"hello")


@pytest.mark.parametrize("pieces", [(HEAD + b"hello",), (HEAD, b"hello")])
def test_failures_with_an_answer_between_them_are_not_in_a_row(scene: Scene, pieces: tuple[bytes, ...]) -> None:
    """Or an endpoint would be ejected for the third request in its life that times out."""
    (endpoint,) = scene.endpoints
    for _ in range(MANY_FAILED):
        alice = scene.alice()
        alice.send(request("POST", "/"))
        scene.app.last.close()
        assert alice.read().startswith(b"HTTP/1.1 502 ")
        assert endpoint.health.up(scene.loop.time())
        alice.send(get("/"))
        for piece in pieces:
            scene.app.last.send(piece)
        assert alice.read().endswith(b"hello")
        scene.app.last.close()  # that a kept connection ends says nothing


def test_a_whole_response_while_the_gate_stops_ends_the_connection(scene: Scene) -> None:
    """RFC 9112, 9.6."""
    alice = scene.alice()
    alice.send(get("/a"))
    scene.proxy.draining = True
    assert b"\r\nConnection: close\r\n" in scene.serve(alice, HEAD + b"hello")


@pytest.mark.parametrize(
    ("line", "block"),
    [
        (b"HEAD / HTTP/1.1", b""),
        (b"GET / HTTP/1.0", b""),
        (b"GET http://app.example.com/ HTTP/1.1", b""),
        (b"OPTIONS * HTTP/1.1", b""),
        (b"POST / HTTP/1.1", b"Content-Length: 1\r\n"),
        (b"POST / HTTP/1.1", b"Transfer-Encoding: chunked\r\n"),
        (b"GET / HTTP/1.1", b"Connection: close, X-A\r\n"),
        (b"GET / HTTP/1.1", b"Connection: X-A\r\n"),
        (b"GET / HTTP/1.1", b"Expect: 100-continue\r\n"),
        (b"GET / HTTP/1.1", b"Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    ],
)
def test_only_plain_requests_go_the_short_way(line: bytes, block: bytes) -> None:
    """Whatever is out of the ordinary has nothing ready."""
    reader = RequestReader(HeadLimits())
    assert reader.read(b"GET / HTTP/1.1", b"Host: app.example.com\r\n\r\n", cache=False).wire_head
    assert not reader.read(line, b"Host: app.example.com\r\n" + block + b"\r\n", cache=False).wire_head


@pytest.mark.parametrize("cookie", [b"", b"Cookie: a=b\r\n"])
@pytest.mark.parametrize("option", [b"close", b"keep-alive, close", b"Close"])
def test_a_last_request_is_told_from_the_others(option: bytes, cookie: bytes) -> None:
    """The app hears nothing of it: its own connection goes on."""
    reader = RequestReader(HeadLimits())
    head = b"GET / HTTP/1.1\r\nHost: app.example.com\r\n"
    ordinary = reader.cached[head + cookie + b"\r\n"]
    last = reader.cached[head + b"Connection: " + option + b"\r\n" + cookie + b"\r\n"]
    assert (ordinary.closes, last.closes) == (False, True)
    assert last.wire_head == ordinary.wire_head
    assert not last.keep_alive


def test_a_cached_head_is_read_as_a_fresh_one() -> None:
    """Twice, so that it is taken from the memory."""
    reader = RequestReader(HeadLimits())
    block = b"Host: app.example.com\r\nX-A: b\r\nReferer: c\r\n\r\n"
    fresh = reader.read(b"GET /a HTTP/1.1", block, cache=False)
    for _ in range(2):
        known = reader.cached[b"GET /a HTTP/1.1\r\n" + block]
        assert (known.method, known.target, known.minor, known.wire_head) == (b"GET", b"/a", 1, fresh.wire_head)


def ask_twice(scene: Scene, visitor: Visitor) -> bytes:
    """What the app got the second time."""
    for _ in range(2):
        visitor.send(get("/", "X-Team: red"))
        got = scene.app.last.read()
        scene.serve(visitor)
    return got


def test_a_head_that_comes_again_is_judged_by_the_reader_in_force(scene: Scene) -> None:
    """After a reload, the same head can be one with a field that only the gate may set, or one that is too large."""
    alice = scene.alice()
    assert b"X-Team: red" in ask_twice(scene, alice)
    renew(scene, replace(scene.proxy.snapshot, reader=RequestReader(HeadLimits(), frozenset({b"x-team"}))))
    assert b"X-Team" not in ask_twice(scene, alice)
    renew(scene, replace(scene.proxy.snapshot, reader=RequestReader(HeadLimits(head=20))))
    alice.send(get("/", "X-Team: red"))
    assert alice.read().startswith(b"HTTP/1.1 431 ")


def test_a_head_that_comes_again_is_no_admission(scene: Scene) -> None:
    """The visitor is judged for each request, by which nothing is spared."""
    alice = scene.alice()
    ask_twice(scene, alice)
    renew(scene, revoking(scene, scene.files.alice))
    alice.send(get("/", "X-Team: red"))
    assert alice.read().startswith(b"HTTP/1.1 403 ")


def test_a_head_that_comes_again_with_something_behind_it(scene: Scene) -> None:
    """Pipelined requests and pieces of heads are taken apart as ever."""
    alice = scene.alice()
    ask_twice(scene, alice)
    again = get("/", "X-Team: red")
    alice.send(again + again + again[:9])
    for _ in range(2):
        assert b"X-Team: red" in scene.app.last.read()
        scene.serve(alice)
    alice.send(again[9:])
    assert b"X-Team: red" in scene.app.last.read()


def test_a_response_whose_head_came_before_is_another_one(scene: Scene) -> None:
    """Its content is its own, in one piece or in several; and a head that only begins alike is another head."""
    alice = scene.alice()
    longer = HEAD[:-2] + b"X-C: d\r\n\r\n"
    for head, content in ((HEAD, b"hello"), (HEAD, b"world"), (longer, b"again"), (HEAD, b"hello")):
        alice.send(get("/a"))
        got = scene.serve(alice, head + content)
        assert got.endswith(content)
        # RFC 9110, 6.6.1: this app sends no Date.
        assert (got.count(b"\r\nX-C: d\r\n"), got.count(b"\r\nDate: ")) == (int(head is longer), 1)
    alice.send(get("/a"))
    scene.app.last.send(HEAD[:-1])
    scene.app.last.send(HEAD[-1:] + b"wo")
    scene.app.last.send(b"rld")
    assert alice.read().endswith(b"\r\n\r\nworld")
    assert len(scene.app.connections) == 1


def test_connections_keep_no_long_head(scene: Scene) -> None:
    """There may be thousands of them."""
    reader = RequestReader(HeadLimits())
    block = b"Host: app.example.com\r\nX-A: %b\r\n\r\n"
    for size in (1, CACHED_BLOCK_BYTES):
        text = b"GET /a HTTP/1.1\r\n" + block % (b"a" * size)
        assert reader.cached[text].text == (text if size == 1 else b"")
    for size in (1, CACHED_HEAD_BYTES):
        text = b"HTTP/1.1 204 No Content\r\nX-A: %b\r\n\r\n" % (b"a" * size)
        assert read_response(text).text == (text if size == 1 else b"")
        alice = scene.alice()
        alice.send(get("/a") + get("/b"))
        scene.serve(alice, text)
        assert alice.connection.closing is False
        assert b"GET /b " in scene.app.last.read()
        assert scene.serve(alice, HEAD + b"hello").endswith(b"hello")


@pytest.mark.parametrize("sizes", [[1, 1, 8], [10], [2, 8], [9, 1], [128, 2]])
def test_whole_frames_and_pieces_are_followed_alike(sizes: list[int]) -> None:
    """The last byte of a frame is where the next one begins, however it came."""
    stream = bytes((0x82, 8)) + b"\x7e" * 8 if sum(sizes) == 10 else bytes((0x82, 126, 0, 126)) + b"x" * 126
    frames, at = FrameTracker(), 0
    for size in sizes:
        frames.feed(stream[at : at + size])
        at += size
        assert frames.between is (at == len(stream))
    frames.feed(bytes((0x88, 0)))
    assert frames.closed
