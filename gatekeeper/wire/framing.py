"""Where a body ends (RFC 9112, 6 and 7), and how it is written again.

A body is fed with bytes as they arrive and gives back what belongs to it. Nothing of the sender's framing is passed
on: lengths are counted, chunks are taken apart and written anew, so chunk extensions and odd spellings end here.

Chunks are read here and not by llhttp: httptools does not say at which byte a message ended, and what follows must be
kept for the next one.
"""

import re
from enum import Enum, auto
from typing import Final, Protocol

from gatekeeper.wire.foreign import BUILT_IN, NameSet
from gatekeeper.wire.headers import passes_as_trailer, split_field
from gatekeeper.wire.rules import MessageRule

# A trailer section is a header block that came late; it gets a share of what a head may have.
MAX_TRAILER_BYTES: Final = 8 * 1024
# Chunk extensions carry nothing that passes; many of them only keep the gate busy (CVE-2023-39326).
MAX_EXTENSION_BYTES: Final = 16 * 1024
MAX_LINE: Final = MAX_TRAILER_BYTES
# 15 digits stay below 2**60: no overflow anywhere (RFC 9112, 7.1 asks for that care).
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?")
# ESPAsyncWebServer and old Tomcats fill the line up with spaces (RFC 2616, 2.1 was read so); no size gets another
# meaning by that.
_PADDED_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?")
_CR: Final = 0x0D


class Framing(Enum):
    """How the end of a body is determined."""

    NONE = auto()
    LENGTH = auto()
    CHUNKED = auto()
    UNTIL_CLOSE = auto()


# Through the class, CPython 3.11 takes 0.08 µs for each; by these names 0.01.
NONE: Final = Framing.NONE
LENGTH: Final = Framing.LENGTH
CHUNKED: Final = Framing.CHUNKED
UNTIL_CLOSE: Final = Framing.UNTIL_CLOSE


class Body(Protocol):
    """The rest of a body that is being read."""

    __slots__ = ()

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Take what arrived; give the content in it, and what follows the body (b"" counts), or None while it goes on.

        MessageError if the framing is broken; nothing that was fed may be used then.
        """
        ...

    @property
    def trailers(self) -> bytes:
        """Trailer fields worth passing on, as lines; b"" until the body ended, and for bodies that have none."""
        ...


class LengthBody(Body):
    """A body of known length: its bytes are counted, not parsed."""

    __slots__ = ("remaining",)

    def __init__(self, length: int) -> None:
        self.remaining = length

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        size = len(data)
        if size < self.remaining:
            self.remaining -= size
            return data, None
        end, self.remaining = self.remaining, 0
        return (data, b"") if size == end else (data[:end], data[end:])

    @property
    def trailers(self) -> bytes:
        """None: chunked bodies alone have trailers."""
        return b""


class UntilCloseBody(Body):
    """A response body that ends with the connection; the caller says when."""

    __slots__ = ()

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        return data, None

    @property
    def trailers(self) -> bytes:
        """None: chunked bodies alone have trailers."""
        return b""


class _Part(Enum):
    SIZE = auto()
    CONTENT = auto()
    CONTENT_END = auto()
    TRAILERS = auto()


_BROKEN: Final = {
    _Part.SIZE: MessageRule.CHUNK_SIZE,
    _Part.CONTENT_END: MessageRule.CHUNK_END,
    _Part.TRAILERS: MessageRule.FIELD_LINE,
}


class ChunkedBody(Body):
    """A chunked body (RFC 9112, 7.1), read strictly: hexadecimal digits, CRLF, no white space, extensions dropped.

    ``stripped`` names trailer fields that do not pass, beside those of `passes_as_trailer`. ``padded`` allows white
    space behind a size: some apps write it, no client does. ``lenient`` allows a bare LF to end a line, and drops the
    trailers: nothing may follow such a body on its connection.
    """

    __slots__ = (
        "_extension_bytes",
        "_held",
        "_left",
        "_lenient",
        "_part",
        "_size_line",
        "_stripped",
        "_trailer_bytes",
        "trailers",
    )
    trailers: bytes

    def __init__(self, stripped: NameSet = BUILT_IN, *, padded: bool = False, lenient: bool = False) -> None:
        self._lenient = lenient
        self._stripped = stripped
        self._size_line = _PADDED_SIZE if padded else _CHUNK_SIZE
        self._part = _Part.SIZE
        self._left = 0
        self._held = b""
        self._extension_bytes = 0
        self._trailer_bytes = 0
        self.trailers = b""

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        if self._held:
            data, self._held = self._held + data, b""
        content: list[bytes] = []
        at = 0
        while True:
            if self._part is _Part.CONTENT:
                piece = data[at : at + self._left]
                content.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if self._left:
                    return b"".join(content), None
                self._part = _Part.CONTENT_END
            end = data.find(b"\n", at)
            if end < 0:
                self._hold(data[at:])
                return b"".join(content), None
            # RFC 9112, 7.1: every line of a chunked body ends in CRLF. Servers differ about a bare LF (smuggling).
            if end > at and data[end - 1] == _CR:
                done = self._line(data[at : end - 1])
            elif self._lenient:
                done = self._line(data[at:end])
            else:
                raise MessageRule.CHUNK_END.error()
            at = end + 1
            if done:
                return b"".join(content), data[at:]

    @property
    def lacks_only_its_end(self) -> bool:
        """Whether the last chunk has come, and no part of a line behind it."""
        return self._part is _Part.TRAILERS and not self._held.strip(b"\r")

    def _hold(self, line: bytes) -> None:
        """Keep the beginning of a line; refuse at once what no further byte can mend."""
        if b"\r" in line[:-1] or (self._part is _Part.CONTENT_END and line not in (b"", b"\r")):
            raise _BROKEN[self._part].error()
        if len(line) > MAX_LINE:
            raise (
                MessageRule.TRAILERS_TOO_LARGE if self._part is _Part.TRAILERS else MessageRule.CHUNK_EXTENSIONS
            ).error()
        self._held = line

    def _line(self, line: bytes) -> bool:
        """Read one line without its CRLF; True for the one that ends the body."""
        if self._part is _Part.TRAILERS:
            return self._trailer(line)
        if self._part is _Part.SIZE:
            self._size(line)
        # RFC 9112, 7.1: chunk-data is followed by CRLF, and by nothing else.
        elif line:
            raise MessageRule.CHUNK_END.error()
        else:
            self._part = _Part.SIZE
        return False

    def _size(self, line: bytes) -> None:
        match = self._size_line.fullmatch(line)
        # RFC 9112, 7.1: chunk-size = 1*HEXDIG; numerals so large that a reader overflows must be expected.
        if match is None:
            raise MessageRule.CHUNK_SIZE.error()
        self._extension_bytes += len(line) - match.end(1)
        # RFC 9112, 7.1.1: a server ought to limit the total length of chunk extensions.
        if self._extension_bytes > MAX_EXTENSION_BYTES or len(line) > MAX_LINE:
            raise MessageRule.CHUNK_EXTENSIONS.error()
        self._left = int(match[1], 16)
        self._part = _Part.CONTENT if self._left else _Part.TRAILERS

    def _trailer(self, line: bytes) -> bool:
        if not line:
            return True
        self._trailer_bytes += len(line) + 2
        # RFC 9110, 5.4: a set of fields larger than the server wishes to process gets a 4xx; RFC 6585, 5: 431.
        if self._trailer_bytes > MAX_TRAILER_BYTES:
            raise MessageRule.TRAILERS_TOO_LARGE.error()
        if self._lenient:
            return False
        name, value = split_field(line)
        if passes_as_trailer(name.lower(), self._stripped):
            self.trailers += b"%b: %b\r\n" % (name, value)
        return False


def chunk(content: bytes) -> bytes:
    """One chunk; b"" for no content, because an empty chunk would end the body."""
    return b"%x\r\n%b\r\n" % (len(content), content) if content else b""


def last_chunk(trailers: bytes = b"") -> bytes:
    """The end of a chunked body, with the trailer fields that go with it."""
    return b"0\r\n" + trailers + b"\r\n"
