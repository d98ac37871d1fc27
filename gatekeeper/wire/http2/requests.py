"""Requests of HTTP/2 as the HTTP/1.1 heads they stand for (RFC 9113, 8.3.1), read by the reader of HTTP/1.1.

The rules that only HTTP/2 has come first, then all of HTTP/1.1's, with llhttp as the second judge. What comes out has
the same form as a request that came in HTTP/1.1.

Whole blocks of admitted visitors are cached under table and bytes; so is all that follows the pseudo-header fields,
because browsers send it alike for path after path. Where a cookie is new, which changes the table, the other fields are
known as objects: 15 µs instead of 23.
"""

from gatekeeper.errors import MessageError
from gatekeeper.wire.http2.fields import COOKIE, HOST, LENGTH, REGULAR, TE, HeaderField, check, malformed
from gatekeeper.wire.http2.hpack import BlockReading, Table
from gatekeeper.wire.request import RequestHead, RequestReader, unreadable_head
from gatekeeper.wire.rules import MessageRule

# Browsers send a line for each cookie, so cookies have a bound apart from other fields'. They are counted before they
# are joined (RFC 9113, 8.2.3): as one line they would count as nothing (the "HTTP/2 bomb" of 2026).
MAX_COOKIES = 256
# An entry holds its block, its table (4 KiB at most, with 250 bytes more for each of up to 124 fields) and its head:
# some 3 KiB with a browser, 40 KiB if somebody who was let in does it on purpose.
CACHED_BLOCKS = 512
CACHED_RESTS = 512
CACHED_BLOCK_BYTES = 4096
_REQUIRED = frozenset({b":method", b":scheme", b":path"})
_OPTIONAL = _REQUIRED | {b":authority"}
_EXTENDED = _OPTIONAL | {b":protocol"}
# RFC 8441, 5: HTTP/2 has its own way to prove what these are for.
_KEYS = frozenset({b"sec-websocket-key", b"sec-websocket-accept"})


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
        self._blocks: dict[tuple[Table, bool, bytes], tuple[Read, Table]] = {}
        self._rests: dict[tuple[Table, bool, bytes | None, bytes], tuple[bytes, int, Table]] = {}
        # By the fields themselves, which are never changed, and which the key keeps alive.
        self._others: dict[tuple[bytes | None, bool, tuple[HeaderField, ...]], tuple[bytes, int]] = {}

    def read(self, table: Table, block: bytes, *, ended: bool, cache: bool) -> tuple[Read, Table]:
        """What a block says under this table, and the table after it. ``ended`` is whether END_STREAM came with it.

        ``cache`` is for what admitted visitors send. HTTP2Error with COMPRESSION_ERROR if it cannot be read.
        """
        key = table, ended, block
        known = self._blocks.get(key)
        if known is not None:
            return known
        read = head, after = self._read(table, block, ended, cache)
        # Not one that brings a new cookie into the table: nobody else comes to the same table by it.
        fresh = after is not table and isinstance(head, RequestHead) and head.cookie
        if cache and not fresh and len(block) <= CACHED_BLOCK_BYTES and isinstance(head, RequestHead):
            if len(self._blocks) >= CACHED_BLOCKS:
                self._blocks.clear()
            self._blocks[key] = read
        return read

    def _read(self, table: Table, block: bytes, ended: bool, cache: bool) -> tuple[Read, Table]:
        reading = BlockReading(table, block)
        pseudo = reading.read(only_pseudo=True)
        special = {field.name: field.value for field in pseudo}
        rests = self._rests
        # The rest depends on the table it is read with, on what it is joined with, and on nothing else.
        key = table, ended, special.get(b":authority"), block[reading.at :]
        known = None if reading.changed or b":protocol" in special else rests.get(key)
        if known is not None:
            text, size, after = known
            rest: list[HeaderField] = []
        else:
            text, rest, size = b"", reading.read(), -1
            after = reading.table()
        try:
            line = _request_line(pseudo, special)
            if cache and reading.changed and rest and rest[-1].kind == COOKIE and b":protocol" not in special:
                head = self._read_apart(line, pseudo, rest, special.get(b":authority"), ended)
                if head is not None:
                    return head, after
            if known is None:
                size = _size(rest)
            if size + _size(pseudo) > self.reader.limits.head:
                raise MessageRule.HEAD_TOO_LARGE.error()  # RFC 9113, 6.5.2 and 10.5.1
            if known is None:
                text = _header_lines(rest, special, ended, self.reader.limits.count)
                if cache and not reading.changed and len(block) <= CACHED_BLOCK_BYTES:
                    if len(rests) >= CACHED_RESTS:
                        rests.clear()
                    rests[key] = text, size, after
            return self._judge(line, text, ended, cache, apart=known is None), after
        except MessageError as error:
            return RejectedRequest(error, _unreadable(special, rest)), after

    def _read_apart(
        self, line: bytes, pseudo: list[HeaderField], rest: list[HeaderField], authority: bytes | None, ended: bool
    ) -> RequestHead | None:
        """The cookies behind all other fields may be new in each request; those others are known by what they are.

        None where it makes a difference that all fields are one block, or where something must be refused.
        """
        at = len(rest)
        while at and rest[at - 1].kind == COOKIE:
            at -= 1
        cookies, key = rest[at:], (authority, ended, tuple(rest[:at]))
        known = self._others.get(key)
        if known is None:
            others = rest[:at]
            if any(field.kind in (COOKIE, LENGTH) for field in others):
                return None
            special = {} if authority is None else {b":authority": authority}
            known = _header_lines(others, special, ended, self.reader.limits.count), _size(others)
            if len(self._others) >= CACHED_RESTS:
                self._others.clear()
            self._others[key] = known
        text, size = known
        size += _size(pseudo) + _size(cookies)
        if size > self.reader.limits.head or len(line) > self.reader.limits.line or len(cookies) > MAX_COOKIES:
            return None
        value = cookies[0].value if len(cookies) == 1 else b"; ".join([field.value for field in cookies])
        return self.reader.with_cookie(self.reader.cached[b"%b\r\n%b" % (line, text)], b"Cookie: %b" % value)

    def _judge(self, line: bytes, text: bytes, ended: bool, cache: bool, *, apart: bool) -> RequestHead:
        """The head, by the rules of HTTP/1.1; ``apart`` is for a cookie that may be new, to be read by itself."""
        if apart and cache and len(line) <= self.reader.limits.line and b"\r\nCookie: " in text:
            head = self.reader.cached[b"%b\r\n%b" % (line, text)]
        else:
            head = self.reader.read(line, text, cache=cache)
        if ended and head.block.length:
            raise malformed("Content-Length announces a body, and none comes.")  # RFC 9113, 8.1.1
        return head


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
    """All after the request line, the blank line included."""
    lines: list[bytes] = []
    cookies: list[bytes] = []
    hosts: list[bytes] = []
    length = False
    for field in fields:
        kind = field.kind
        if kind == REGULAR:
            lines.append(field.line)
        elif kind == COOKIE:
            cookies.append(field.value)
        elif kind == HOST:
            hosts.append(field.value)
        elif kind == LENGTH:
            lines.append(field.line)
            length = True
        else:
            check(field)
            assert kind == TE  # noqa: S101 - dropped: it is about the connection (RFC 9110, 10.1.4)
    if len(cookies) > MAX_COOKIES or len(lines) > limit:
        raise MessageRule.FIELD_COUNT.error()
    if cookies:
        lines.append(b"Cookie: %b\r\n" % b"; ".join(cookies))
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


_WISHES = frozenset({b"accept", b"accept-language", b"content-type"})
# For the log: what would be read as something else there is shown as "?".
_VISIBLE = bytes(byte if 0x20 <= byte < 0x7F else 0x3F for byte in range(256))
