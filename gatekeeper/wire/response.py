"""Response heads: an upstream's bytes in, ready-made bytes for the client out; and the gate's own responses.

Remembered like request heads (see `gatekeeper.wire.request`): a response's Date stays the same for a second at a time,
which is when it matters. Whatever is refused here is the upstream's fault and becomes 502.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus

import httptools

from gatekeeper.errors import MessageError
from gatekeeper.wire.framing import Body, ChunkedBody, Framing, LengthBody, UntilCloseBody
from gatekeeper.wire.headers import Field, Meaning, read_length, read_response_field, tokens

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?")
MAX_HEAD_BYTES = 64 * 1024
REMEMBERED_HEADS = 256
REMEMBERED_HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """What a response head says.

    ``fields`` are the status line and the lines that pass, without framing; ``ready`` is the whole head for the common
    case: an HTTP/1.1 client whose connection goes on. ``reusable`` says whether the upstream's connection may be used
    again after this response, going by its head alone.
    """

    status: int
    fields: bytes
    ready: bytes
    framing: Framing
    length: int
    reusable: bool
    upgrade: bool

    def body(self, method: bytes) -> Body | None:
        """A reader for the body that follows a request of this method, None if none does (RFC 9112, 6.3)."""
        if method == b"HEAD" or self.status in (204, 304) or self.status < 200:
            return None
        if self.framing is Framing.LENGTH:
            return LengthBody(self.length) if self.length else None
        return ChunkedBody() if self.framing is Framing.CHUNKED else UntilCloseBody()


def read_response(head: bytes) -> ResponseHead:
    """Read a complete response head, blank line included; MessageError if no client should see it."""
    return _remembered(head) if len(head) <= REMEMBERED_HEAD_BYTES else _read(head)


def _read(head: bytes) -> ResponseHead:
    line, _, block = head.partition(b"\r\n")
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise MessageError(502, "The status line is malformed.")
    minor, status = match[1], int(match[2])
    fields = [read_response_field(text) for text in block[:-4].split(b"\r\n")] if len(block) > 2 else []
    options = {token for field in fields if field.meaning is Meaning.CONNECTION for token in tokens(field.value)}
    framing, length = _framing(fields, minor)
    passing = [field.line for field in fields if field.passes and field.name not in options]
    reason = match[3] if match[3] is not None else b""
    start = b"HTTP/1.1 %d %b\r\n" % (status, reason) + b"".join(passing)
    _ask_llhttp(head)
    return ResponseHead(
        status=status,
        fields=start,
        ready=start + framing_line(framing, length, status) + b"\r\n",
        framing=framing,
        length=length,
        reusable=(b"close" not in options) if minor == b"1" else (b"keep-alive" in options),
        upgrade=b"upgrade" in options and any(f.value.lower() == b"websocket" for f in fields if f.name == b"upgrade"),
    )


_remembered = lru_cache(REMEMBERED_HEADS)(_read)


def _framing(fields: list[Field], minor: bytes) -> tuple[Framing, int]:
    """RFC 9112, 6.3; what could be read in two ways is refused, from an upstream too."""
    codings = [field.value.lower() for field in fields if field.meaning is Meaning.TRANSFER_ENCODING]
    lengths = {field.value for field in fields if field.meaning is Meaning.CONTENT_LENGTH}
    if codings and (lengths or codings != [b"chunked"] or minor == b"0"):
        raise MessageError(502, "The response's framing is contradictory.")
    if len(lengths) > 1:
        raise MessageError(502, "The response gives two lengths.")
    if codings:
        return Framing.CHUNKED, 0
    return (Framing.LENGTH, read_length(lengths.pop())) if lengths else (Framing.UNTIL_CLOSE, 0)


def framing_line(framing: Framing, length: int, status: int) -> bytes:
    """The line that tells an HTTP/1.1 client where the body ends; none where no body can be (RFC 9110, 8.6)."""
    if status < 200 or status == 204:
        return b""
    if framing is Framing.LENGTH:
        return b"Content-Length: %d\r\n" % length
    return b"" if status == 304 else b"Transfer-Encoding: chunked\r\n"


class _Judge:
    """llhttp's second opinion needs no callbacks."""


def _ask_llhttp(head: bytes) -> None:
    try:
        httptools.HttpResponseParser(_Judge()).feed_data(head)
    except httptools.HttpParserUpgrade:
        return
    except httptools.HttpParserError as error:
        raise MessageError(502, "The response header is malformed.") from error


def own_response(
    status: int, headers: tuple[tuple[str, str], ...], body: bytes, *, method: bytes, close: bool
) -> bytes:
    """A response of the gate itself, complete; HEAD gets the head alone (RFC 9110, 9.3.2).

    Header values that could break the head (control characters) are a bug here, not the peer's, and raise ValueError.
    """
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines.append(f"Content-Length: {len(body)}")
    if close:
        lines.append("Connection: close")
    if any(not char.isprintable() for line in lines for char in line):
        raise ValueError("a header of the gate's own response holds a control character")
    head = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"
    return head if method == b"HEAD" else head + body
