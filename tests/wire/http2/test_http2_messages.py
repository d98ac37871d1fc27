"""DATA, HEADERS and CONTINUATION as they come in: windows, padding, trailers, and bodies that nobody wants."""

import pytest

from gatekeeper.wire.http2.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    MAX_FRAME,
    PADDED,
    PRIORITY_FLAG,
    RST_STREAM,
    ErrorCode,
)
from gatekeeper.wire.http2.messages import DISCARD_SECONDS, MAX_CONTINUATIONS
from gatekeeper.wire.http2.stream import STREAM_WINDOW
from tests.wire.http2.peers import (
    GET,
    OPEN_1,
    POST,
    Owner,
    block,
    credit,
    frame,
    frames,
    headers,
    started,
    upload,
)


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


@pytest.mark.parametrize(("count", "size"), [(MAX_CONTINUATIONS + 1, 1), (5, 16384)], ids=["many", "large"])
def test_a_block_without_end_ends_the_connection(count: int, size: int) -> None:
    """CVE-2024-27983: before it is complete."""
    gate = started()
    gate.receive(frame(HEADERS, 1, 1, block(*POST)))
    for _ in range(count):
        gate.receive(frame(CONTINUATION, 0, 1, b"\x82" * size))
    assert gate.failure is not None
    assert gate.failure.code == ErrorCode.ENHANCE_YOUR_CALM


def test_padding_is_taken_off_and_counts_for_no_length() -> None:
    """RFC 9113, 6.1 and 8.1.1."""
    gate = started()
    gate.receive(headers(1, (*POST, (b"content-length", b"2")), flags=0))
    gate.receive(frame(DATA, PADDED | END_STREAM, 1, b"\x05xy" + bytes(5)))
    assert gate.told[1:] == [(1, "content", b"xy"), (1, "end", b"")]


def test_a_padded_head_with_priority_in_pieces_is_read() -> None:
    """RFC 9113, 6.2 and 6.10."""
    gate = started()
    fields = block(*GET)
    gate.receive(
        frame(HEADERS, END_STREAM | PADDED | PRIORITY_FLAG, 1, b"\x03" + bytes(5) + fields[:4] + bytes(3))
        + frame(CONTINUATION, 0, 1, fields[4:6])
        + frame(CONTINUATION, END_HEADERS, 1, fields[6:])
    )
    assert gate.told == [(1, "request", b"/", True)]
    assert gate.headers_begun == 1


def test_trailers_pass_but_for_those_that_may_not() -> None:
    """RFC 9110, 6.5.1; and identity comes by no trailer either."""
    gate = started(stripped=frozenset({b"x-device"}))
    gate.receive(OPEN_1)
    gate.receive(headers(1, [(b"grpc-status", b"0"), (b"remote-user", b"x"), (b"x_device", b"y"), (b"cookie", b"z")]))
    assert gate.told[1:] == [(1, "end", b"grpc-status: 0\r\n")]


def test_nothing_is_told_behind_the_owners_reset() -> None:
    """It resets the stream when it sees the content: the end that came with it is nobody's."""
    gate = started()
    gate.receive(OPEN_1)
    stream = gate.streams[1]
    owner = Owner(gate.told, 1)
    owner.content = lambda data: stream.reset()  # type: ignore[method-assign]
    stream.handler = owner
    gate.receive(frame(DATA, 1, 1, b"x"))
    assert gate.told == [(1, "request", b"/", False)]


def test_the_body_of_a_refused_request_is_ignored() -> None:
    """RFC 9113, 8.7: it was on its way before REFUSED_STREAM came."""
    gate = started(max_streams=1)
    gate.receive(OPEN_1)
    gate.receive(headers(3, POST, flags=0) + frame(DATA, 1, 3, b"x"))
    assert gate.failure is None
    assert list(gate.heads) == [1]


def test_trailers_of_a_stream_that_was_reset_are_nobodys() -> None:
    """They crossed our RST_STREAM (RFC 9113, 5.1), and its owner is not done with it yet."""
    gate = started()
    gate.receive(OPEN_1)
    gate.streams[1].reset()
    gate.receive(headers(1, [(b"x", b"y")]))
    assert gate.failure is None
    assert gate.told[1:] == []
