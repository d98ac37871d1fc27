"""Frames about the connection and its streams: what is acknowledged, and what the owner is told."""

import pytest

from gatekeeper.wire.http2.frames import ACK, GOAWAY, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE, settings_frame
from tests.wire.http2.peers import GET, OPEN, OPEN_1, START, Gate, frame, frames, headers, started


def test_settings_and_pings_are_acknowledged() -> None:
    """RFC 9113, 6.5.3 and 6.7; acknowledgements themselves are not."""
    gate = Gate()
    sent = gate.receive(START + frame(PING, 0, 0, b"12345678") + frame(PING, ACK, 0, b"12345678"))
    assert [(kind, flags) for kind, flags, *_ in sent] == [(SETTINGS, 0), (WINDOW_UPDATE, 0), (SETTINGS, 1), (PING, 1)]
    assert sent[-1][3] == b"12345678"


def test_goaway_of_the_visitor_is_told() -> None:
    """It begins nothing more."""
    gate = started()
    gate.receive(frame(GOAWAY, 0, 0, b"\0\0\0\0" + b"\0\0\0\x02" + b"debug"))
    assert gate.told == [(0, "going away", 0, 2)]


def test_settings_are_read_in_their_order() -> None:
    """RFC 9113, 6.5: the last value of a parameter holds."""
    gate = started()
    gate.receive(b"\0\0\x0c\x04\0\0\0\0\0" + b"\0\x04\0\0\0\x05" + b"\0\x04\0\0\0\x03" + headers(1))
    gate.streams[1].send_head(OPEN)
    gate.streams[1].send_content(b"abcdef")
    assert frames(gate.sent())[-1] == (0, 0, 1, b"abc")


def test_a_parameter_without_meaning_changes_nothing() -> None:
    """RFC 9113, 6.5.2: 0xFE03 and a table size, which is for what we send, and that uses none."""
    gate = started()
    assert gate.receive(settings_frame([(0xFE03, 1), (1, 0), (3, 1), (6, 1)])) == [(SETTINGS, ACK, 0, b"")]
    gate.receive(headers(1) + headers(3))
    assert list(gate.heads) == [1, 3]


def test_an_acknowledgement_changes_nothing() -> None:
    """RFC 9113, 6.5.3."""
    assert started().receive(frame(SETTINGS, ACK, 0)) == []


@pytest.mark.parametrize("code", [0, 8, 0xFFFFFFFF])
def test_a_reset_is_told_with_its_code(code: int) -> None:
    """RFC 9113, 6.4, once, and not answered; a code that no RFC has means nothing else (7)."""
    gate = started()
    gate.receive(OPEN_1)
    assert gate.receive(frame(RST_STREAM, 0, 1, code.to_bytes(4)) * 2) == []
    assert gate.told[1:] == [(1, "reset", code)]


def test_priority_is_ignored() -> None:
    """RFC 9113, 5.3.2."""
    gate = started()
    gate.receive(headers(1))
    assert gate.receive(b"\0\0\x05\x02\0\0\0\0\x01" + b"\x80\0\0\x03\xff") == []
    assert gate.failure is None
    assert gate.told == [(1, "request", b"/", True)]


def test_the_reserved_bit_of_an_increment_is_ignored() -> None:
    """RFC 9113, 6.9: 0x80000001 is one byte."""
    gate = started()
    gate.receive(settings_frame([(4, 0)]) + headers(1))
    gate.streams[1].send_head(OPEN)
    gate.streams[1].send_content(b"ab")
    gate.sent()
    assert gate.receive(frame(WINDOW_UPDATE, 0, 1, b"\x80\0\0\x01")) == [(0, 0, 1, b"a")]


def test_the_reserved_bit_of_a_last_stream_is_ignored() -> None:
    """RFC 9113, 6.8."""
    gate = started()
    gate.receive(frame(GOAWAY, 0, 0, b"\x80\0\0\x05" + bytes(4)))
    assert gate.told == [(0, "going away", 5, 0)]


def test_a_window_may_be_as_large_as_it_can() -> None:
    """RFC 9113, 6.9.1: 2^31-1 bytes, of a stream and of the connection."""
    gate = started()
    gate.receive(headers(1, ((b":method", b"POST"), *GET[1:]), flags=0))
    most = (2**31 - 1 - 65_535).to_bytes(4)
    assert gate.receive(frame(WINDOW_UPDATE, 0, 1, most) + frame(WINDOW_UPDATE, 0, 0, most)) == []
    assert gate.failure is None
