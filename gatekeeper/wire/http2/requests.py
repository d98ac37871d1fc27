"""Requests of HTTP/2 as the HTTP/1.1 heads they stand for (RFC 9113, 8.3.1), read by the reader of HTTP/1.1.

The rules that only HTTP/2 has come first, then all of HTTP/1.1's, with llhttp as the second judge. What comes out has
the same form as a request that came in HTTP/1.1.

What admitted visitors send is cached in three steps, for browsers repeat most of it: whole blocks, under table and
bytes; blocks that differ in their path alone, of which only the path is read and judged anew; and where a block changes
the table, all fields but pseudo-header fields and cookies, which are then known as objects.
"""

from typing import Final

from gatekeeper.errors import MessageError
from gatekeeper.wire.http2.fields import (
    COOKIE,
    HOST,
    LENGTH,
    PSEUDO,
    REGULAR,
    TE,
    HeaderField,
    KnownFields,
    check,
    malformed,
)
from gatekeeper.wire.http2.hpack import Table, decode, find_path, read_string
from gatekeeper.wire.request import RequestHead, RequestReader, unreadable_head
from gatekeeper.wire.rules import MessageRule

# RFC 9113, 8.2.3: a client may split its cookies into fields as it likes, so all together are one field of
# limits.header_count. Before they are joined, each counts 32 bytes more than it has in limits.request_header, which
# holds some 800 by default: as one line they would count as nothing (the "HTTP/2 bomb" of 2026). Where it holds more,
# this is the bound, as many as the most that header_count can allow.
MAX_COOKIES: Final = 10_000
# An entry holds its block, its table (4 KiB at most, with 250 bytes more for each of up to 124 fields) and its head:
# some 3 KiB with a browser, 40 KiB if an admitted visitor sends large ones on purpose.
CACHED_BLOCKS: Final = 512
CACHED_SECTIONS: Final = 512
CACHED_PATHS: Final = 1024
CACHED_BLOCK_BYTES: Final = 4096
_REQUIRED: Final = frozenset({b":method", b":scheme", b":path"})
_OPTIONAL: Final = _REQUIRED | {b":authority"}
_EXTENDED: Final = _OPTIONAL | {b":protocol"}
# RFC 8441, 5: HTTP/2 has its own way to prove what these are for.
_KEYS: Final = frozenset({b"sec-websocket-key", b"sec-websocket-accept"})


class RejectedRequest:
    """A request that is refused: what to answer, and what can be told of it for log and form of the answer."""

    __slots__ = ("error", "head")

    def __init__(self, error: MessageError, head: RequestHead) -> None:
        self.error = error
        self.head = head


Read = RequestHead | RejectedRequest


class BlockReader:
    """Reads the field blocks of requests, for all connections of a `RequestReader`, by whose limits they are held."""

    def __init__(self, reader: RequestReader) -> None:
        self.reader = reader
        self._fields = KnownFields()
        self._blocks: dict[tuple[Table, bool, bytes], tuple[Read, Table]] = {}
        # What is before and behind a path leads to a head, the length that another path may have, and the table after.
        self._around: dict[tuple[Table, bool, bytes, bytes], tuple[RequestHead, int, Table]] = {}
        # Paths as they are encoded, of at most 127 bytes: for visitors who have a cookie of their own, and so a table.
        self._paths: dict[bytes, bytes] = {}
        # By the fields themselves, which are never changed, and which the key keeps alive.
        self._sections: dict[tuple[bytes | None, bool, tuple[HeaderField, ...]], bytes] = {}

    def read(self, table: Table, block: bytes, *, ended: bool, cache: bool) -> tuple[Read, Table]:
        """What a block says under this table, and the table after it. ``ended`` is whether END_STREAM came with it.

        ``cache`` is for what admitted visitors send. HTTP2Error with COMPRESSION_ERROR if it cannot be read.
        """
        key = table, ended, block
        known = self._blocks.get(key)
        if known is not None:
            return known
        if not cache:
            head, after, _ = self._read(table, block, ended, None)
            return head, after
        at, end = find_path(block)
        around = table, ended, block[:at], block[end:]
        read = self._read_path(around, block, at, end) if at else None
        if read is None:
            head, after, size = self._read(table, block, ended, self._fields)
            # Not if it brings a new cookie into the table: no other connection would have the same table.
            fresh = after is not table and isinstance(head, RequestHead) and head.cookie
            if isinstance(head, RejectedRequest) or fresh or len(block) > CACHED_BLOCK_BYTES:
                return head, after
            read = head, after
            if at and head.target[:1] == b"/":
                if len(self._around) >= CACHED_SECTIONS:
                    self._around.clear()
                self._around[around] = head, self.reader.limits.head - size + len(head.target), after
        if len(self._blocks) >= CACHED_BLOCKS:
            self._blocks.clear()
        self._blocks[key] = read
        return read

    def _read_path(
        self, around: tuple[Table, bool, bytes, bytes], block: bytes, at: int, end: int
    ) -> tuple[RequestHead, Table] | None:
        """A block that was read before with another path; None if it was not, or if the path is to be refused."""
        known = self._around.get(around)
        if known is None:
            return None
        other, room, after = known
        literal = block[at:end]
        path = self._paths.get(literal)
        if path is None:
            path, _ = read_string(block, at)
            if len(self._paths) >= CACHED_PATHS:
                self._paths.clear()
            self._paths[literal] = path
        head = self.reader.with_target(other, path) if len(path) <= room else None
        return None if head is None else (head, after)

    def _read(self, table: Table, block: bytes, ended: bool, known: KnownFields | None) -> tuple[Read, Table, int]:
        """As `read`, and the size of the field list; ``known`` is None for who may leave nothing behind."""
        fields, after = decode(table, block, known)
        size = _size(fields)
        count = next((at for at, field in enumerate(fields) if field.kind != PSEUDO), len(fields))
        pseudo, rest = fields[:count], fields[count:]
        special = {field.name: field.value for field in pseudo}
        try:
            line = _request_line(pseudo, special)
            if size > self.reader.limits.head:
                raise MessageRule.HEAD_TOO_LARGE.error()  # RFC 9113, 6.5.2 and 10.5.1
            return self._judge(line, rest, special, ended, cache=known is not None), after, size
        except MessageError as error:
            return RejectedRequest(error, _unreadable(special, rest)), after, size

    def _judge(
        self, line: bytes, rest: list[HeaderField], special: dict[bytes, bytes], ended: bool, *, cache: bool
    ) -> RequestHead:
        """The head, by the rules of HTTP/1.1. Its cookies may be new in each request; the rest of it is not."""
        cookies = [field.value for field in rest if field.kind == COOKIE]
        if len(cookies) > MAX_COOKIES:
            raise MessageRule.FIELD_COUNT.error()
        text = self._section(rest, special, ended, cache=cache)
        reader, head = self.reader, None
        if cookies:
            cookie = b"Cookie: %b" % b"; ".join(cookies)
            if cache:
                head = reader.with_cookie(reader.read(line, text, cache=True), cookie)
            text = b"%b%b\r\n\r\n" % (text[:-2], cookie)
        if head is None:
            head = reader.read(line, text, cache=cache)
        if ended and head.block.length:
            raise malformed("Content-Length announces a body, and none comes.")  # RFC 9113, 8.1.1
        return head

    def _section(self, rest: list[HeaderField], special: dict[bytes, bytes], ended: bool, *, cache: bool) -> bytes:
        """All lines behind the request line but the cookie's, the blank line included."""
        if not cache or b":protocol" in special:
            return _header_lines(rest, special, ended, self.reader.limits.count)
        key = special.get(b":authority"), ended, tuple([field for field in rest if field.kind != COOKIE])
        text = self._sections.get(key)
        if text is None:
            text = _header_lines(rest, special, ended, self.reader.limits.count)
            if len(self._sections) >= CACHED_SECTIONS:
                self._sections.clear()
            self._sections[key] = text
        return text


def _size(fields: list[HeaderField]) -> int:
    return sum([field.size for field in fields])


def _request_line(pseudo: list[HeaderField], special: dict[bytes, bytes]) -> bytes:
    """RFC 9113, 8.3 and 8.3.1; RFC 8441, 4."""
    names = special.keys()
    if len(pseudo) != len(special) or not (names >= _REQUIRED and names <= _EXTENDED):
        if special.get(b":method") == b"CONNECT" and names <= _OPTIONAL:
            raise MessageRule.METHOD.error()  # RFC 9113, 8.5: no scheme, no path
        raise malformed("The pseudo-header fields are not those of a request.")
    method, path = special[b":method"], special[b":path"]
    if special[b":scheme"].lower() != b"https":
        raise malformed("The scheme is not https.")
    if b":protocol" in special:
        if method != b"CONNECT":
            raise malformed("A protocol is named without CONNECT.")
        if special[b":protocol"] != b"websocket":
            raise MessageRule.METHOD.error()
        method = b"GET"
    elif method == b"CONNECT":
        raise MessageRule.METHOD.error()
    # Only these two forms, where HTTP/1.1 knows a third (RFC 9112, 3.2.2), and nothing that could end the line.
    if not path.startswith(b"/") and not (path == b"*" and method == b"OPTIONS"):
        raise MessageRule.TARGET_FORM.error()
    return b"%b %b HTTP/1.1" % (method, path)


def _header_lines(fields: list[HeaderField], special: dict[bytes, bytes], ended: bool, limit: int) -> bytes:
    """All after the request line, the blank line included, but no cookie."""
    lines: list[bytes] = []
    hosts: list[bytes] = []
    length = False
    for field in fields:
        kind = field.kind
        if kind == REGULAR:
            lines.append(field.line)
        elif kind == HOST:
            hosts.append(field.value)
        elif kind == LENGTH:
            lines.append(field.line)
            length = True
        elif kind != COOKIE:
            check(field)
            assert kind == TE  # noqa: S101 - dropped: it is about the connection (RFC 9110, 10.1.4)
    if len(lines) > limit:
        raise MessageRule.FIELD_COUNT.error()
    if b":protocol" in special:
        if ended or length:
            raise malformed("A tunnel is asked for and ended at once.")
        lines = [line for line in lines if line.partition(b":")[0] not in _KEYS]
        lines.append(b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
    elif not ended and not length:
        lines.append(b"Transfer-Encoding: chunked\r\n")
    return b"Host: %b\r\n%b\r\n" % (_host(special.get(b":authority"), hosts), b"".join(lines))


def _host(authority: bytes | None, hosts: list[bytes]) -> bytes:
    """RFC 9113, 8.3.1: :authority, which Host may only repeat; or the one Host of a client that came by a proxy."""
    if authority is None:
        if len(hosts) != 1:
            raise MessageRule.HOST_MISSING.error() if not hosts else MessageRule.HOST_MALFORMED.error()
        return hosts[0]
    if any(host != authority for host in hosts):
        raise malformed("The authority and Host differ.")
    return authority


def _unreadable(special: dict[bytes, bytes], fields: list[HeaderField]) -> RequestHead:
    wishes = [field.line[:-2] for field in fields if field.name in _WISHES and field.line]
    line = b"%b %b HTTP/2" % (special.get(b":method", b"-"), special.get(b":path", b"-"))
    return unreadable_head(b"\r\n".join([line.translate(_VISIBLE), *wishes]))


_WISHES: Final = frozenset({b"accept", b"accept-language", b"content-type"})
# For the log: what would be read as something else there is shown as "?".
_VISIBLE: Final = bytes(byte if 0x20 <= byte < 0x7F else 0x3F for byte in range(256))
