"""The server's half: the limit of streams, the end in two steps, and probes."""

from gatekeeper.wire.http2.frames import (
    ACK,
    DATA,
    GOAWAY,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
)
from gatekeeper.wire.http2.requests import BlockReader
from gatekeeper.wire.request import HeadLimits, RequestReader
from tests.wire.http2.peers import GET, OPEN_1, POST, START, Gate, frame, frames, headers, started


def test_a_request_over_the_limit_is_refused_and_may_be_repeated() -> None:
    """RFC 9113, 5.1.2. A cancelled one counts until its owner is done with it (CVE-2023-44487)."""
    gate = started(max_streams=1)
    gate.receive(OPEN_1 + frame(RST_STREAM, 0, 1, b"\0\0\0\x08"))
    assert gate.told[1:] == [(1, "reset", 8)]
    assert gate.receive(headers(3)) == [(RST_STREAM, 0, 3, b"\0\0\0\x07")]
    gate.streams[1].finished()
    gate.receive(headers(5))
    assert list(gate.heads) == [1, 5]


def test_who_knows_the_limit_is_held_to_it() -> None:
    """RFC 9113, 5.1.2 and 6.5.3: its owner may take more of what was sent before."""
    gate = started(max_streams=1)
    gate.connection.max_streams = 100
    gate.receive(headers(1) + headers(3))
    assert gate.receive(frame(SETTINGS, ACK, 0) + headers(5)) == [(RST_STREAM, 0, 5, b"\0\0\0\x07")]
    assert list(gate.heads) == [1, 3]


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


def test_what_is_said_first() -> None:
    """RFC 9113, 3.4: SETTINGS, before anything came: streams, window, size of a header, RFC 8441, RFC 9218. And the
    connection's window: 1 MiB."""
    gate = Gate(max_streams=7, limits=HeadLimits(head=16384))
    assert frames(gate.sent()) == [
        (
            SETTINGS,
            0,
            0,
            b"\0\x03\0\0\0\x07\0\x04\0\x01\0\0\0\x06\0\0\x40\0\0\x08\0\0\0\x01\0\x09\0\0\0\x01",
        ),
        (WINDOW_UPDATE, 0, 0, (1024 * 1024 - 65_535).to_bytes(4)),
    ]


def test_the_reserved_bit_of_a_stream_is_ignored() -> None:
    """RFC 9113, 4.1."""
    gate = started()
    data = bytearray(headers(1))
    data[5] |= 0x80
    gate.receive(bytes(data))
    assert list(gate.heads) == [1]


def test_streams_that_were_skipped_are_closed() -> None:
    """RFC 9113, 5.1.1: the first use of a number closes those below."""
    gate = started()
    gate.receive(headers(5))
    gate.receive(headers(3))
    assert gate.failure is not None
    assert list(gate.heads) == [5]


def test_a_block_whose_stream_is_refused_still_counts_for_the_table() -> None:
    """RFC 9113, 4.3: the next refers to what it put there."""
    gate = started(max_streams=1)
    gate.receive(headers(1))
    inserted = b"\x82\x87\x84\x41\x01a" + b"\x40\x01x\x01y"  # GET https / on a, and x: y into the table
    gate.receive(frame(1, 5, 3, inserted))
    gate.answer(1)
    gate.receive(frame(1, 5, 5, b"\x82\x87\x84\xbf\xbe"))
    assert list(gate.heads) == [1, 5]
    assert b"x: y\r\n" in gate.heads[5].block.forward


def test_what_a_reload_makes_the_gates_own_is_taken_off() -> None:
    """Of requests and of trailers."""
    gate = started()
    gate.connection.renew(BlockReader(RequestReader(HeadLimits(), frozenset({b"x-device"}))))
    gate.receive(headers(1, (*POST, (b"x-device", b"forged")), flags=0))
    gate.receive(headers(1, ((b"x-device", b"forged"), (b"x-sum", b"1"))))
    assert b"x-device" not in gate.heads[1].block.forward.lower()
    assert gate.told[1:] == [(1, "end", b"x-sum: 1\r\n")]


def test_requests_in_one_piece_are_told_in_their_order() -> None:
    """Behind the preface, in the same bytes."""
    gate = Gate()
    gate.receive(
        START + b"".join(headers(number, (*GET[:2], (b":path", b"/%d" % number), GET[3])) for number in (1, 3))
    )
    assert gate.told == [(1, "request", b"/1", True), (3, "request", b"/3", True)]
