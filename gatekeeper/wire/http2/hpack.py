"""Reading field blocks (RFC 7541).

A dynamic table is an immutable value: a block that inserts something leads to another one. So what a block says is a
function of the table and its bytes, and may be cached under both; a connection only holds the table it has come to.
The size is left at 4,096, the default: Go 1.19, HAProxy 2.6 and nginx never shrink theirs when asked to, and a request
of a browser has 21 bytes with a table and 337 without.
"""

from typing import Final

from gatekeeper.errors import HTTP2Error
from gatekeeper.wire.http2.fields import PSEUDO, HeaderField
from gatekeeper.wire.http2.frames import DEFAULT_TABLE, ErrorCode
from gatekeeper.wire.http2.huffman import decode as decode_huffman

# RFC 7541, appendix A. The first place is empty: indices begin with 1.
_STATIC: Final = (
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    *((b":status", status) for status in (b"200", b"204", b"206", b"304", b"400", b"404", b"500")),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    *(
        (name, b"")
        for name in (
            b"accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control "
            b"content-disposition content-encoding content-language content-length content-location content-range "
            b"content-type cookie date etag expect expires from host if-match if-modified-since if-none-match if-range "
            b"if-unmodified-since last-modified link location max-forwards proxy-authenticate proxy-authorization "
            b"range referer refresh retry-after server set-cookie strict-transport-security transfer-encoding "
            b"user-agent vary via www-authenticate"
        ).split()
    ),
)
STATIC_FIELDS: Final = (HeaderField(b"", b""), *(HeaderField(name, value) for name, value in _STATIC))
FIRST_DYNAMIC: Final = len(STATIC_FIELDS)
# RFC 7541, 5.1 asks for limits: nothing that fits a block needs more than four further bytes.
_INTEGER_BYTES: Final = 4


class Table:
    """A dynamic table. ``fields`` are its entries, the newest first; ``size`` is theirs, at most ``limit``."""

    __slots__ = ("fields", "limit", "size")

    def __init__(self, fields: tuple[HeaderField, ...], size: int, limit: int) -> None:
        self.fields = fields
        self.size = size
        self.limit = limit


EMPTY: Final = Table((), 0, DEFAULT_TABLE)
"""The table of every connection at its beginning."""


def error(detail: str) -> HTTP2Error:
    """The block cannot be read (RFC 9113, 4.3): the tables of both ends now differ, and the connection is lost."""
    return HTTP2Error(ErrorCode.COMPRESSION_ERROR, f"HPACK: {detail}")


def read_integer(block: bytes, at: int, mask: int) -> tuple[int, int]:
    """The integer whose prefix of the bits in ``mask`` is at ``at``, and where it ends (RFC 7541, 5.1)."""
    value = block[at] & mask
    at += 1
    if value != mask:
        return value, at
    for shift in range(0, 7 * _INTEGER_BYTES, 7):
        byte = block[at]
        at += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise error("an integer is too large")


def read_string(block: bytes, at: int) -> tuple[bytes, int]:
    """The string literal at ``at``, and where it ends (RFC 7541, 5.2)."""
    first = block[at]
    size = first & 0x7F
    at += 1
    if size == 0x7F:
        size, at = read_integer(block, at - 1, 0x7F)
    end = at + size
    if end > len(block):
        raise error("a string ends behind the block")
    return (decode_huffman(block[at:end]) if first & 0x80 else block[at:end]), end


class BlockReading:
    """The reading of one block: in two steps, so that whoever knows what follows the pseudo-header fields need not
    read it.
    """

    __slots__ = ("_fields", "_table", "at", "block", "limit", "size")

    def __init__(self, table: Table, block: bytes) -> None:
        self._table = table
        self._fields = table.fields
        self.size = table.size
        self.limit = table.limit
        self.block = block
        self.at = 0

    @property
    def changed(self) -> bool:
        """Whether what was read led to another table."""
        return self._fields is not self._table.fields or self.limit != self._table.limit

    def table(self) -> Table:
        """The table after what was read."""
        return Table(self._fields, self.size, self.limit) if self.changed else self._table

    def read(self, *, only_pseudo: bool = False) -> list[HeaderField]:
        """The next fields up to the end of the block, or to the first that is no pseudo-header field; HTTP2Error with
        COMPRESSION_ERROR if the block is broken.
        """
        try:
            return self._read(only_pseudo)
        except IndexError:
            raise error("an index or a representation ends behind its table or block") from None

    def _read(self, only_pseudo: bool) -> list[HeaderField]:
        block, at, static, dynamic = self.block, self.at, STATIC_FIELDS, self._fields
        end = len(block)
        found: list[HeaderField] = []
        while at < end:
            start = at
            first = block[at]
            if first & 0x80:  # RFC 7541, 6.1: indexed
                index = first & 0x7F
                at += 1
                if index == 0x7F:
                    index, at = read_integer(block, start, 0x7F)
                elif not index:
                    raise error("index 0")
                field = static[index] if index < FIRST_DYNAMIC else dynamic[index - FIRST_DYNAMIC]
                if only_pseudo and field.kind != PSEUDO:
                    at = start
                    break
            elif first & 0xE0 == 0x20:  # 6.3: a new size of the table
                if found or self.at:  # RFC 7541, 4.2
                    raise error("the table is resized behind a field")
                at = self._resize(start)
                dynamic = self._fields
                continue
            else:  # 6.2: literal, inserted or not, perhaps never to be indexed by anybody
                index, at = read_integer(block, at, 0x3F if first & 0x40 else 0x0F)
                if not index:
                    name, at = read_string(block, at)
                elif index < FIRST_DYNAMIC:
                    name = static[index].name
                else:
                    name = dynamic[index - FIRST_DYNAMIC].name
                value, at = read_string(block, at)
                field = HeaderField(name, value)
                if only_pseudo and field.kind != PSEUDO:
                    at = start
                    break
                if first & 0x40:
                    dynamic = self._insert(field)
            found.append(field)
        self.at = at
        return found

    def _resize(self, at: int) -> int:
        limit, at = read_integer(self.block, at, 0x1F)
        if limit > DEFAULT_TABLE:
            raise error("the table is larger than allowed")
        self.limit = limit
        self._evict(limit)
        return at

    def _insert(self, field: HeaderField) -> tuple[HeaderField, ...]:
        """RFC 7541, 4.4: room is made first; a field that is larger than the table only empties it."""
        self._evict(self.limit - field.size)
        if field.size <= self.limit:
            self._fields = (field, *self._fields)
            self.size += field.size
        return self._fields

    def _evict(self, size: int) -> None:
        fields, left = self._fields, len(self._fields)
        while self.size > size and left:
            left -= 1
            self.size -= fields[left].size
        if left < len(fields):
            self._fields = fields[:left]


def decode(table: Table, block: bytes) -> tuple[list[HeaderField], Table]:
    """The fields of a complete block, and the table after it; HTTP2Error with COMPRESSION_ERROR if it is broken."""
    reading = BlockReading(table, block)
    fields = reading.read()
    return fields, reading.table()
