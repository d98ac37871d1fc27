"""Elements of DER and BER (X.690) in a buffer.

BER is accepted because OpenSSL accepts it: lengths in more octets than needed, indefinite lengths, constructed strings.
"""

from typing import NamedTuple

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, OID = 0x01, 0x02, 0x03, 0x04, 0x06
ENUMERATED, SEQUENCE, SET = 0x0A, 0x30, 0x31
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
CONSTRUCTED = 0x20

_LONG_TAG = 0x1F
_INDEFINITE = 0x80
# The deepest nesting that is parsed, similar to ASN1_MAX_CONSTRUCTED_NEST in OpenSSL; deeper nesting is an attack.
_DEEPEST = 30


class DERError(ValueError):
    """The bytes are not a valid element."""


class Element(NamedTuple):
    """An element: its identifier octets as a number, and the offsets of its start, content, end of content, and end."""

    tag: int
    begin: int
    start: int
    stop: int
    end: int


def element(data: bytes, at: int, limit: int) -> Element:
    """The element at offset ``at``, which must end by ``limit``; DERError if there is none."""
    start = at + 2
    if start > limit:
        raise DERError("an element is cut off")
    tag, size = data[at], data[at + 1]
    if size >= 0x80 or tag & _LONG_TAG == _LONG_TAG:
        return _long(data, at, limit, 0)
    stop = start + size
    if stop > limit:
        raise DERError("an element is longer than what it is in")
    return Element(tag, at, start, stop, stop)


def elements(data: bytes, start: int, stop: int) -> list[Element]:
    """The consecutive elements between ``start`` and ``stop``."""
    found = []
    while start < stop:
        found.append(one := element(data, start, stop))
        start = one.end
    return found


def children(data: bytes, parent: Element, tag: int = SEQUENCE) -> list[Element]:
    """The elements inside ``parent``, which must have this ``tag``."""
    if parent.tag != tag:
        raise DERError(f"expected the tag {tag:#x}, found {parent.tag:#x}")
    return elements(data, parent.start, parent.stop)


def only(data: bytes, tag: int = SEQUENCE) -> list[Element]:
    """The elements inside the single element that the buffer consists of."""
    one = element(data, 0, len(data))
    if one.end != len(data):
        raise DERError("something stands behind the end")
    return children(data, one, tag)


def first(data: bytes, tag: int = SEQUENCE) -> list[Element]:
    """The elements inside the first element of the buffer. Bytes behind it are ignored, as by X509V3_EXT_d2i(3)."""
    return children(data, element(data, 0, len(data)), tag)


def content(data: bytes, one: Element, depth: int = 0) -> bytes:
    """The content octets of a string, joined if it is constructed (X.690, 8.7.3)."""
    if not one.tag & CONSTRUCTED:
        return data[one.start : one.stop]
    if depth > _DEEPEST:
        raise DERError("a string is nested too deeply")
    return b"".join(content(data, piece, depth + 1) for piece in elements(data, one.start, one.stop))


def raw(data: bytes, one: Element) -> bytes:
    """The whole element, tag and length included."""
    return data[one.begin : one.end]


def integer(data: bytes, one: Element, tag: int = INTEGER) -> int:
    """The value of an INTEGER (X.690, 8.3)."""
    if one.tag != tag or one.start == one.stop:
        raise DERError("expected a number")
    return int.from_bytes(data[one.start : one.stop], "big", signed=True)


def boolean(data: bytes, one: Element, tag: int = BOOLEAN) -> bool:
    """The value of a BOOLEAN: any octet but 0 is true (X.690, 8.2.2), as in OpenSSL."""
    if one.tag != tag or one.stop - one.start != 1:
        raise DERError("expected a boolean")
    return data[one.start] != 0


def dotted(oid: bytes) -> str:
    """The content of an OBJECT IDENTIFIER in dotted form: ``2.5.4.3`` (X.690, 8.19)."""
    if not oid or oid[-1] & 0x80:
        raise DERError("an object identifier is cut off")
    arcs, arc = [], 0
    for byte in oid:
        arc = arc << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def encode_oid(text: str) -> bytes:
    """The content octets of an OBJECT IDENTIFIER from its dotted form, the reverse of `dotted`."""
    first, second, *more = map(int, text.split("."))
    octets = bytearray()
    for arc in (40 * first + second, *more):
        digits = [arc & 0x7F]
        while arc := arc >> 7:
            digits.append(0x80 | arc & 0x7F)
        octets += bytes(reversed(digits))
    return bytes(octets)


def encode(tag: int, *contents: bytes) -> bytes:
    """An element in DER (X.690, 10.1)."""
    whole = b"".join(contents)
    size = len(whole)
    if size < 0x80:
        return bytes((tag, size)) + whole
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + whole


def _long(data: bytes, at: int, limit: int, depth: int) -> Element:
    """An element whose tag or length takes several octets (X.690, 8.1.2.4, 8.1.3.5 and 8.1.3.6)."""
    start, tag = at, data[at]
    if tag & _LONG_TAG == _LONG_TAG:
        start += 1
        while start < limit and data[start] & 0x80:
            start += 1
        if start - at > 5:
            raise DERError("a tag is too large")
        tag = int.from_bytes(data[at : start + 1], "big")
    start += 2
    if start > limit:
        raise DERError("an element is cut off")
    size = data[start - 1]
    if size == _INDEFINITE:
        if not data[at] & CONSTRUCTED:
            raise DERError("only a constructed element may have an indefinite length")
        stop = _end_of_contents(data, start, limit, depth + 1)
        return Element(tag, at, start, stop, stop + 2)
    if size > _INDEFINITE:
        octets, start = start, start + (size & 0x7F)
        if start > limit:
            raise DERError("a length is cut off")
        size = int.from_bytes(data[octets:start], "big")
    stop = start + size
    if stop > limit:
        raise DERError("an element is longer than what it is in")
    return Element(tag, at, start, stop, stop)


def _end_of_contents(data: bytes, at: int, limit: int, depth: int) -> int:
    """The offset of the two zero octets that end an element of indefinite length (X.690, 8.1.5)."""
    if depth > _DEEPEST:
        raise DERError("elements are nested too deeply")
    while data[at : at + 2] != b"\0\0":
        if at + 2 > limit:
            raise DERError("the end of an element is missing")
        at = _long(data, at, limit, depth).end
    if at + 2 > limit:
        raise DERError("the end of an element is missing")
    return at
