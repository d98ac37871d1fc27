"""Every limit against floods, by frames that are harmless one by one."""

import pytest

from gatekeeper.wire.http2.budget import BURST, EARNED, PER_SECOND, Budget
from gatekeeper.wire.http2.client import ResponseStream
from gatekeeper.wire.http2.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    GOAWAY,
    HEADERS,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    ErrorCode,
    settings_frame,
)
from gatekeeper.wire.request import HeadLimits, RequestReader
from tests.wire.http2.peers import (
    OPEN,
    OPEN_1,
    POST,
    Caller,
    Gate,
    Owner,
    block,
    frame,
    headers,
    started,
    window_update,
)

FLOODS = {
    "PING": (b"", frame(PING, 0, 0, bytes(8))),
    "SETTINGS": (b"", frame(SETTINGS, 0, 0)),
    "SETTINGS with much in it": (b"", settings_frame([(0xFE03, 1)] * 160)),
    "PRIORITY": (b"", frame(PRIORITY, 0, 1, bytes(5))),
    "empty DATA": (OPEN_1, frame(DATA, 0, 1)),
    "DATA of padding": (OPEN_1, frame(DATA, 8, 1, b"\x03\0\0\0")),
    "GOAWAY": (b"", frame(GOAWAY, 0, 0, bytes(8))),
    "WINDOW_UPDATE": (b"", frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\x01")),
    "unknown": (b"", frame(0x20, 0, 0)),
    "PRIORITY_UPDATE": (b"", frame(0x10, 0, 0, bytes(4))),
    "RST_STREAM": (OPEN_1, frame(RST_STREAM, 0, 1, b"\0\0\0\x08")),
}


def must_be_a_flood(peer: Gate | Caller, one: bytes) -> int:
    """Again and again, ``one`` ends the connection. Returns how many it took."""
    sent = 0
    while peer.failure is None and sent <= BURST:
        peer.receive(one)
        sent += 1
    assert peer.failure is not None
    assert peer.failure.code == ErrorCode.ENHANCE_YOUR_CALM
    return sent


def asked() -> tuple[Caller, ResponseStream]:
    """A connection to an app with one request that waits for its response."""
    caller = Caller()
    caller.receive(settings_frame(()))
    head = RequestReader(HeadLimits()).read(b"GET / HTTP/1.1", b"Host: app.example\r\n\r\n", cache=False)
    return caller, caller.connection.open(Owner(caller.told, 1), head, end=True)


@pytest.mark.parametrize(("before", "one"), FLOODS.values(), ids=FLOODS)
def test_a_flood_ends_the_connection(before: bytes, one: bytes) -> None:
    """RFC 9113, 10.5: a burst is let pass, more is not."""
    gate = started()
    gate.receive(before)
    assert must_be_a_flood(gate, one) > BURST / 12


@pytest.mark.parametrize("content", [b"", b"x"], ids=["without body", "with a byte of one"])
def test_cancelled_requests_are_a_flood(content: bytes) -> None:
    """CVE-2023-44487: each costs us a connection to the app, whatever the visitor spends on its body."""
    gate = started()
    stream_id = 1
    while gate.failure is None and stream_id < 3 * BURST:
        body = frame(DATA, 0, stream_id, content) if content else b""
        request = headers(stream_id, POST, flags=0 if content else 1)
        gate.receive(request + body + frame(RST_STREAM, 0, stream_id, b"\0\0\0\x08"))
        gate.streams[stream_id].finished()
        stream_id += 2
    assert gate.failure is not None
    assert gate.failure.code == ErrorCode.ENHANCE_YOUR_CALM
    assert BURST * 0.9 < stream_id / 2 < BURST * 1.1


def test_answered_requests_pay_for_cancelled_ones() -> None:
    """A client of gRPC that asks two servers at once and cancels the slower one (hedging) may go on for ever."""
    gate = started()
    for stream_id in range(1, int(6 * BURST), 4):
        gate.receive(headers(stream_id) + headers(stream_id + 2))
        gate.answer(stream_id)
        gate.receive(frame(RST_STREAM, 0, stream_id + 2, b"\0\0\0\x08"))
        gate.streams[stream_id + 2].finished()
    assert gate.failure is None


@pytest.mark.parametrize("content", [b"", b"x"], ids=["without body", "with a byte of one"])
def test_making_us_reset_streams_is_a_flood(content: bytes) -> None:
    """CVE-2025-8671: the same by our own hand."""
    gate = started()
    stream_id = 1
    while gate.failure is None and stream_id < 3 * BURST:
        body = frame(DATA, 0, stream_id, content) if content else b""
        gate.receive(headers(stream_id, POST, flags=0) + body + frame(WINDOW_UPDATE, 0, stream_id, bytes(4)))
        gate.streams[stream_id].finished()
        stream_id += 2
    assert gate.failure is not None
    assert gate.failure.code == ErrorCode.ENHANCE_YOUR_CALM


def test_refused_streams_are_a_flood() -> None:
    """The block of each must be read all the same."""
    gate = started(max_streams=1)
    stream_id = 1
    while gate.failure is None and stream_id < 3 * BURST:
        gate.receive(headers(stream_id))
        stream_id += 2
    assert gate.failure is not None
    assert list(gate.heads) == [1]


def test_the_usual_rate_is_no_flood() -> None:
    """33 a second for ten minutes."""
    budget = Budget()
    assert all(budget.spend(at / PER_SECOND) for at in range(20_000))
    assert budget.left > BURST - 2


def test_data_pays_for_the_frames_that_go_with_it() -> None:
    """Two WINDOW_UPDATE for each DATA frame that we send are what many clients answer."""
    budget = Budget()
    for _ in range(10_000):
        budget.earn()
        assert all(budget.spend(0.0) for _ in range(int(EARNED)))


def test_a_large_head_is_answered() -> None:
    """431, and the connection lives: its table is intact."""
    gate = started()
    fields = block(*POST, (b"x", b"y" * 40_000))
    data = frame(HEADERS, 1, 1, fields[:16384]) + frame(CONTINUATION, 0, 1, fields[16384:32768])
    gate.receive(data + frame(CONTINUATION, END_HEADERS, 1, fields[32768:]))
    assert gate.told == [(1, "rejected", 431)]
    gate.receive(headers(3))
    assert 3 in gate.heads


def test_a_block_that_grows_is_not_unfolded() -> None:
    """The HPACK bomb: 16,000 references to one entry of 4,000 bytes count 64 MB, and none is copied."""
    gate = started()
    bomb = block(*POST) + b"\x40\x01x\x7f\xa1\x1e" + b"y" * 4000 + b"\xbe" * 10_000
    gate.receive(frame(HEADERS, 5, 1, bomb))
    assert gate.told == [(1, "rejected", 431)]


def test_interim_responses_and_answers_are_no_flood() -> None:
    """What we send is not counted against the visitor."""
    gate: Gate = started()
    for stream_id in range(1, 4001, 2):
        gate.receive(headers(stream_id))
        gate.streams[stream_id].send_head(OPEN)
        gate.streams[stream_id].send_end()
        gate.streams[stream_id].finished()
    gate.receive(headers(4001))
    assert gate.failure is None
    assert 4001 in gate.heads


def test_frames_on_a_stream_that_we_reset_are_a_flood() -> None:
    """They may cross our RST_STREAM, but not for ever."""
    gate = started()
    gate.receive(OPEN_1)
    gate.streams[1].reset()
    gate.streams[1].finished()
    sent = 0
    while gate.failure is None and sent <= 8 * BURST:
        gate.receive(frame(DATA, 1, 1))
        sent += 1
    assert gate.failure is not None
    assert gate.failure.code == ErrorCode.ENHANCE_YOUR_CALM


def test_an_upload_pays_for_the_frames_that_go_with_it() -> None:
    """grpcio sends a PING with each DATA frame (RFC 9113, 10.5 asks only that there be limits)."""
    gate = started()
    gate.receive(OPEN_1)
    for _ in range(int(2 * BURST)):
        gate.receive(frame(DATA, 0, 1, b"x") + frame(PING, 0, 0, bytes(8)))
        gate.streams[1].consumed(1)
    assert gate.failure is None


def test_a_download_pays_for_the_frames_that_go_with_it() -> None:
    """Clients answer each DATA frame with WINDOW_UPDATE, for the stream and the connection."""
    gate = started()
    gate.receive(headers(1))
    gate.streams[1].send_head(OPEN)
    for _ in range(int(2 * BURST)):
        gate.streams[1].send_content(b"x")
        gate.receive(window_update(1, 1) + window_update(0, 1))
    assert gate.failure is None


def test_answers_in_one_piece_pay_for_the_frames_that_go_with_them() -> None:
    """One PING for each, for twice the burst."""
    gate = started()
    for stream_id in range(1, int(4 * BURST), 2):
        gate.receive(headers(stream_id))
        gate.answer(stream_id)
        gate.receive(frame(PING, 0, 0, bytes(8)))
    assert gate.failure is None


def test_settings_count_by_what_is_in_them() -> None:
    """CVE-2019-9515: 160 parameters cost as much as ten frames, so 91 such frames are the most."""
    gate = started()
    for _ in range(91):
        gate.receive(settings_frame([(0xFE03, 1)] * 160))
    assert gate.failure is not None
    assert gate.failure.code == ErrorCode.ENHANCE_YOUR_CALM


def test_field_blocks_on_a_stream_that_we_reset_are_a_flood() -> None:
    """Each is read for the table's sake (RFC 9113, 4.3), and nobody is told of it."""
    gate = started()
    gate.receive(OPEN_1)
    gate.streams[1].reset()
    gate.streams[1].finished()
    must_be_a_flood(gate, headers(1))


def test_interim_responses_of_an_app_are_a_flood() -> None:
    """RFC 9110, 15.2 sets no limit; each is passed on to the visitor."""
    caller, _ = asked()
    must_be_a_flood(caller, headers(1, ((b":status", b"103"),), flags=0))


def test_field_blocks_of_an_app_on_a_stream_that_is_over_are_a_flood() -> None:
    """RFC 9113, 4.3: each is read for the table's sake."""
    caller, stream = asked()
    stream.reset()
    stream.finished()
    must_be_a_flood(caller, headers(1, ((b":status", b"200"),)))
