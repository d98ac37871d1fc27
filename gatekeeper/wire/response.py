"""Response heads: an upstream's bytes in, ready-made bytes for the client out; and the gate's own responses.

Cached like request heads (see `gatekeeper.wire.request`): a response's Date stays the same for a second at a time,
which is when it matters. Whatever is refused here is the upstream's fault and becomes 502.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Final

import httptools

from gatekeeper.wire.cache import Cache
from gatekeeper.wire.dates import http_date
from gatekeeper.wire.framing import (
    CHUNKED,
    LENGTH,
    UNTIL_CLOSE,
    Body,
    ChunkedBody,
    Framing,
    LengthBody,
    UntilCloseBody,
)
from gatekeeper.wire.headers import (
    BROKEN_LINE_END,
    USUAL_OPTIONS,
    Field,
    collect,
    read_length,
    read_own_field,
    read_response_field,
    tokens,
    upgrade_protocol,
)
from gatekeeper.wire.rules import MessageRule

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?")
_BEGINNING: Final = b"HTTP/1."
MAX_HEAD_BYTES: Final = 64 * 1024
CACHED_HEADS: Final = 256
CACHED_HEAD_BYTES: Final = 4096
CACHED_FIELDS: Final = 1024
CACHED_FIELD_BYTES: Final = 512
CACHED_OWN: Final = 64
_PLAIN_OPTIONS: Final = frozenset({b"close", b"keep-alive", b"upgrade"})


@dataclass(slots=True)
class ResponseHead:
    """What a response head says; it is shared between responses and never changed.

    ``fields`` are the status line and the lines that pass, without framing. ``wire_head`` is the complete head for the
    common case, an HTTP/1.1 client whose connection stays open. ``content_length`` is the length of the body that goes
    with it, -1 if it is unknown or the upstream's connection ends: that many bytes behind the head are the whole
    response to an ordinary request. ``reusable`` says whether the upstream's connection may be used again after this
    response, going by its head alone. ``upgrade`` is the protocol that a 101 switches to, b"" for none. ``hpack`` is
    the head as an HTTP/2 field block, once one was needed. ``undated`` is the head as it came, without its blank line,
    where it has no Date and `with_date` must be asked for one before it is passed on; else b"". ``text`` is the whole
    head as it came, b"" for a long one and in HTTP/2.
    """

    status: int
    fields: bytes
    wire_head: bytes
    framing: Framing
    length: int
    reusable: bool
    upgrade: bytes
    content_length: int = -1
    hpack: bytes = b""
    undated: bytes = b""
    text: bytes = b""

    def body(self, method: bytes, *, lenient: bool = False) -> Body | None:
        """A reader for the body that follows a request of this method, None if none does (RFC 9112, 6.3)."""
        if method == b"HEAD" or self.status in (204, 304) or self.status < 200:
            return None
        if self.framing is LENGTH:
            return LengthBody(self.length) if self.length else None
        return ChunkedBody((), padded=True, lenient=lenient) if self.framing is CHUNKED else UntilCloseBody()


def with_date(head: ResponseHead, now: float) -> ResponseHead:
    """The ``undated`` head with the Date of this moment (seconds since the epoch), cached for as long as that is true.

    RFC 9110, 6.6.1: who forwards a response without Date must add one.
    """
    return read_response(b"%b%b\r\n" % (head.undated, _date_line(int(now))))


def incomplete_response(held: bytes) -> None:
    """Look at the beginning of a head: MessageError at once if nothing that may follow can make it right."""
    # RFC 9112, 4: status-line = HTTP-version SP status-code SP [ reason-phrase ]; 2.3: the version is HTTP/1.x here.
    if held[:7] != _BEGINNING[: len(held)]:
        raise MessageRule.RESPONSE_STATUS_LINE.error()
    if len(held) > MAX_HEAD_BYTES:
        raise MessageRule.RESPONSE_HEAD_TOO_LARGE.error()
    broken = BROKEN_LINE_END.search(held)
    if broken:
        in_fields = 0 <= held.find(b"\r\n") < broken.start()
        raise (MessageRule.RESPONSE_FIELD_LINE if in_fields else MessageRule.RESPONSE_STATUS_LINE).error()


def _read(fields_by_line: Cache[Field], head: bytes) -> ResponseHead:
    line, *lines = head[:-4].split(b"\r\n")
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise MessageRule.RESPONSE_STATUS_LINE.error()
    if len(head) > MAX_HEAD_BYTES:
        raise MessageRule.RESPONSE_HEAD_TOO_LARGE.error()
    minor, code, reason = match.groups(b"")
    status = int(code)
    known = list(map(fields_by_line.__getitem__, lines))
    special = collect(known)
    framing, length = _framing(special, minor)
    options = _options(special[b"connection"]) if b"connection" in special else _NO_OPTIONS
    if not options <= _PLAIN_OPTIONS:
        known = [field for field in known if field.name not in options]
    _ask_llhttp(head)
    fields = b"HTTP/1.1 %b %b\r\n" % (code, reason) + b"".join([field.line for field in known])
    reusable = (b"close" not in options if minor == b"1" else b"keep-alive" in options) and not _misses_a_body(
        status, special
    )
    has_length = framing is Framing.LENGTH and status >= 200 and status not in (204, 304)
    return ResponseHead(
        status,
        fields,
        fields + framing_line(framing, length, status) + b"\r\n",
        framing,
        length,
        reusable,
        upgrade_protocol(special.get(b"upgrade", b"")) if b"upgrade" in options else b"",
        length if has_length and reusable else -1,
        undated=b"" if status < 200 or b"date" in [field.name for field in known] else head[:-2],
        text=head if len(head) <= CACHED_HEAD_BYTES else b"",
    )


_NO_OPTIONS: Final = frozenset[bytes]()


def _options(value: bytes) -> frozenset[bytes]:
    return USUAL_OPTIONS.get(value) or frozenset(tokens(value, MessageRule.RESPONSE_CONNECTION))


def _framing(special: Mapping[bytes, bytes], minor: bytes) -> tuple[Framing, int]:
    """RFC 9112, 6.3; what could be read in two ways is refused, from an upstream too."""
    coding, length = special.get(b"transfer-encoding"), special.get(b"content-length")
    # RFC 9112, 6.1 and 6.3 (3): faulty with Content-Length, and in HTTP/1.0. Here chunked is the only one understood.
    if coding is not None:
        if length is not None or coding.lower() != b"chunked" or minor == b"0":
            raise MessageRule.RESPONSE_CODING.error()
        return CHUNKED, 0
    return (UNTIL_CLOSE, 0) if length is None else (LENGTH, read_length(length, MessageRule.RESPONSE_LENGTH))


def _misses_a_body(status: int, special: Mapping[bytes, bytes]) -> bool:
    """Whether the head speaks of a body where none can be (RFC 9110, 15.3.5 and 15.4.5): one may come all the same,
    and would be taken for the next response. A 304 may repeat the length that a 200 would have.
    """
    announced = b"transfer-encoding" in special or (status == 204 and special.get(b"content-length", b"0") != b"0")
    return status in (204, 304) and announced


def framing_line(framing: Framing, length: int, status: int) -> bytes:
    """The line that tells an HTTP/1.1 client where the body ends; none where no body can be (RFC 9110, 8.6)."""
    if status < 200 or status == 204:
        return b""
    if framing is LENGTH:
        return b"Content-Length: %d\r\n" % length
    return b"" if status == 304 else b"Transfer-Encoding: chunked\r\n"


class _Judge:
    """llhttp's second opinion needs no callbacks."""


_JUDGE: Final = _Judge()


def _ask_llhttp(head: bytes) -> None:
    try:
        httptools.HttpResponseParser(_JUDGE).feed_data(head)
    except httptools.HttpParserUpgrade:
        return
    except httptools.HttpParserError as error:
        raise MessageRule.RESPONSE_FIELD_LINE.error() from error


# An app behind the gate is trusted with this much memory: 256 * 4 KiB * 3 for heads, 1024 * 512 * 3 for lines.
_FIELDS: Final = Cache(read_response_field, CACHED_FIELDS, CACHED_FIELD_BYTES)
read_response: Final = Cache(partial(_read, _FIELDS), CACHED_HEADS, CACHED_HEAD_BYTES).__getitem__
"""Read an app's complete response head, blank line included; MessageError if no client should see it.

0.05 µs where it is cached, 6 with a new length or Date.
"""


_OWN_FIELDS: Final = Cache(read_own_field, CACHED_OWN, CACHED_FIELD_BYTES)
read_own_response: Final = Cache(partial(_read, _OWN_FIELDS), CACHED_OWN, CACHED_HEAD_BYTES).__getitem__
"""Read a head by `own_response`, with the fields that no app may send."""


def own_response(
    status: int, headers: tuple[tuple[str, str], ...], body: bytes, *, method: bytes, close: bool, now: float
) -> bytes:
    """A response of the gate itself, complete; HEAD gets the head alone (RFC 9110, 9.3.2). ``now`` is for its Date.

    The last of ``headers`` may hold what is new in each response; the others are cached. Values that could break
    the head (control characters) are a bug here, not the peer's, and raise ValueError.
    """
    head = b"%b%b%bContent-Length: %d\r\n%b\r\n" % (
        _own_beginning(status, headers[:-1]),
        b"".join(map(_own_line, headers[-1:])),
        _date_line(int(now)),
        len(body),
        b"Connection: close\r\n" if close else b"",
    )
    return head if method == b"HEAD" else head + body


@lru_cache(64)
def _own_beginning(status: int, headers: tuple[tuple[str, str], ...]) -> bytes:
    line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
    return line.encode("ascii") + b"".join(map(_own_line, headers))


def _own_line(header: tuple[str, str]) -> bytes:
    line = f"{header[0]}: {header[1]}"
    if not line.isprintable():
        raise ValueError("a header of the gate's own response holds a control character")
    return line.encode("latin-1", "replace") + b"\r\n"


@lru_cache(4)
def _date_line(second: int) -> bytes:
    return b"Date: %b\r\n" % http_date(second).encode("ascii")
