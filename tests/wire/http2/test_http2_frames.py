"""The bytes of the frames that are sent, read by hyperframe."""

from collections.abc import Callable
from typing import Any

import pytest
from hyperframe.frame import Frame

from gatekeeper.wire.http2 import frames
from gatekeeper.wire.http2.frames import MAX_FRAME, MAX_STREAM_ID, ErrorCode


def read(data: bytes) -> list[Any]:
    """Every frame in ``data``, which ends with the last."""
    found: list[Any] = []
    while data:
        frame, length = Frame.parse_frame_header(memoryview(data[:9]))
        frame.parse_body(memoryview(data[9 : 9 + length]))
        found.append(frame)
        data = data[9 + length :]
    return found


ONE: dict[str, tuple[bytes, Callable[[Any], object], object]] = {
    "SETTINGS": (frames.settings_frame(((3, 100), (9, 1))), lambda one: one.settings, {3: 100, 9: 1}),
    "SETTINGS that are none": (frames.settings_frame(()), lambda one: (one.settings, set(one.flags)), ({}, set())),
    "acknowledged": (frames.SETTINGS_ACK, lambda one: set(one.flags), {"ACK"}),
    "PING": (frames.ping_frame(b"12345678"), lambda one: (one.opaque_data, set(one.flags)), (b"12345678", set())),
    "PONG": (frames.ping_frame(b"12345678", frames.ACK), lambda one: set(one.flags), {"ACK"}),
    "WINDOW_UPDATE": (
        frames.window_update_frame(7, MAX_STREAM_ID),
        lambda one: (one.stream_id, one.window_increment),
        (7, MAX_STREAM_ID),
    ),
    "RST_STREAM": (frames.rst_stream_frame(7, 8), lambda one: (one.stream_id, one.error_code), (7, 8)),
    "GOAWAY": (
        frames.goaway_frame(MAX_STREAM_ID, ErrorCode.NO_ERROR),
        lambda one: (one.stream_id, one.last_stream_id, one.error_code, one.additional_data),
        (0, MAX_STREAM_ID, 0, b""),
    ),
}


@pytest.mark.parametrize(("data", "look", "expected"), ONE.values(), ids=ONE)
def test_a_frame_is_read_as_it_was_meant(data: bytes, look: Callable[[Any], object], expected: object) -> None:
    """RFC 9113, 6."""
    (one,) = read(data)
    assert look(one) == expected


@pytest.mark.parametrize("size", [0, 1, MAX_FRAME, MAX_FRAME + 1, 2 * MAX_FRAME, 2 * MAX_FRAME + 1])
@pytest.mark.parametrize("flags", [0, frames.END_STREAM])
def test_a_block_goes_into_as_many_frames_as_it_needs(size: int, flags: int) -> None:
    """RFC 9113, 6.10: END_STREAM on the first, END_HEADERS on the last, all on one stream."""
    block = bytes(number % 251 for number in range(size))
    found = read(frames.headers_frames(5, block, flags))
    assert b"".join(one.data for one in found) == block
    assert {one.stream_id for one in found} == {5}
    assert [type(one).__name__ for one in found] == ["HeadersFrame"] + ["ContinuationFrame"] * (len(found) - 1)
    assert ["END_STREAM" in one.flags for one in found] == [bool(flags)] + [False] * (len(found) - 1)
    assert ["END_HEADERS" in one.flags for one in found] == [False] * (len(found) - 1) + [True]
    assert all(len(one.data) <= MAX_FRAME for one in found)


def test_settings_are_read_in_their_order() -> None:
    """RFC 9113, 6.5.3: the last value of a parameter counts."""
    payload = frames.settings_frame(((4, 1), (3, 2), (4, 2**32 - 1)))[9:]
    assert list(frames.read_settings(payload)) == [(4, 1), (3, 2), (4, 2**32 - 1)]
