"""What both ends of a connection do alike: the peer's windows, turns of the streams, replies, late field blocks."""

import pytest

from gatekeeper.wire.http2.connection import MAX_QUEUED_REPLIES
from gatekeeper.wire.http2.frames import (
    DATA,
    HEADERS,
    MAX_FRAME,
    PING,
    ErrorCode,
    settings_frame,
)
from gatekeeper.wire.http2.stream import STREAM_WINDOW
from tests.wire.http2.peers import (
    OPEN,
    OPEN_1,
    POST,
    START,
    Gate,
    block,
    frame,
    frames,
    headers,
    started,
    upload,
    window_update,
)


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


def test_replies_that_nobody_reads_end_the_connection() -> None:
    """CVE-2019-9512: here the transport takes nothing."""
    gate = started()
    for _ in range(MAX_QUEUED_REPLIES + 1):
        gate.connection.receive(frame(PING, 0, 0, bytes(8)), 0.0)
    assert gate.failure is None
    gate.connection.receive(frame(PING, 0, 0, bytes(8)), 0.0)
    assert gate.failure is not None
    assert gate.failure.code == ErrorCode.ENHANCE_YOUR_CALM


def test_every_block_that_comes_late_has_its_own_time() -> None:
    """Two on the same stream, which is over, so that its number tells nothing."""
    gate = started()
    gate.receive(headers(1, POST, flags=0))
    gate.streams[1].reset(ErrorCode.CANCEL)
    late = headers(1, ((b"x", b"y"),))
    for count in (1, 2):
        gate.receive(late[:-1])
        assert gate.headers_begun == count
        gate.receive(late[-1:])
        gate.connection.expire_block()
    assert gate.failure is None


def test_a_connection_that_failed_does_not_fail_again_for_its_open_block() -> None:
    """Its owner has been told."""
    gate = started()
    gate.receive(frame(HEADERS, 1, 1, block(*POST)) + frame(PING, 0, 0, bytes(8)))
    failure = gate.failure
    assert failure is not None
    gate.connection.expire_block()
    assert gate.failure is failure


@pytest.mark.parametrize("size", [1, 8, 9, 10])
def test_frames_in_pieces_are_read_as_in_one(size: int) -> None:
    """The preface too; a frame is acted on when its last byte is there."""
    data = START + headers(1, POST, flags=0) + frame(DATA, 1, 1, b"hello") + frame(PING, 0, 0, b"12345678")
    gate = Gate()
    for at in range(0, len(data), size):
        gate.connection.receive(data[at : at + size], 0.0)
    assert gate.told == [(1, "request", b"/", False), (1, "content", b"hello"), (1, "end", b"")]
    assert frames(gate.sent())[-1] == (PING, 1, 0, b"12345678")


def test_a_frame_may_have_16384_bytes() -> None:
    """RFC 9113, 4.2: as large as everybody must take."""
    gate = started()
    gate.receive(OPEN_1 + b"\0\x40\0\0\0\0\0\0\x01" + bytes(16384))
    assert gate.failure is None
    assert gate.told[-1] == (1, "content", bytes(16384))


def test_the_connections_window_is_given_back_in_halves() -> None:
    """RFC 9113, 6.9: and not for each frame."""
    gate = started()
    sent = []
    for stream_id in range(1, 19, 2):
        gate.receive(headers(stream_id, POST, flags=0))
        for _ in range(4):
            sent += [one for one in gate.receive(frame(DATA, 0, stream_id, bytes(16384))) if one[:3] == (8, 0, 0)]
    assert sent == [(8, 0, 0, (512 * 1024).to_bytes(4))]


def test_the_window_of_the_connection_is_held() -> None:
    """RFC 9113, 6.9.1: a peer that sends more than both windows allow loses the connection, not the stream alone."""
    gate = started()
    gate.receive(OPEN_1)
    gate.connection.receive_window = 3
    gate.receive(frame(DATA, 0, 1, b"abcd"))
    assert gate.failure is not None
    assert gate.failure.code == ErrorCode.FLOW_CONTROL_ERROR


def test_a_reset_is_remembered_for_256_streams() -> None:
    """RFC 9113, 5.1: what crossed it is no error. An older one is forgotten, or the memory would grow."""
    gate = started()
    for stream_id in range(1, 515, 2):
        gate.receive(headers(stream_id, POST, flags=0))
        gate.streams[stream_id].reset()
        gate.streams[stream_id].finished()
    gate.receive(frame(DATA, 0, 3, b"x"))
    assert gate.failure is None
    gate.receive(frame(DATA, 0, 1, b"x"))
    assert gate.failure is not None
    assert gate.failure.code == ErrorCode.STREAM_CLOSED


def test_nothing_but_goaway_goes_out_behind_a_failure() -> None:
    """RFC 9113, 5.4.1: what was ready to be sent belongs to streams that are lost."""
    gate = started()
    gate.receive(headers(1))
    gate.streams[1].send_head(OPEN)
    gate.streams[1].send_content(b"abc")
    assert [kind for kind, *_ in gate.receive(frame(PING, 0, 1, bytes(8)))] == [1, 7]
