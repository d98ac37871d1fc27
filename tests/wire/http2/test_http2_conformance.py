"""RFC 9113 by sections: frames of every type in every state of a stream, and what each is answered with.

The expected error codes are those that the section names.
"""

import pytest

from gatekeeper.wire.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    MAX_FRAME,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PRIORITY_FLAG,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    ErrorCode,
    settings_frame,
)
from tests.wire.http2.peers import GET, POST, START, Gate, block, frame, frames, headers, started

OPEN_1 = headers(1, POST, flags=0)
HALF_CLOSED_1 = headers(1)
RESET_1 = OPEN_1 + frame(RST_STREAM, 0, 1, b"\0\0\0\x08")
WINDOW = b"\0\0\0\x01"
E = ErrorCode

CONNECTION_ERRORS = {
    # 3.4 and 6.5: the beginning.
    "3.4 no preface": (b"GET / HTTP/1.1\r\n\r\n", E.PROTOCOL_ERROR),
    "3.4 no SETTINGS": (PREFACE + HALF_CLOSED_1, E.PROTOCOL_ERROR),
    "3.4 SETTINGS are acknowledged first": (PREFACE + frame(SETTINGS, ACK, 0), E.PROTOCOL_ERROR),
    # 4.2
    "4.2 a large frame": (START + frame(DATA, 0, 1, bytes(MAX_FRAME + 1)), E.FRAME_SIZE_ERROR),
    # 4.3
    "4.3 a broken block": (START + frame(HEADERS, 5, 1, b"\x80"), E.COMPRESSION_ERROR),
    # 5.1: idle
    "5.1 idle: DATA": (START + frame(DATA, 0, 1, b"x"), E.PROTOCOL_ERROR),
    "5.1 idle: RST_STREAM": (START + frame(RST_STREAM, 0, 1, bytes(4)), E.PROTOCOL_ERROR),
    "5.1 idle: WINDOW_UPDATE": (START + frame(WINDOW_UPDATE, 0, 1, WINDOW), E.PROTOCOL_ERROR),
    "5.1 idle: CONTINUATION": (START + frame(CONTINUATION, 4, 1, block(*GET)), E.PROTOCOL_ERROR),
    "5.1 idle: PUSH_PROMISE": (START + frame(PUSH_PROMISE, 4, 1, bytes(4)), E.PROTOCOL_ERROR),
    # 5.1: half-closed by the peer
    "5.1 half-closed: DATA": (START + HALF_CLOSED_1 + frame(DATA, 0, 1, b"x"), E.STREAM_CLOSED),
    "5.1 half-closed: HEADERS": (START + HALF_CLOSED_1 + HALF_CLOSED_1, E.STREAM_CLOSED),
    "5.1 half-closed: CONTINUATION": (START + HALF_CLOSED_1 + frame(CONTINUATION, 4, 1, b""), E.PROTOCOL_ERROR),
    # 5.1.1
    "5.1.1 even": (START + headers(2), E.PROTOCOL_ERROR),
    "5.1.1 backwards": (START + headers(5) + headers(3), E.STREAM_CLOSED),
    # 6.1
    "6.1 DATA on 0": (START + frame(DATA, 0, 0, b"x"), E.PROTOCOL_ERROR),
    "6.1 padding": (START + OPEN_1 + frame(DATA, PADDED, 1, b"\x02\0"), E.PROTOCOL_ERROR),
    "6.1 padding of an empty frame": (START + OPEN_1 + frame(DATA, PADDED, 1, b""), E.PROTOCOL_ERROR),
    # 6.2
    "6.2 HEADERS on 0": (START + headers(0), E.PROTOCOL_ERROR),
    "6.2 padding": (START + frame(HEADERS, 5 | PADDED, 1, b"\xff\x82"), E.PROTOCOL_ERROR),
    "6.2 short priority": (START + frame(HEADERS, 5 | PRIORITY_FLAG, 1, bytes(4)), E.FRAME_SIZE_ERROR),
    # 6.3
    "6.3 PRIORITY on 0": (START + frame(PRIORITY, 0, 0, bytes(5)), E.PROTOCOL_ERROR),
    "6.3 short PRIORITY": (START + frame(PRIORITY, 0, 1, bytes(4)), E.FRAME_SIZE_ERROR),
    # 6.4
    "6.4 RST_STREAM on 0": (START + frame(RST_STREAM, 0, 0, bytes(4)), E.PROTOCOL_ERROR),
    "6.4 short RST_STREAM": (START + OPEN_1 + frame(RST_STREAM, 0, 1, bytes(3)), E.FRAME_SIZE_ERROR),
    # 6.5
    "6.5 SETTINGS on 1": (START + frame(SETTINGS, 0, 1), E.PROTOCOL_ERROR),
    "6.5 length": (START + frame(SETTINGS, 0, 0, bytes(5)), E.FRAME_SIZE_ERROR),
    "6.5 an acknowledgement with content": (START + frame(SETTINGS, ACK, 0, bytes(6)), E.FRAME_SIZE_ERROR),
    "6.5.2 push": (START + settings_frame([(2, 2)]), E.PROTOCOL_ERROR),
    "6.5.2 window": (START + settings_frame([(4, 2**31)]), E.FLOW_CONTROL_ERROR),
    "6.5.2 small frames": (START + settings_frame([(5, 16383)]), E.PROTOCOL_ERROR),
    "6.5.2 large frames": (START + settings_frame([(5, 2**24)]), E.PROTOCOL_ERROR),
    "8441 3 connect": (START + settings_frame([(8, 2)]), E.PROTOCOL_ERROR),
    # 6.6
    "6.6 PUSH_PROMISE": (START + OPEN_1 + frame(PUSH_PROMISE, 4, 1, bytes(4)), E.PROTOCOL_ERROR),
    # 6.7
    "6.7 PING on 1": (START + frame(PING, 0, 1, bytes(8)), E.PROTOCOL_ERROR),
    "6.7 short PING": (START + frame(PING, 0, 0, bytes(7)), E.FRAME_SIZE_ERROR),
    # 6.8
    "6.8 GOAWAY on 1": (START + frame(GOAWAY, 0, 1, bytes(8)), E.PROTOCOL_ERROR),
    "6.8 short GOAWAY": (START + frame(GOAWAY, 0, 0, bytes(7)), E.FRAME_SIZE_ERROR),
    # 6.9
    "6.9 short WINDOW_UPDATE": (START + frame(WINDOW_UPDATE, 0, 0, bytes(3)), E.FRAME_SIZE_ERROR),
    "6.9 by nothing": (START + frame(WINDOW_UPDATE, 0, 0, bytes(4)), E.PROTOCOL_ERROR),
    "6.9.1 too large": (START + frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"), E.FLOW_CONTROL_ERROR),
    "6.9.2 by SETTINGS": (
        START + OPEN_1 + frame(WINDOW_UPDATE, 0, 1, WINDOW) + settings_frame([(4, 2**31 - 1)]),
        E.FLOW_CONTROL_ERROR,
    ),
    # 6.10
    "6.10 another frame": (START + frame(HEADERS, 1, 1, b"") + frame(PING, 0, 0, bytes(8)), E.PROTOCOL_ERROR),
    "6.10 another stream": (START + frame(HEADERS, 1, 1, b"") + frame(CONTINUATION, 4, 3, b""), E.PROTOCOL_ERROR),
    "6.10 an unknown frame": (START + frame(HEADERS, 1, 1, b"") + frame(0x20, 0, 0, b""), E.PROTOCOL_ERROR),
}


@pytest.mark.parametrize(("data", "code"), CONNECTION_ERRORS.values(), ids=CONNECTION_ERRORS)
@pytest.mark.parametrize("pieces", [False, True], ids=["whole", "byte by byte"])
def test_a_connection_error_is_answered_with_goaway(data: bytes, code: ErrorCode, pieces: bool) -> None:
    """RFC 9113, 5.4.1; and nothing that comes behind it is read."""
    gate = Gate()
    step = 1 if pieces else len(data)
    for at in range(0, len(data), step):
        gate.connection.receive(data[at : at + step], 0.0)
    assert gate.failure is not None
    assert gate.failure.code == code
    kind, _, _, payload = frames(gate.sent())[-1]
    assert (kind, payload[4:]) == (GOAWAY, int(code).to_bytes(4))
    told = list(gate.told)
    assert gate.receive(headers(99)) == []
    assert gate.told == told


STREAM_CLOSED = {
    "DATA": frame(DATA, 0, 1, b"x"),
    "HEADERS": headers(1),
}


@pytest.mark.parametrize("data", STREAM_CLOSED.values(), ids=STREAM_CLOSED)
def test_a_closed_stream_takes_no_message(data: bytes) -> None:
    """RFC 9113, 5.1: closed."""
    gate = started()
    gate.receive(HALF_CLOSED_1)
    gate.answer(1)
    gate.receive(data)
    assert gate.failure is not None
    assert gate.failure.code == ErrorCode.STREAM_CLOSED


@pytest.mark.parametrize("data", STREAM_CLOSED.values(), ids=STREAM_CLOSED)
def test_a_stream_that_the_peer_reset_takes_no_message(data: bytes) -> None:
    """RFC 9113, 5.1: closed, and it knew."""
    gate = started()
    gate.receive(RESET_1)
    gate.streams[1].finished()
    gate.receive(data)
    assert gate.failure is not None
    assert gate.failure.code == ErrorCode.STREAM_CLOSED


HARMLESS = {
    "RST_STREAM": frame(RST_STREAM, 0, 1, bytes(4)),
    "WINDOW_UPDATE": frame(WINDOW_UPDATE, 0, 1, WINDOW),
    "PRIORITY": frame(PRIORITY, 0, 1, bytes(5)),
    "PRIORITY of an idle stream": frame(PRIORITY, 0, 77, bytes(5)),
    "PRIORITY_UPDATE": frame(0x10, 0, 0, bytes(4)),
    "an unknown frame": frame(0xFF, 0xFF, 1, b"x"),
    "SETTINGS of an unknown kind": settings_frame([(0xFE03, 1)]),
    "GOAWAY": frame(GOAWAY, 0, 0, bytes(8)),
}


@pytest.mark.parametrize("data", HARMLESS.values(), ids=HARMLESS)
def test_what_may_come_on_a_closed_stream_does_no_harm(data: bytes) -> None:
    """RFC 9113, 5.1 and 5.5."""
    gate = started()
    gate.receive(HALF_CLOSED_1)
    gate.answer(1)
    gate.receive(data)
    assert gate.failure is None
    gate.receive(headers(3))
    assert 3 in gate.heads


@pytest.mark.parametrize("data", [*STREAM_CLOSED.values(), *HARMLESS.values()])
def test_what_crossed_our_reset_is_ignored(data: bytes) -> None:
    """RFC 9113, 5.1: the peer could not know."""
    gate = started()
    gate.receive(OPEN_1)
    gate.streams[1].reset()
    gate.streams[1].finished()
    gate.receive(data)
    assert gate.failure is None


STREAM_ERRORS = {
    "6.9 by nothing": (POST, frame(WINDOW_UPDATE, 0, 1, bytes(4)), E.PROTOCOL_ERROR),
    "6.9.1 too large": (POST, frame(WINDOW_UPDATE, 0, 1, b"\x7f\xff\xff\xff"), E.FLOW_CONTROL_ERROR),
    "8.1 trailers that end nothing": (POST, headers(1, [(b"x", b"y")], flags=0), E.PROTOCOL_ERROR),
    "8.1 pseudo in trailers": (POST, headers(1, [(b":path", b"/")]), E.PROTOCOL_ERROR),
    "8.2 upper case in trailers": (POST, headers(1, [(b"X", b"y")]), E.PROTOCOL_ERROR),
    "8.2.2 connection in trailers": (POST, headers(1, [(b"connection", b"x")]), E.PROTOCOL_ERROR),
    "large trailers": (POST, headers(1, [(b"x", b"y" * 9000)]), E.PROTOCOL_ERROR),
    "8.1.1 too long": ((*POST, (b"content-length", b"1")), frame(DATA, 0, 1, b"xy"), E.PROTOCOL_ERROR),
    "8.1.1 too short": ((*POST, (b"content-length", b"3")), frame(DATA, 1, 1, b"xy"), E.PROTOCOL_ERROR),
    "8.1.1 more than nothing": ((*POST, (b"content-length", b"0")), frame(DATA, 1, 1, b"x"), E.PROTOCOL_ERROR),
    "8.1.1 too short, trailers": (
        (*POST, (b"content-length", b"3")),
        headers(1, [(b"x", b"y")]),
        E.PROTOCOL_ERROR,
    ),
}


@pytest.mark.parametrize(("fields", "data", "code"), STREAM_ERRORS.values(), ids=STREAM_ERRORS)
def test_a_stream_error_resets_the_stream_alone(
    fields: tuple[tuple[bytes, bytes], ...], data: bytes, code: ErrorCode
) -> None:
    """RFC 9113, 5.4.2: the owner hears it, and no content or end before."""
    gate = started()
    gate.receive(headers(1, fields, flags=0))
    sent = gate.receive(data)
    assert sent == [(RST_STREAM, 0, 1, int(code).to_bytes(4))]
    assert gate.told[1:] == [(1, "reset", code)]
    assert gate.failure is None
    gate.receive(headers(3))
    assert 3 in gate.heads


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


def test_settings_and_pings_are_acknowledged() -> None:
    """RFC 9113, 6.5.3 and 6.7; acknowledgements themselves are not."""
    gate = Gate()
    sent = gate.receive(START + frame(PING, 0, 0, b"12345678") + frame(PING, ACK, 0, b"12345678"))
    assert [(kind, flags) for kind, flags, *_ in sent] == [(SETTINGS, 0), (WINDOW_UPDATE, 0), (SETTINGS, 1), (PING, 1)]
    assert sent[-1][3] == b"12345678"


def test_a_request_over_the_limit_is_refused_and_may_be_repeated() -> None:
    """RFC 9113, 5.1.2. A cancelled one counts until its owner is done with it (CVE-2023-44487)."""
    gate = started(max_streams=1)
    gate.receive(RESET_1)
    assert gate.told[1:] == [(1, "reset", 8)]
    assert gate.receive(headers(3)) == [(RST_STREAM, 0, 3, b"\0\0\0\x07")]
    gate.streams[1].finished()
    gate.receive(headers(5))
    assert list(gate.heads) == [1, 5]


def test_what_begins_after_goaway_is_read_and_ignored() -> None:
    """RFC 9113, 6.8: for the table's sake; the peer may repeat it elsewhere."""
    gate = started()
    gate.receive(OPEN_1)
    gate.connection.go_away()
    gate.connection.go_away()
    assert gate.receive(b"") == [(GOAWAY, 0, 0, b"\0\0\0\x01" + bytes(4))]
    gate.receive(headers(3, POST, flags=0) + frame(DATA, 1, 3, b"x") + frame(RST_STREAM, 0, 3, bytes(4)))
    gate.receive(frame(DATA, 1, 1, b"x"))
    assert gate.failure is None
    assert gate.told[1:] == [(1, "content", b"x"), (1, "end", b"")]


def test_draining_takes_what_is_on_its_way() -> None:
    """RFC 9113, 6.8: first the highest number, and the last one when the visitor has read that."""
    gate = started()
    gate.connection.drain()
    first, ping = gate.receive(b"")
    assert first == (GOAWAY, 0, 0, b"\x7f\xff\xff\xff" + bytes(4))
    gate.receive(headers(1))
    assert gate.receive(frame(PING, ACK, 0, ping[3])) == [(GOAWAY, 0, 0, b"\0\0\0\x01" + bytes(4))]
    gate.receive(headers(3))
    assert list(gate.heads) == [1]


def test_a_probe_tells_when_all_was_read() -> None:
    """RFC 9113, 6.7: the answer to the last of several; one to a PING that was never sent tells nothing."""
    gate = started()
    gate.receive(frame(PING, ACK, 0, b"read yet"))
    gate.connection.probe()
    gate.connection.probe()
    first, second = gate.receive(frame(PING, ACK, 0, b"whatever"))
    assert (first[:3], second[:3]) == ((PING, 0, 0), (PING, 0, 0))
    gate.receive(frame(PING, ACK, 0, first[3]))
    assert gate.told == []
    gate.receive(frame(PING, ACK, 0, second[3]))
    assert gate.told == [(0, "probed")]


def test_goaway_of_the_visitor_is_told() -> None:
    """It begins nothing more."""
    gate = started()
    gate.receive(frame(GOAWAY, 0, 0, b"\0\0\0\0" + b"\0\0\0\x02" + b"debug"))
    assert gate.told == [(0, "going away", 0, 2)]
