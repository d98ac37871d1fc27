"""Fields of HTTP/2: the rules for a single field (RFC 9113, 8.2), and the fields that matter to the translation.

A field is checked once, when it enters a table or is sent literally; a reference to a table is not checked again.
"""

import re
from collections.abc import Iterable
from typing import Final

from gatekeeper.errors import MessageError
from gatekeeper.wire.foreign import NameSet
from gatekeeper.wire.framing import MAX_TRAILER_BYTES
from gatekeeper.wire.headers import passes_as_trailer

# RFC 9113, 8.2.1 and RFC 9110, 5.1: a token, in lower case. What is no token could mean something in the HTTP/1.1 head
# that is written from it: a colon, a space, a line end.
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
# RFC 9113, 8.2.1: no CR, LF or NUL, and no white space at either end; RFC 9110, 5.5: no other control but the tab.
_VALUE: Final = re.compile(rb"(?![ \t])[^\x00-\x08\x0a-\x1f\x7f]*(?<![ \t])")

REGULAR: Final = 0
PSEUDO: Final = 1
MALFORMED: Final = 2
PER_CONNECTION: Final = 3
COOKIE: Final = 4
HOST: Final = 5
LENGTH: Final = 6
TE: Final = 7
_KINDS: Final = {
    # RFC 9113, 8.2.2: a message that has one of these is malformed.
    b"connection": PER_CONNECTION,
    b"keep-alive": PER_CONNECTION,
    b"proxy-connection": PER_CONNECTION,
    b"transfer-encoding": PER_CONNECTION,
    b"upgrade": PER_CONNECTION,
    b"cookie": COOKIE,
    b"host": HOST,
    b"content-length": LENGTH,
    b"te": TE,
}
# RFC 7541, 4.1: what a field counts beside its name and value.
OVERHEAD: Final = 32


class HeaderField:
    """One field, never changed. ``size`` is what it counts (RFC 7541, 4.1), ``line`` is its line in HTTP/1.1.

    Nothing may be made of the line of a field whose ``kind`` is MALFORMED or PSEUDO.
    """

    __slots__ = ("kind", "line", "name", "size", "value")

    def __init__(self, name: bytes, value: bytes) -> None:
        self.name = name
        self.value = value
        self.size = len(name) + len(value) + OVERHEAD
        self.line = b""
        if _VALUE.fullmatch(value) is None:
            self.kind = MALFORMED
        elif _NAME.fullmatch(name):
            self.kind = _KINDS.get(name, REGULAR)
            self.line = b"%b: %b\r\n" % (name, value)
        else:
            self.kind = PSEUDO if name[:1] == b":" else MALFORMED

    def __repr__(self) -> str:
        return f"HeaderField({self.name!r}, {self.value!r})"


class KnownFields(dict[tuple[bytes, bytes], HeaderField]):
    """The fields of admitted visitors by name and value, judged once; one that is full is emptied.

    Each is one object, so that lists of them are known by what they hold. No cookies and no pseudo-header fields, of
    which too many are new: those are fields that may be told apart though they say the same.

    ``literals`` are the same fields by the bytes that say them without a dynamic table (RFC 7541, 6.2): every visitor
    with the same browser begins with these, and to read the Huffman code of one costs ten times as much as to find it.
    """

    __slots__ = ("literals",)

    def __init__(self) -> None:
        super().__init__()
        self.literals: dict[bytes, HeaderField] = {}

    def __missing__(self, key: tuple[bytes, bytes]) -> HeaderField:
        field = HeaderField(*key)
        if _may_be_known(field):
            if len(self) >= KNOWN_FIELDS:
                self.clear()
                self.literals.clear()
            self[key] = field
        return field

    def add_literal(self, literal: bytes, field: HeaderField) -> None:
        """Take note of what these bytes say."""
        if _may_be_known(field):
            if len(self.literals) >= KNOWN_FIELDS:
                self.literals.clear()
            self.literals[literal] = field


def _may_be_known(field: HeaderField) -> bool:
    return field.kind not in _NEVER_KNOWN and field.size <= KNOWN_FIELD_BYTES


# 3 MiB at most, and some 0.3 MiB with browsers.
KNOWN_FIELDS: Final = 2048
KNOWN_FIELD_BYTES: Final = 512
_NEVER_KNOWN: Final = frozenset({PSEUDO, MALFORMED, COOKIE})


def malformed(sentence: str) -> MessageError:
    """What to raise where a rule of HTTP/2 is broken (RFC 9113, 8.1.1); ``sentence`` is shown to who sent it."""
    return MessageError(400, sentence)


def check(field: HeaderField) -> None:
    """MessageError if a message that has this field behind its pseudo-header fields is malformed for it."""
    kind = field.kind
    if kind == MALFORMED:
        raise malformed(f"A field is malformed: {_fault(field)}.")
    if kind == PSEUDO:
        raise malformed("A pseudo-header field comes behind another field, twice, or where none may be.")
    if kind == PER_CONNECTION:
        raise malformed("A field is about the connection, which HTTP/2 has no use for.")
    if kind == TE and field.value != b"trailers":
        raise malformed("TE says something else than trailers.")


def _fault(field: HeaderField) -> str:
    """RFC 9113, 8.2.1."""
    if _VALUE.fullmatch(field.value) is not None:
        return "its name is no token in lower case"
    blank = _VALUE.fullmatch(field.value.strip(b" \t")) is not None
    return "its value begins or ends with a space or tab" if blank else "its value contains a control character"


def trailer_lines(fields: Iterable[HeaderField], stripped: NameSet = frozenset()) -> bytes:
    """Trailer fields as lines of HTTP/1.1, those that pass (RFC 9113, 8.1); MessageError if the section is malformed.

    ``stripped`` are further names that do not pass.
    """
    lines, size = [], 0
    for field in fields:
        check(field)
        size += field.size
        if passes_as_trailer(field.name, stripped):
            lines.append(field.line)
    if size > MAX_TRAILER_BYTES:
        raise MessageError(431, "The trailer section is too large.")
    return b"".join(lines)
