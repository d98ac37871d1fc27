"""Following WebSocket frames: where one ends, however the bytes come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.proxy.websocket import FrameTracker, close_frame

TEXT, CONTINUATION, CLOSE, PING = 0x1, 0x0, 0x8, 0x9


def frame(size: int, opcode: int = TEXT, *, fin: bool = True, masked: bool = False) -> bytes:
    """A frame with ``size`` bytes of payload (RFC 6455, 5.2)."""
    mask = 0x80 if masked else 0
    if size < 126:
        length = bytes([mask | size])
    elif size < 65536:
        length = bytes([mask | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([mask | 127]) + size.to_bytes(8, "big")
    return bytes([(0x80 if fin else 0) | opcode]) + length + b"key!" * masked + b"\x88" * size


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
@pytest.mark.parametrize("masked", [False, True])
def test_a_frame_ends_with_its_payload(size: int, masked: bool) -> None:
    """All three forms of length; a byte less is inside, a byte more is inside the next."""
    whole = frame(size, masked=masked)
    for cut, between in ((len(whole) - 1, False), (len(whole), True)):
        frames = FrameTracker()
        frames.feed(whole[:cut])
        assert frames.between is between
    frames.feed(b"\x81")
    assert not frames.between


@given(
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from([TEXT, CONTINUATION, PING])), max_size=8),
    st.lists(st.integers(1, 90), min_size=1, max_size=40),
)
def test_it_does_not_matter_how_the_bytes_are_cut(shapes: list[tuple[int, int]], steps: list[int]) -> None:
    """After each piece, "between" is true exactly at the end of a frame."""
    content, ends, frames, at = b"", {0}, FrameTracker(), 0
    for size, opcode in shapes:
        content += frame(size, opcode)
        ends.add(len(content))
    while at < len(content):
        for step in steps:
            frames.feed(content[at : at + step])
            at = min(at + step, len(content))
            assert frames.between is (at in ends)
    assert not frames.closed


def test_a_close_frame_of_the_app_is_noticed() -> None:
    """The payload of another frame may hold the same bytes."""
    frames = FrameTracker()
    frames.feed(frame(9) + frame(0, PING))
    assert not frames.closed
    frames.feed(frame(2, CLOSE))
    assert frames.closed


def test_the_gates_own_close_frame() -> None:
    """FIN and close, not masked, code and reason; a reason that is too long is cut between characters."""
    assert close_frame(1008, "revoked") == b"\x88\x09\x03\xf0revoked"
    assert close_frame(1008, "é" * 100) == b"\x88\x7c\x03\xf0" + "é".encode() * 61
