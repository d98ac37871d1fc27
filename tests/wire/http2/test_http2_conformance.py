"""RFC 9113 by sections: frames of every type in every state of a stream, and what each is answered with.

The expected error codes are those that the section names.
"""

import pytest

from gatekeeper.wire.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
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
from tests.wire.http2.peers import (
    GET,
    OPEN_1,
    POST,
    START,
    Gate,
    block,
    frame,
    frames,
    headers,
    started,
)

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
    "5.1.1 backwards": (START + headers(5) + headers(3), E.PROTOCOL_ERROR),
    "5.1.1 backwards to the first": (START + headers(15) + headers(1), E.PROTOCOL_ERROR),
    "5.1.1 once more": (START + headers(1) + headers(5) + headers(1), E.STREAM_CLOSED),
    # RFC 7540, 5.3.1
    "7540 5.3.1 PRIORITY on itself": (START + frame(PRIORITY, 0, 1, b"\0\0\0\x01\0"), E.PROTOCOL_ERROR),
    "7540 5.3.1 HEADERS on itself": (
        START + frame(HEADERS, 5 | PRIORITY_FLAG, 1, b"\x80\0\0\x01\0" + block(*GET)),
        E.PROTOCOL_ERROR,
    ),
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
    "9218 2.1 no priorities": (START + settings_frame([(9, 2)]), E.PROTOCOL_ERROR),
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


# RFC 9113, 5.1: what has happened on stream 1 before the frame comes. The gate never promises a stream, so none is
# reserved.
STATES = (
    "idle",
    "open",
    "half-closed (remote)",
    "half-closed (local)",
    "closed",
    "closed by their RST_STREAM",
    "closed by our RST_STREAM",
    "ignored behind our GOAWAY",
)
# The frame on stream 1, and what follows in each of these states, in their order: nothing (""), a code of GOAWAY, or
# "request" for a new one, "rejected" for one that is malformed.
PROTOCOL, CLOSED = "PROTOCOL_ERROR", "STREAM_CLOSED"
FRAMES = {
    "DATA": (frame(DATA, 0, 1, b"x"), (PROTOCOL, "", CLOSED, "", CLOSED, CLOSED, "", "")),
    "DATA, END_STREAM": (frame(DATA, 1, 1, b"x"), (PROTOCOL, "", CLOSED, "", CLOSED, CLOSED, "", "")),
    "HEADERS of trailers": (
        headers(1, [(b"x", b"y")]),
        ("rejected", "", CLOSED, "", CLOSED, CLOSED, "", ""),
    ),
    "PRIORITY": (frame(PRIORITY, 0, 1, bytes(5)), ("",) * 8),
    "RST_STREAM": (frame(RST_STREAM, 0, 1, b"\0\0\0\x08"), (PROTOCOL, *("",) * 7)),
    "SETTINGS": (frame(SETTINGS, 0, 1), (PROTOCOL,) * 8),
    "PUSH_PROMISE": (frame(PUSH_PROMISE, 4, 1, b"\0\0\0\x02\x82"), (PROTOCOL,) * 8),
    "PING": (frame(PING, 0, 1, bytes(8)), (PROTOCOL,) * 8),
    "GOAWAY": (frame(GOAWAY, 0, 1, bytes(8)), (PROTOCOL,) * 8),
    "WINDOW_UPDATE": (frame(WINDOW_UPDATE, 0, 1, WINDOW), (PROTOCOL, *("",) * 7)),
    "CONTINUATION": (frame(CONTINUATION, 4, 1, b""), (PROTOCOL,) * 8),
    "an unknown type": (frame(0x20, 0xFF, 1, b"x"), ("",) * 8),
}
CELLS = {
    f"{name}: {state}": (data, state, follows)
    for name, (data, cells) in FRAMES.items()
    for state, follows in zip(STATES, cells, strict=True)
}


def in_state(state: str) -> Gate:
    """A gate whose stream 1 is in this state."""
    gate = started()
    if state == "ignored behind our GOAWAY":
        gate.connection.go_away()
    if state != "idle":
        gate.receive(headers(1) if state in ("half-closed (remote)", "closed") else OPEN_1)
    if state in ("half-closed (local)", "closed"):
        gate.answer(1)
    if state == "closed by their RST_STREAM":
        gate.receive(frame(RST_STREAM, 0, 1, b"\0\0\0\x08"))
        gate.streams[1].finished()
    if state == "closed by our RST_STREAM":
        gate.streams[1].reset()
        gate.streams[1].finished()
    gate.sent()
    gate.told.clear()
    return gate


@pytest.mark.parametrize(("data", "state", "follows"), CELLS.values(), ids=CELLS)
def test_each_frame_in_each_state(data: bytes, state: str, follows: str) -> None:
    """RFC 9113, 5.1. What is a stream error there is one of the connection here, as 5.4.1 allows. Where nothing
    follows, the connection goes on, and no stream is reset.
    """
    gate = in_state(state)
    sent = gate.receive(data)
    if follows in ("", "request", "rejected"):
        assert gate.failure is None
        assert {kind for kind, *_ in sent} <= {WINDOW_UPDATE}
        assert [what for _, what, *_ in gate.told if what in ("request", "rejected")] == ([follows] if follows else [])
        gate.receive(headers(3) + frame(PING, 0, 0, bytes(8)))
        assert gate.failure is None
    else:
        assert gate.failure is not None
        assert ErrorCode(gate.failure.code).name == follows
        assert [kind for kind, *_ in sent] == [GOAWAY]


def test_what_nobody_knows_does_no_harm() -> None:
    """RFC 9113, 5.5 and 6.5.2; RFC 9218, 7.1; GOAWAY of a visitor ends nothing that is under way."""
    gate = started()
    gate.receive(OPEN_1 + frame(0x10, 0, 0, bytes(4)) + settings_frame([(0xFE03, 1)]) + frame(GOAWAY, 0, 0, bytes(8)))
    gate.receive(frame(DATA, 1, 1, b"x"))
    assert gate.failure is None
    assert gate.told[-1] == (1, "end", b"")


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
