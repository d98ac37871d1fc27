"""Responses of HTTP/2 as the HTTP/1.1 heads they stand for (RFC 9113, 8.3.2), read by the reader of HTTP/1.1."""

import re
from http import HTTPStatus
from typing import Final

from gatekeeper.errors import MessageError
from gatekeeper.wire.http2.fields import MALFORMED, PER_CONNECTION, PSEUDO, HeaderField
from gatekeeper.wire.http2.hpack import Table, decode
from gatekeeper.wire.response import MAX_HEAD_BYTES, ResponseHead, read_response
from gatekeeper.wire.rules import MessageRule

_STATUS: Final = re.compile(rb"[1-9][0-9][0-9]")
_PHRASES: Final = {b"%d" % status.value: status.phrase.encode("ascii") for status in HTTPStatus}
_REJECTED: Final = frozenset({MALFORMED, PER_CONNECTION, PSEUDO})
CACHED_BLOCKS: Final = 256
CACHED_BLOCK_BYTES: Final = 4096

# Apps are trusted with this memory, as in `gatekeeper.wire.response`.
_BLOCKS: Final[dict[tuple[Table, bytes], tuple[ResponseHead, Table]]] = {}


def read_response_block(table: Table, block: bytes) -> tuple[ResponseHead | MessageError, Table]:
    """What a response's block says under this table, and the table after it.

    Where no client should see the head, the error says so in its place; HTTP2Error with COMPRESSION_ERROR if the block
    cannot be read.
    """
    known = _BLOCKS.get((table, block))
    if known is not None:
        return known
    fields, after = decode(table, block)
    try:
        head = _read(fields)
    except MessageError as error:
        return error, after
    if len(block) <= CACHED_BLOCK_BYTES:
        if len(_BLOCKS) >= CACHED_BLOCKS:
            _BLOCKS.clear()
        _BLOCKS[table, block] = head, after
    return head, after


def _read(fields: list[HeaderField]) -> ResponseHead:
    if not fields or fields[0].name != b":status" or _STATUS.fullmatch(fields[0].value) is None:
        raise MessageRule.RESPONSE_STATUS_LINE.error()  # RFC 9113, 8.3.2
    if sum([field.size for field in fields]) > MAX_HEAD_BYTES:
        raise MessageRule.RESPONSE_HEAD_TOO_LARGE.error()
    status, rest = fields[0].value, fields[1:]
    if any(field.kind in _REJECTED for field in rest):
        raise MessageRule.RESPONSE_FIELD_LINE.error()  # RFC 9113, 8.2 and 8.3
    if status == b"101":
        raise MessageRule.RESPONSE_SWITCH.error()  # RFC 9113, 8.6
    lines = b"".join([field.line for field in rest])
    return read_response(b"HTTP/1.1 %b %b\r\n%b\r\n" % (status, _PHRASES.get(status, b""), lines))
