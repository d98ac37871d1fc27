"""Responses of HTTP/2 become responses of HTTP/1.1, or nothing (RFC 9113, 8.3.2)."""

import pytest

from gatekeeper.errors import MessageError
from gatekeeper.wire.http2 import responses
from gatekeeper.wire.http2.hpack import EMPTY
from gatekeeper.wire.http2.responses import read_response_block
from gatekeeper.wire.response import MAX_HEAD_BYTES, ResponseHead
from tests.wire.http2.peers import block

Fields = tuple[tuple[bytes, bytes], ...]
OK = (b":status", b"200")


def read(*fields: tuple[bytes, bytes]) -> ResponseHead:
    head, table = read_response_block(EMPTY, block(*fields))
    assert isinstance(head, ResponseHead), head
    assert table is EMPTY
    return head


def test_a_response_becomes_the_one_it_stands_for() -> None:
    """With a phrase, which only HTTP/1.1 has."""
    head = read(OK, (b"content-length", b"5"), (b"x-a", b"b"))
    assert (head.status, head.content_length) == (200, 5)
    assert head.fields.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"x-a: b\r\n" in head.fields


@pytest.mark.parametrize(("status", "line"), [(b"299", b"HTTP/1.1 299 \r\n"), (b"404", b"HTTP/1.1 404 Not Found\r\n")])
def test_every_status_passes(status: bytes, line: bytes) -> None:
    """RFC 9112, 4: one without a name too; the space behind it stays."""
    assert read((b":status", status)).fields.startswith(line)


MALFORMED: dict[str, Fields] = {
    "nothing": (),
    "8.3.2 no status": ((b"x", b"y"),),
    "8.3 the status behind a field": ((b"x", b"y"), OK),
    "8.3 two": (OK, OK),
    "8.3 a pseudo-header field of requests": (OK, (b":path", b"/")),
    "15 two digits": ((b":status", b"20"),),
    "15 four digits": ((b":status", b"2000"),),
    "15 below 100": ((b":status", b"099"),),
    "15 letters": ((b":status", b"2OO"),),
    "15 a line end": ((b":status", b"200\r\nx: y"),),
    "8.6 switching protocols": ((b":status", b"101"),),
    "8.2.1 upper case": (OK, (b"X", b"y")),
    "8.2.1 a line end": (OK, (b"x", b"y\r\nz: 1")),
    "8.2.2 connection": (OK, (b"connection", b"close")),
    "8.2.2 transfer-encoding": (OK, (b"transfer-encoding", b"chunked")),
    "8.1.1 two lengths": (OK, (b"content-length", b"1"), (b"content-length", b"2")),
    "too large": (OK, (b"x", b"y" * MAX_HEAD_BYTES)),
    "6.5.2 too large by what each field counts": (OK, *[(b"x", b"y")] * (MAX_HEAD_BYTES // 34)),
}


@pytest.mark.parametrize("fields", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_response_is_none(fields: Fields) -> None:
    """By sections of RFC 9113 and 9110: no client should see it."""
    error, _ = read_response_block(EMPTY, block(*fields))
    assert isinstance(error, MessageError)
    assert error.status == 502


def test_the_same_block_is_read_once_under_a_table() -> None:
    """Under another table the same bytes may say something else."""
    responses._BLOCKS.clear()
    first, table = read_response_block(EMPTY, b"\x88\x40\x01a\x01b")
    assert read_response_block(EMPTY, b"\x88\x40\x01a\x01b") == (first, table)
    assert isinstance(first, ResponseHead)
    second, _ = read_response_block(table, b"\x88\xbe")
    assert isinstance(second, ResponseHead)
    assert b"a: b\r\n" in second.fields
    assert len(responses._BLOCKS) == 2


def test_what_is_kept_is_bounded() -> None:
    """In number and size; nothing malformed is kept."""
    responses._BLOCKS.clear()
    read_response_block(EMPTY, block(OK, (b"X", b"")))
    read_response_block(EMPTY, block(OK, (b"x", b"y" * responses.CACHED_BLOCK_BYTES)))
    assert not responses._BLOCKS
    for number in range(responses.CACHED_BLOCKS + 1):
        read_response_block(EMPTY, block(OK, (b"x", b"%d" % number)))
    assert len(responses._BLOCKS) == 1
