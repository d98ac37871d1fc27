"""Flow control and sending: windows both ways, turns, back-pressure."""

import pytest

from gatekeeper.wire.http2.frames import (
    DATA,
    END_STREAM,
    HEADERS,
    MAX_FRAME,
    RST_STREAM,
    WINDOW_UPDATE,
    ErrorCode,
    settings_frame,
)
from gatekeeper.wire.http2.messages import DISCARD_SECONDS
from gatekeeper.wire.http2.stream import MAX_STREAM_WINDOW, SEND_HIGH, STREAM_WINDOW
from gatekeeper.wire.response import read_response
from tests.wire.http2.peers import GET, OK, OPEN, POST, Gate, frame, frames, headers, started

OPEN_1 = headers(1, POST, flags=0)


def window_update(stream_id: int, size: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream_id, size.to_bytes(4))


def upload(gate: Gate, stream_id: int, size: int, end: bool = False) -> list[tuple[int, int, int, bytes]]:
    sent = []
    while size > 0:
        piece = min(size, MAX_FRAME)
        size -= piece
        sent += gate.receive(frame(DATA, int(end and not size), stream_id, bytes(piece)))
    return sent


def credit(sent: list[tuple[int, int, int, bytes]], stream_id: int) -> int:
    return sum(int.from_bytes(data) for kind, _, id_, data in sent if kind == WINDOW_UPDATE and id_ == stream_id)


def test_stream_credit_is_given_when_bytes_were_consumed() -> None:
    """RFC 9113, 6.9: not before, or a slow app would fill our memory."""
    gate = started()
    gate.receive(OPEN_1)
    assert credit(upload(gate, 1, STREAM_WINDOW), 1) == 0
    gate.streams[1].consumed(STREAM_WINDOW // 2 - 1)
    assert gate.receive(b"") == []
    gate.streams[1].consumed(1)
    assert credit(gate.receive(b""), 1) == STREAM_WINDOW // 2


def test_a_stream_that_ignores_its_window_is_reset() -> None:
    """RFC 9113, 6.9.1."""
    gate = started()
    gate.receive(OPEN_1)
    upload(gate, 1, STREAM_WINDOW)
    assert gate.receive(frame(DATA, 0, 1, b"x")) == [(RST_STREAM, 0, 1, b"\0\0\0\x03")]
    assert gate.told[-1] == (1, "reset", ErrorCode.FLOW_CONTROL_ERROR)


def test_stalled_uploads_do_not_stall_others() -> None:
    """Connection credit comes back at once: twenty streams hold more than its window."""
    gate = started()
    given = 0
    for stream_id in range(1, 61, 2):
        gate.receive(headers(stream_id, POST, flags=0))
        given += credit(upload(gate, stream_id, STREAM_WINDOW), 0)
    assert gate.failure is None
    assert given >= 30 * STREAM_WINDOW - 1024 * 1024


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


def test_all_windows_together_grow_no_further_than_their_bound() -> None:
    """What one connection can make us hold is bounded, and comes back with its streams."""
    gate = started()
    for stream_id in range(1, 21, 2):
        gate.receive(headers(stream_id, POST, flags=0))
        for _ in range(200):
            upload(gate, stream_id, MAX_FRAME)
            gate.streams[stream_id].consumed(MAX_FRAME)
    windows = sum(stream.window - STREAM_WINDOW for stream in gate.streams.values())
    assert windows <= 4 * 1024 * 1024
    for stream in gate.streams.values():
        stream.reset()
        stream.finished()
    assert gate.connection.may_grow(4 * 1024 * 1024)


def test_padding_gives_its_credit_back_by_itself() -> None:
    """The app never sees it."""
    gate = started()
    gate.receive(OPEN_1)
    sent = []
    for _ in range(200):
        sent += gate.receive(frame(DATA, 8, 1, b"\xffx" + bytes(255)))
        gate.streams[1].consumed(1)
    assert credit(sent, 1) >= 200 * 257 // 2
    assert gate.failure is None


def test_what_nobody_wants_is_thrown_away_with_credit() -> None:
    """An early answer to an upload: clients see it if we read on (RFC 9113, 8.1), up to a limit."""
    gate = started()
    gate.receive(OPEN_1)
    upload(gate, 1, 20_000)
    gate.answer(1)
    assert [kind for kind, *_ in frames(gate.sent())] == [HEADERS, DATA]
    sent = []
    for _ in range(20):
        sent += upload(gate, 1, MAX_FRAME)
    assert credit(sent, 1) > 5 * STREAM_WINDOW
    gate.connection.receive(frame(DATA, 0, 1, b"x"), DISCARD_SECONDS + 1)
    assert frames(gate.sent())[-1] == (RST_STREAM, 0, 1, bytes(4))
    assert not gate.connection.streams


def test_an_upload_that_ends_closes_its_stream() -> None:
    """Nothing is left of it."""
    gate = started()
    gate.receive(OPEN_1)
    gate.answer(1)
    upload(gate, 1, 20_000, end=True)
    assert not gate.connection.streams
    assert gate.connection.active == 0


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


def test_streams_take_turns_of_one_frame() -> None:
    """RFC 9218, 10 leaves the order to us."""
    gate = started()
    gate.receive(settings_frame([(4, 2**20)]) + window_update(0, 2**20) + headers(1) + headers(3))
    for stream_id in (1, 3):
        gate.streams[stream_id].send_head(OPEN)
        gate.streams[stream_id].send_content(bytes(40_000))
        gate.streams[stream_id].send_end()
    sent = [(stream_id, len(data), flags) for kind, flags, stream_id, data in frames(gate.sent()) if kind == DATA]
    assert sent == [(1, 16384, 0), (3, 16384, 0), (1, 16384, 0), (3, 16384, 0), (1, 7232, 1), (3, 7232, 1)]


def test_a_stalled_stream_does_not_stall_the_others() -> None:
    """RFC 9113, 5.2: windows are each stream's own."""
    gate = started()
    gate.receive(settings_frame([(4, 10)]) + window_update(0, 2**20) + headers(1) + headers(3))
    for stream_id in (1, 3):
        gate.streams[stream_id].send_head(OPEN)
        gate.streams[stream_id].send_content(bytes(30))
        gate.streams[stream_id].send_end(b"x-t: 1\r\n")
    gate.sent()
    sent = gate.receive(window_update(3, 20))
    assert [(kind, flags, stream_id, len(data)) for kind, flags, stream_id, data in sent] == [
        (DATA, 0, 3, 20),
        (HEADERS, 5, 3, 7),
    ]
    assert gate.streams[1].unsent == 20


def test_the_connections_window_holds_all() -> None:
    """RFC 9113, 6.9.1: 65,535 bytes until the visitor gives more."""
    gate = started()
    gate.receive(settings_frame([(4, 2**20)]) + headers(1))
    gate.streams[1].send_head(OPEN)
    gate.streams[1].send_content(bytes(100_000))
    assert sum(len(data) for kind, _, _, data in frames(gate.sent()) if kind == DATA) == 65_535
    assert not gate.connection.data_to_send()
    assert sum(len(data) for kind, _, _, data in gate.receive(window_update(0, 2**20)) if kind == DATA) == 34_465


def test_settings_may_take_windows_below_zero() -> None:
    """RFC 9113, 6.9.2."""
    gate = started()
    gate.receive(headers(1))
    stream = gate.streams[1]
    stream.send_head(OPEN)
    stream.send_content(bytes(60_000))
    gate.sent()
    gate.receive(settings_frame([(4, 100)]))
    assert stream.send_window == 100 - 60_000
    stream.send_content(b"x")
    assert gate.receive(window_update(1, 59_900)) == []
    assert gate.receive(window_update(1, 1)) == [(DATA, 0, 1, b"x")]


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
