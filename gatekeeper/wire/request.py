"""Request heads: bytes in, ready-made bytes for the upstream out.

A head is a pure function of its bytes, so it is remembered. `RequestReader.block` keeps whole header blocks and
`RequestReader.field` keeps single lines, because where a block is new (a fresh cookie) most of its lines are not.
That is safe because the key is the exact bytes and the value depends on nothing else: identity, address and time are
added afterwards. Only admitted visitors may fill the memory, entries are bounded in number and size, and a reload
makes a new reader. Reading the twelve headers of a browser anew costs 25 µs, remembered 0.3 µs.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import httptools

from gatekeeper.errors import MessageError
from gatekeeper.wire.framing import Body, ChunkedBody, Framing, LengthBody
from gatekeeper.wire.headers import TOKEN, Field, Meaning, read_length, read_request_field, tokens

# RFC 9112, 3: one space between the parts. The target is visible ASCII (h11 and RFC 3986 agree); a fragment is
# never sent.
_REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([!\"$-~]+) HTTP/1\.([01])")
_OTHER_VERSION = re.compile(rb"\S+ \S+ HTTP/[0-9]\.[0-9]")
_ABSOLUTE = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE)
# RFC 3986, 3.2.2 and 3.2.3: a registered name or an address literal, and perhaps a port. No userinfo: "a@b" as Host
# is how one server is made to see a and the next to see b.
_HOST = re.compile(rb"(?:[0-9A-Za-z._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
_BROKEN_LINE_END = re.compile(rb"(?<!\r)\n|\r[^\n]|\x00")
# RFC 9110, 7.6.1: a connection option must not name a field that is meant for every recipient. Honouring it would
# let the visitor take the message apart.
_NEVER_PER_CONNECTION = frozenset({b"host", b"content-length", b"content-type", b"authorization", b"cookie", b"expect"})

REMEMBERED_BLOCKS = 512
REMEMBERED_FIELDS = 2048
# Longer blocks are read anew each time, so that the memory stays below REMEMBERED_BLOCKS times this (2 MiB) twice over.
REMEMBERED_BLOCK_BYTES = 4096


@dataclass(slots=True, eq=False)
class Block:
    """What a header block says; it is shared between requests and never changed.

    ``forward`` are the lines for the upstream: Host, what passes, the framing written anew. ``forwarded_host`` is
    the line that repeats Host for apps behind several proxies. ``options`` are the tokens of Connection.
    ``remarks`` are the fields that the gate itself may want to read.
    """

    forward: bytes
    forwarded_host: bytes
    host: bytes
    framing: Framing
    length: int
    options: frozenset[bytes]
    expects_continue: bool
    upgrade: bool
    remarks: tuple[Field, ...]
    count: int

    def remark(self, name: bytes) -> bytes:
        """The value of Accept, User-Agent, X-Forwarded-For or another field that interests the gate, b"" if none came.

        Nothing is believed yet: only a trusted proxy may speak of whom it forwards for.
        """
        return b", ".join(field.value for field in self.remarks if field.name == name)


@dataclass(slots=True)
class RequestHead:
    """One request's head. ``target`` is a path or ``*``, otherwise as it came; ``minor`` is the x in HTTP/1.x."""

    method: bytes
    target: bytes
    minor: int
    block: Block

    @property
    def keep_alive(self) -> bool:
        """Whether the client wants to go on with the connection afterwards (RFC 9112, 9.3)."""
        options = self.block.options
        return b"close" not in options and (self.minor == 1 or b"keep-alive" in options)

    @property
    def upgrade(self) -> bool:
        """Whether this is a WebSocket handshake (RFC 6455, 4.1). Every other upgrade is ignored, as it may be."""
        return self.block.upgrade and self.minor == 1 and self.method == b"GET" and self.block.framing is Framing.NONE

    def body(self) -> Body | None:
        """A reader for the body that follows, None if none does."""
        if self.block.framing is Framing.LENGTH:
            return LengthBody(self.block.length) if self.block.length else None
        return ChunkedBody() if self.block.framing is Framing.CHUNKED else None


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """How large a head may be: bytes of the whole, bytes of the request line, number of fields."""

    head: int = 32 * 1024
    line: int = 8 * 1024
    count: int = 100


class RequestReader:
    """Reads request heads under the given limits; ``stripped`` names fields that only the gate may set."""

    def __init__(self, limits: HeadLimits, stripped: frozenset[bytes] = frozenset()) -> None:
        self.limits = limits
        self._stripped = stripped
        self._field: Callable[[bytes], Field] = lru_cache(REMEMBERED_FIELDS)(self._read_field)
        self._block: Callable[[bytes], Block] = lru_cache(REMEMBERED_BLOCKS)(self._remember_block)

    def read(self, line: bytes, block: bytes, *, remember: bool) -> RequestHead:
        """Read a complete head: the request line without its CRLF, and all that follows, the blank line included.

        ``remember`` only what an admitted visitor sent. MessageError with the status to answer if the head is refused.
        """
        match = _REQUEST_LINE.fullmatch(line)
        if match is None or len(line) > self.limits.line:
            raise self._line_error(line)
        size = len(block)
        if size + len(line) + 2 > self.limits.head:
            raise MessageError(431, "The request header is too large.")
        if remember and size <= REMEMBERED_BLOCK_BYTES:
            known = self._block(block)
        else:
            known = read_block(block, self._field if remember else self._read_field)
        if known.count > self.limits.count:
            raise MessageError(431, "The request has too many header fields.")
        method, target, minor = match.groups()
        head = RequestHead(method, target, minor[0] - 0x30, known)
        if method in (b"CONNECT", b"TRACE"):
            raise MessageError(501, "This method is not supported.")
        if target[0] != _SLASH or not known.host or minor == b"0":
            _judge_target(head)
        return head

    def incomplete(self, held: bytes, already: int = 0) -> None:
        """Look at the beginning of a head: MessageError at once if nothing that may follow can make it right.

        The first ``already`` bytes were looked at before, when fewer had come.
        """
        line_end = held.find(b"\r\n")
        if (line_end < 0 and len(held) > self.limits.line) or line_end > self.limits.line:
            raise MessageError(414, "The request line is too long.")
        if len(held) > self.limits.head:
            raise MessageError(431, "The request header is too large.")
        if _BROKEN_LINE_END.search(held, max(0, already - 1)):
            raise MessageError(400, "The request header holds a bare line end or a NUL.")
        if line_end >= 0 and _REQUEST_LINE.fullmatch(held, 0, line_end) is None:
            raise self._line_error(held[:line_end])

    def _line_error(self, line: bytes) -> MessageError:
        if len(line) > self.limits.line:
            return MessageError(414, "The request line is too long.")
        if _OTHER_VERSION.fullmatch(line):
            return MessageError(505, "This server speaks HTTP/1.1 and HTTP/1.0.")
        return MessageError(400, "The request line is malformed.")

    def _read_field(self, line: bytes) -> Field:
        return read_request_field(line, self._stripped)

    def _remember_block(self, block: bytes) -> Block:
        return read_block(block, self._field)


_SLASH = 0x2F


def read_block(block: bytes, read_field: Callable[[bytes], Field]) -> Block:
    """Read everything after the request line, the blank line included; MessageError if it is refused."""
    fields = [read_field(line) for line in block[:-4].split(b"\r\n")] if len(block) > 2 else []
    special = [field for field in fields if field.meaning is not Meaning.PASS]
    connection = [token for field in special if field.meaning is Meaning.CONNECTION for token in tokens(field.value)]
    options = frozenset(connection)
    if not options.isdisjoint(_NEVER_PER_CONNECTION):
        raise MessageError(400, "Connection names a field that is not the connection's.")
    framing, length = _framing(special)
    host = _host(special)
    _ask_llhttp(block)
    forward = [field.line for field in fields if field.passes and field.name not in options]
    if host:
        forward.insert(0, b"Host: " + host + b"\r\n")
    if framing is Framing.CHUNKED:
        forward.append(b"Transfer-Encoding: chunked\r\n")
    elif framing is Framing.LENGTH:
        forward.append(b"Content-Length: %d\r\n" % length)
    return Block(
        forward=b"".join(forward),
        forwarded_host=b"X-Forwarded-Host: " + host + b"\r\n" if host else b"",
        host=host,
        framing=framing,
        length=length,
        options=options,
        expects_continue=_expects_continue(special),
        upgrade=b"upgrade" in options and _asks_for_websocket(special),
        remarks=tuple([field for field in special if field.meaning is Meaning.NOTE or field.meaning is Meaning.CLAIM]),
        count=len(fields),
    )


def _framing(fields: list[Field]) -> tuple[Framing, int]:
    """RFC 9112, 6.1 to 6.3, without its leniences: whatever two readers could read differently is refused."""
    codings = [field.value for field in fields if field.meaning is Meaning.TRANSFER_ENCODING]
    lengths = [field.value for field in fields if field.meaning is Meaning.CONTENT_LENGTH]
    if codings and lengths:
        raise MessageError(400, "Content-Length and Transfer-Encoding came together.")
    if len(lengths) > 1 or len(codings) > 1:
        raise MessageError(400, "The length of the body is given twice.")
    if codings:
        if codings[0].lower() != b"chunked":
            known = tokens(codings[0])[-1:] == [b"chunked"]
            raise MessageError(501 if known else 400, "The only transfer coding understood here is chunked.")
        return Framing.CHUNKED, 0
    return (Framing.LENGTH, read_length(lengths[0])) if lengths else (Framing.NONE, 0)


def _host(fields: list[Field]) -> bytes:
    hosts = [field.value for field in fields if field.meaning is Meaning.HOST]
    if len(hosts) > 1:
        raise MessageError(400, "Host came more than once.")
    if hosts and _HOST.fullmatch(hosts[0]) is None:
        raise MessageError(400, "Host is malformed.")
    return hosts[0] if hosts else b""


def _expects_continue(fields: list[Field]) -> bool:
    expectations = [field.value.lower() for field in fields if field.meaning is Meaning.EXPECT]
    if expectations and expectations != [b"100-continue"]:
        raise MessageError(417, "The only expectation met here is 100-continue.")
    return bool(expectations)


def _asks_for_websocket(fields: list[Field]) -> bool:
    return [field.value.lower() for field in fields if field.meaning is Meaning.UPGRADE] == [b"websocket"]


def _judge_target(head: RequestHead) -> None:
    """Everything that is not a plain path with a Host: other target forms (RFC 9112, 3.2), HTTP/1.0, no Host."""
    if head.minor == 0 and head.block.framing is Framing.CHUNKED:
        raise MessageError(400, "HTTP/1.0 has no Transfer-Encoding.")
    if head.minor == 1 and not head.block.host:
        raise MessageError(400, "Host is missing.")
    if head.target == b"*" and head.method == b"OPTIONS":
        return
    absolute = _ABSOLUTE.fullmatch(head.target)
    if absolute:
        if absolute[1].lower() != head.block.host.lower():
            raise MessageError(400, "The target and Host name different servers.")
        head.target = absolute[2] if absolute[2].startswith(b"/") else b"/" + absolute[2]
    if not head.target.startswith(b"/"):
        raise MessageError(400, "The target is neither a path nor a URL of this server.")


def unreadable_head(line: bytes) -> RequestHead:
    """What can be told of a request that could not be read, for the log alone; ``line`` is how it began."""
    method, _, rest = line[:LOGGED_LINE_BYTES].partition(b" ")
    return RequestHead(method, rest.rpartition(b" ")[0] or rest, 1, _NO_BLOCK)


# Of a request line that is none, enough to recognise it by.
LOGGED_LINE_BYTES = 256
_NO_BLOCK = Block(
    b"", b"", b"", Framing.NONE, 0, frozenset(), expects_continue=False, upgrade=False, remarks=(), count=0
)


class _Judge:
    """llhttp's second opinion needs no callbacks."""


def _ask_llhttp(block: bytes) -> None:
    """The second judge: llhttp, in its strict mode, must be able to read the block too."""
    try:
        httptools.HttpRequestParser(_Judge()).feed_data(b"POST / HTTP/1.1\r\n" + block)
    except httptools.HttpParserUpgrade:
        return
    except httptools.HttpParserError as error:
        raise MessageError(400, "The request header is malformed.") from error
