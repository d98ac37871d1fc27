"""Field blocks that are sent (RFC 7541, 6.2.2 and 6.2.3): literals and references to the static table only.

The dynamic table is not used: a block then depends on its head alone, may go to any connection, and is cached like the
head itself; 90 bytes more for a response. Nor is the Huffman code, which would cost time for each new Date.
"""

from functools import lru_cache
from typing import Final

from gatekeeper.wire.cache import Cache
from gatekeeper.wire.http2.hpack import STATIC_FIELDS
from gatekeeper.wire.request import RequestHead
from gatekeeper.wire.response import ResponseHead, framing_line

CACHED_LINES: Final = 1024
CACHED_LINE_BYTES: Final = 512
CACHED_BLOCKS: Final = 512
CACHED_BLOCK_BYTES: Final = 4096
# RFC 7541, 4.2: the table that we do not use has no size. Peers that allow none (nginx does) want to be told.
NO_TABLE: Final = b"\x20"
# RFC 7541, 7.1.3: nobody behind us should index these either.
_NEVER_INDEXED: Final = frozenset({b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"})
# RFC 9113, 8.2.2. "te" has a place of its own; "host" is :authority, and framing is the frames'.
_DROPPED: Final = frozenset(
    {b"connection", b"host", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade"}
)
_NAMES: Final[dict[bytes, int]] = {}
_WHOLE: Final[dict[tuple[bytes, bytes], bytes]] = {}
for _index, _field in enumerate(STATIC_FIELDS[1:], 1):
    _NAMES.setdefault(_field.name, _index)
    if _field.value:
        _WHOLE[_field.name, _field.value] = bytes((0x80 | _index,))


def encode_integer(value: int, mask: int, pattern: int) -> bytes:
    """``value`` behind the bits of ``pattern``, in a prefix of the bits in ``mask`` (RFC 7541, 5.1)."""
    if value < mask:
        return bytes((pattern | value,))
    encoded = bytearray((pattern | mask,))
    value -= mask
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def encode_field(name: bytes, value: bytes) -> bytes:
    """One field, by the static table where that has it; ``name`` is in lower case."""
    whole = _WHOLE.get((name, value))
    if whole is not None:
        return whole
    pattern = 0x10 if name in _NEVER_INDEXED else 0x00
    beginning = encode_integer(_NAMES.get(name, 0), 0x0F, pattern)
    if name not in _NAMES:
        beginning += encode_integer(len(name), 0x7F, 0) + name
    return beginning + encode_integer(len(value), 0x7F, 0) + value


def _encode_line(line: bytes) -> bytes:
    name, _, value = line.partition(b":")
    name = name.lower()
    return b"" if name in _DROPPED else encode_field(name, value.strip(b" \t"))


_LINES: Final = Cache(_encode_line, CACHED_LINES, CACHED_LINE_BYTES)


def encode_lines(lines: bytes) -> bytes:
    """Header lines of HTTP/1.1, each with its CRLF, as fields; those about the connection are left out."""
    return b"".join([_LINES[line] for line in lines.split(b"\r\n")[:-1]])


def encode_response(head: ResponseHead, lines: bytes = b"") -> bytes:
    """The block of a response, and ``lines`` more; a length is told where HTTP/1.1 would (RFC 9113, 8.1.1)."""
    block = head.hpack
    if not block:
        line = framing_line(head.framing, head.length, head.status)
        block = head.hpack = _encode_head(head.status, head.fields + line)
    return block + encode_lines(lines) if lines else block


def encode_switch(head: ResponseHead, lines: bytes = b"") -> bytes:
    """The block that opens a tunnel for an app's 101: 200, and what the app said of the protocol (RFC 8441, 5)."""
    said = [line for line in head.fields.split(b"\r\n") if not line.lower().startswith(b"sec-websocket-accept:")]
    return _encode_head(200, b"\r\n".join(said)) + encode_lines(lines)


def _encode_head(status: int, text: bytes) -> bytes:
    return encode_field(b":status", b"%d" % status) + encode_lines(text.partition(b"\r\n")[2])


def encode_request(
    head: RequestHead, lines: bytes = b"", authority: bytes = b"", scheme: bytes = b"http", request_id: bytes = b""
) -> bytes:
    """The block of a request to an app, and ``lines`` more; ``authority`` is for a client that named no host.

    ``te: trailers`` is said of this hop, which passes them on (RFC 9110, 10.1.4; gRPC servers ask for it).
    """
    block = head.block
    return b"".join(
        (
            _encode_pseudo(head.method, scheme, head.target, block.host or authority),
            _REQUEST_LINES[block.forward],
            encode_lines(head.cookie) if head.cookie else b"",
            _REQUEST_LINES[lines],
            encode_field(b"x-request-id", request_id) if request_id else b"",
            _TE,
        )
    )


@lru_cache(CACHED_BLOCKS)
def _encode_pseudo(method: bytes, scheme: bytes, path: bytes, authority: bytes) -> bytes:
    fields = ((b":method", method), (b":scheme", scheme), (b":path", path), (b":authority", authority))
    return b"".join([encode_field(*field) for field in fields])


_REQUEST_LINES: Final = Cache(encode_lines, CACHED_BLOCKS, CACHED_BLOCK_BYTES)
_TE: Final = encode_field(b"te", b"trailers")
