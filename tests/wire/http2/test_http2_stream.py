"""One stream as its owner sees it: credit, what is sent and in which frames, back-pressure, the end."""

import pytest

from gatekeeper.wire.http2.frames import (
    DATA,
    END_STREAM,
    HEADERS,
    MAX_FRAME,
    RST_STREAM,
    ErrorCode,
    settings_frame,
)
from gatekeeper.wire.http2.stream import MAX_STREAM_WINDOW, SEND_HIGH, STREAM_WINDOW
from gatekeeper.wire.response import read_response
from tests.wire.http2.peers import (
    GET,
    OK,
    OPEN,
    OPEN_1,
    credit,
    frame,
    frames,
    headers,
    started,
    upload,
    window_update,
)


def test_stream_credit_is_given_when_bytes_were_consumed() -> None:
    """RFC 9113, 6.9: not before, or a slow app would fill our memory."""
    gate = started()
    gate.receive(OPEN_1)
    assert credit(upload(gate, 1, STREAM_WINDOW), 1) == 0
    gate.streams[1].consumed(STREAM_WINDOW // 2 - 1)
    assert gate.receive(b"") == []
    gate.streams[1].consumed(1)
    assert credit(gate.receive(b""), 1) == STREAM_WINDOW // 2


def test_a_window_grows_while_the_app_keeps_up() -> None:
    """And no further than its bound."""
    gate = started()
    gate.receive(OPEN_1)
    stream = gate.streams[1]
    for _ in range(200):
        upload(gate, 1, MAX_FRAME)
        stream.consumed(MAX_FRAME)
    assert stream.window == MAX_STREAM_WINDOW
    assert stream.receive_window <= MAX_STREAM_WINDOW


def test_a_small_answer_goes_out_whole() -> None:
    """HEADERS and DATA with END_STREAM in one write."""
    gate = started()
    gate.receive(headers(1) + headers(3))
    gate.answer(1)
    gate.answer(3)
    sent = frames(gate.connection.data_to_send())
    assert [(kind, flags, stream_id) for kind, flags, stream_id, _ in sent] == [
        (HEADERS, 4, 1),
        (DATA, 1, 1),
        (HEADERS, 4, 3),
        (DATA, 1, 3),
    ]
    assert not gate.connection.streams


def test_an_answer_without_content_ends_with_its_head() -> None:
    """RFC 9113, 8.1.1: HEAD, 204, 304; the length is told where a body would have it."""
    gate = started()
    gate.receive(headers(1, ((b":method", b"HEAD"), *GET[1:])))
    gate.streams[1].send_whole(OK, b"")
    assert frames(gate.sent()) == [(HEADERS, 5, 1, b"\x20\x88\x0f\x0d\x015")]


def test_an_owner_hears_when_it_may_go_on() -> None:
    """Once, after more waited than should."""
    gate = started()
    gate.receive(headers(1))
    stream = gate.streams[1]
    stream.send_head(OPEN)
    stream.send_content(bytes(SEND_HIGH + 65_535))
    gate.sent()
    assert (1, "writable") not in gate.told
    gate.receive(window_update(1, 2**20) + window_update(0, 2**20))
    assert gate.told.count((1, "writable")) == 1
    assert stream.unsent == 0


def test_nothing_goes_out_behind_a_reset() -> None:
    """RFC 9113, 5.4.2; and what waited is forgotten."""
    gate = started()
    gate.receive(settings_frame([(4, 1)]) + headers(1))
    stream = gate.streams[1]
    stream.send_head(OPEN)
    stream.send_content(b"abc")
    gate.sent()
    stream.reset(ErrorCode.INTERNAL_ERROR)
    stream.send_content(b"d")
    stream.send_end(b"x: y\r\n")
    stream.send_whole(OK, b"hello")
    stream.finished()
    assert gate.receive(window_update(1, 100)) == [(RST_STREAM, 0, 1, b"\0\0\0\x02")]
    assert not gate.connection.streams


def test_interim_responses_come_first() -> None:
    """RFC 9113, 8.1; 101 has no place here, and what is about the connection is left out."""
    gate = started()
    gate.receive(headers(1))
    gate.streams[1].send_head(read_response(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"))
    gate.streams[1].send_whole(read_response(b"HTTP/1.1 404 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), b"")
    sent = frames(gate.sent())
    assert [(kind, flags) for kind, flags, *_ in sent] == [(HEADERS, 4), (HEADERS, 5)]
    assert sent[1][3] == b"\x8d\x0f\x0d\x010"


def test_a_tunnel_opens_with_200() -> None:
    """RFC 8441, 5."""
    gate = started()
    fields = ((b":method", b"CONNECT"), (b":protocol", b"websocket"), *GET[1:])
    gate.receive(headers(1, fields, flags=0))
    assert gate.heads[1].upgrade
    answer = b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n"
    gate.streams[1].switch(read_response(answer + b"Sec-WebSocket-Protocol: a\r\n\r\n"))
    gate.streams[1].send_content(b"frame")
    sent = frames(gate.sent())
    assert sent == [(HEADERS, 4, 1, b"\x20\x88\x00\x16sec-websocket-protocol\x01a"), (DATA, 0, 1, b"frame")]
    gate.receive(frame(DATA, 0, 1, b"back") + frame(DATA, END_STREAM, 1))
    assert gate.told[1:] == [(1, "content", b"back"), (1, "end", b"")]


@pytest.mark.parametrize("size", [16384, 16385, 50_000])
def test_a_long_head_is_continued(size: int) -> None:
    """RFC 9113, 6.10."""
    gate = started()
    gate.receive(headers(1))
    gate.streams[1].send_head(OPEN, b"x: " + b"y" * size + b"\r\n")
    sent = frames(gate.sent())
    assert {len(data) for _, _, _, data in sent[:-1]} == {MAX_FRAME}
    assert [flags for _, flags, _, _ in sent] == [0] * (len(sent) - 1) + [4]


@pytest.mark.parametrize("over", ["the peer has ended", "it was reset"])
def test_a_stream_that_takes_no_more_gives_no_credit(over: str) -> None:
    """RFC 9113, 6.9: a window for nothing."""
    gate = started()
    gate.receive(OPEN_1)
    upload(gate, 1, 40_000, end=over == "the peer has ended")
    if over == "it was reset":
        gate.streams[1].reset()
    gate.sent()
    gate.streams[1].consumed(40_000)
    assert gate.receive(b"") == []


@pytest.mark.parametrize("size", [16370, 16384, 50_000])
def test_a_long_head_of_a_small_answer_is_continued(size: int) -> None:
    """RFC 9113, 4.2 and 6.10: no frame has more than 16,384 bytes; the body follows."""
    gate = started()
    gate.receive(headers(1))
    gate.streams[1].send_whole(OK, b"hello", b"x: " + b"y" * size + b"\r\n")
    sent = frames(gate.sent())
    assert max(len(data) for *_, data in sent) <= MAX_FRAME
    assert b"".join(data for kind, _, _, data in sent if kind != DATA).endswith(b"y" * size)
    assert sent[-1] == (DATA, 1, 1, b"hello")


def test_a_small_answer_waits_for_its_turn() -> None:
    """RFC 9218, 10: behind what is ready already."""
    gate = started()
    gate.receive(headers(1) + headers(3))
    gate.streams[1].send_head(OPEN)
    gate.streams[1].send_content(bytes(20_000))
    gate.answer(3)
    sent = [(kind, stream_id, len(data)) for kind, _, stream_id, data in frames(gate.sent()) if kind == DATA]
    assert sent == [(DATA, 1, 16384), (DATA, 3, 5), (DATA, 1, 3616)]


def test_a_small_answer_waits_for_the_connections_window() -> None:
    """RFC 9113, 6.9.1: three bytes are left of it."""
    gate = started()
    gate.receive(settings_frame([(4, 2**20)]) + headers(1) + headers(3))
    gate.streams[1].send_head(OPEN)
    gate.streams[1].send_content(bytes(65_532))
    gate.sent()
    gate.answer(3)
    assert frames(gate.sent())[-1] == (DATA, 0, 3, b"hel")
    assert gate.receive(window_update(0, 9)) == [(DATA, 1, 3, b"lo")]


def test_a_stream_that_is_complete_is_not_reset() -> None:
    """RFC 9113, 5.1: it is closed for both."""
    gate = started()
    gate.receive(headers(1))
    gate.streams[1].send_whole(OK, b"hello")
    gate.sent()
    gate.streams[1].reset()
    gate.streams[1].finished()
    assert gate.sent() == b""
    assert not gate.connection.streams
