"""Reading field blocks (RFC 7541).

A dynamic table is an immutable value: a block that inserts something leads to another one. So what a block says is a
function of the table and its bytes, and may be cached under both; a connection only holds the table it has come to.
The size is left at 4,096, the default: Go 1.19, HAProxy 2.6 and nginx never shrink theirs when asked to, and a request
of a browser has 21 bytes with a table and 337 without.
"""

from typing import Final

from gatekeeper.errors import HTTP2Error
from gatekeeper.wire.http2.fields import HeaderField, KnownFields
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


def find_end(block: bytes, at: int) -> int:
    """Where the string literal at ``at`` ends, perhaps behind the block."""
    size = block[at] & 0x7F
    if size != 0x7F:
        return at + 1 + size
    size, at = read_integer(block, at, 0x7F)
    return at + size


def find_path(block: bytes) -> tuple[int, int]:
    """Where the string of a path begins and ends that goes into no table (RFC 7541, 6.2.2 and 6.2.3), and that only
    fields of the tables precede: there browsers have what is new in a request. 0, 0 if it is not there.
    """
    length = len(block)
    at = length - len(block.lstrip(_INDEXED)) + 1
    if at >= length or block[at - 1] not in _PATH_LITERALS:
        return 0, 0
    size = block[at]
    end = at + 1 + (size & 0x7F)
    return (at, end) if size & 0x7F != 0x7F and end <= length else (0, 0)


_INDEXED: Final = bytes(range(0x81, 0xFF))
_PATH_LITERALS: Final = (0x04, 0x14)


class _BlockReading:
    """The reading of one block."""

    __slots__ = ("_known", "block", "fields", "limit", "size")

    def __init__(self, table: Table, block: bytes, known: KnownFields | None) -> None:
        self.fields = table.fields
        self.size = table.size
        self.limit = table.limit
        self.block = block
        self._known = known

    def read(self) -> list[HeaderField]:
        """All fields."""
        block, at, static, dynamic, known = self.block, 0, STATIC_FIELDS, self.fields, self._known
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
            elif first & 0xE0 == 0x20:  # 6.3: a new size of the table
                if found:  # RFC 7541, 4.2
                    raise error("the table is resized behind a field")
                at = self._resize(start)
                dynamic = self.fields
                continue
            else:  # 6.2: literal, inserted or not, perhaps never to be indexed by anybody
                index, at = read_integer(block, at, 0x3F if first & 0x40 else 0x0F)
                if known is None:
                    name, value, at = self._literal(index, at)
                    field = HeaderField(name, value)
                elif index >= FIRST_DYNAMIC:
                    name, value, at = self._literal(index, at)
                    field = known[name, value]
                else:
                    field, at = self._known_literal(known, start, index, at)
                if first & 0x40:
                    dynamic = self._insert(field)
            found.append(field)
        return found

    def _literal(self, index: int, at: int) -> tuple[bytes, bytes, int]:
        """Name and value of a literal behind its index, and where it ends."""
        if not index:
            name, at = read_string(self.block, at)
        elif index < FIRST_DYNAMIC:
            name = STATIC_FIELDS[index].name
        else:
            name = self.fields[index - FIRST_DYNAMIC].name
        value, at = read_string(self.block, at)
        return name, value, at

    def _known_literal(self, known: KnownFields, start: int, index: int, at: int) -> tuple[HeaderField, int]:
        """A literal that means the same under every table, and where it ends. It is found by all its bytes, its lengths
        among them, so one that ends behind the block is not found.
        """
        block = self.block
        end = find_end(block, at)
        if not index:
            end = find_end(block, end)
        literal = block[start:end]
        field = known.literals.get(literal)
        if field is None:
            name, value, end = self._literal(index, at)
            field = known[name, value]
            known.add_literal(literal, field)
        return field, end

    def _resize(self, at: int) -> int:
        limit, at = read_integer(self.block, at, 0x1F)
        if limit > DEFAULT_TABLE:
            raise error("the table is larger than allowed")
        self.limit = limit
        self._evict(limit)
        return at

    def _insert(self, field: HeaderField) -> tuple[HeaderField, ...]:
        """RFC 7541, 4.4: room is made first; a field that is larger than the table only empties it."""
        if self.size + field.size > self.limit:
            self._evict(self.limit - field.size)
        if field.size <= self.limit:
            self.fields = (field, *self.fields)
            self.size += field.size
        return self.fields

    def _evict(self, size: int) -> None:
        fields, left = self.fields, len(self.fields)
        while self.size > size and left:
            left -= 1
            self.size -= fields[left].size
        if left < len(fields):
            self.fields = fields[:left]


def decode(table: Table, block: bytes, known: KnownFields | None = None) -> tuple[list[HeaderField], Table]:
    """The fields of a complete block, and the table after it; HTTP2Error with COMPRESSION_ERROR if it is broken.

    Literals are looked up among the ``known`` fields where there are such.
    """
    reading = _BlockReading(table, block, known)
    try:
        fields = reading.read()
    except IndexError:
        raise error("an index or a representation ends behind its table or block") from None
    if reading.fields is table.fields and reading.limit == table.limit:
        return fields, table
    return fields, Table(reading.fields, reading.size, reading.limit)
