"""Distinguished names: printed as OpenSSL and as RFC 4514 do, compared, and as single values.

nginx sets ``$ssl_client_s_dn`` to what ``X509_NAME_print_ex(…, XN_FLAG_RFC2253)`` prints (X509_NAME_print_ex(3)); an
app behind the gate gets the same bytes.
"""

import re
from _ssl import txt2obj
from collections.abc import Callable, Container
from contextlib import suppress
from functools import cache, lru_cache
from itertools import groupby
from typing import NamedTuple

from gatekeeper.x509.der import (
    CONSTRUCTED,
    OID,
    SEQUENCE,
    SET,
    DERError,
    Element,
    children,
    content,
    dotted,
    encode,
    encode_oid,
)

CN, SERIAL_NUMBER, C, L, ST, O, OU = (b"\x55\x04" + bytes((last,)) for last in (3, 5, 6, 7, 8, 10, 11))  # noqa: E741
EMAIL = bytes.fromhex("2a864886f70d010901")
UID, DC = (bytes.fromhex("0992268993f22c6401") + bytes((last,)) for last in (1, 25))

_UTF8, _NUMERIC, _PRINTABLE, _T61, _IA5, _VISIBLE, _UNIVERSAL, _BMP = 12, 18, 19, 20, 22, 26, 28, 30
# Octets of a character, by string type: tag2nbyte of OpenSSL (crypto/asn1/a_strex.c). UTF-8 is written as it stands.
_WIDTHS = {_UTF8: 0, _NUMERIC: 1, _PRINTABLE: 1, _T61: 1, _IA5: 1, 23: 1, 24: 1, _VISIBLE: 1, _UNIVERSAL: 4, _BMP: 2}
_WIDE = {2: "utf-16-be", 4: "utf-32-be"}
# X509_NAME_hash and comparison: ASN1_MASK_CANON of OpenSSL (crypto/x509/x_name.c).
_CANONICAL = frozenset((_UTF8, _PRINTABLE, _T61, _IA5, _VISIBLE, _UNIVERSAL, _BMP))
_OID_ROOM = 79  # OpenSSL's buffer for an OID as text, less its NUL


class Attribute(NamedTuple):
    """A type and a value. ``oid`` and ``value`` are content octets; ``rdn`` is the index of its SET in the name."""

    rdn: int
    oid: bytes
    tag: int
    value: bytes

    @property
    def short_name(self) -> str:
        """``CN``; the dotted OID where OpenSSL has no name for it."""
        return short_name(self.oid) or dotted(self.oid)


Name = tuple[Attribute, ...]


def read_name(data: bytes, one: Element) -> Name:
    """The attributes of a Name (RFC 5280, 4.1.2.4) in their order; DERError if it is malformed."""
    found = []
    for at, rdn in enumerate(children(data, one)):
        for pair in children(data, rdn, SET):
            oid, value = children(data, pair)
            if oid.tag != OID:
                raise DERError("an attribute of a name has no type")
            if value.tag == SEQUENCE:
                found.append(Attribute(at, data[oid.start : oid.stop], SEQUENCE, data[value.start : value.stop]))
            else:
                found.append(Attribute(at, data[oid.start : oid.stop], value.tag & ~CONSTRUCTED, content(data, value)))
    return tuple(found)


def encode_name(name: Name) -> bytes:
    """The Name in DER; the original bytes if those were DER."""
    rdns = (group for _, group in groupby(name, key=lambda one: one.rdn))
    return encode(SEQUENCE, *(encode(SET, *map(_encode_attribute, rdn)) for rdn in rdns))


def _encode_attribute(one: Attribute) -> bytes:
    return encode(SEQUENCE, encode(OID, one.oid), encode(one.tag, one.value))


def text_of(tag: int, value: bytes) -> str | None:
    """The text of a string; None if its octets are not valid for its type.

    T61String is read as ISO 8859-1, as is common practice; one that could be UTF-8 as well is ambiguous, hence None.
    """
    try:
        match tag & 0x1F:
            case 12:
                return value.decode("utf-8")
            case 18 | 19 | 22 | 26:
                return value.decode("ascii")
            case 30:
                text = value.decode("utf-16-be")
                return text if len(text) * 2 == len(value) else None
            case 28:
                return value.decode("utf-32-be")
            case 20:
                return _t61(value)
    except UnicodeDecodeError:
        pass
    return None


def printed(one: Attribute) -> str:
    """The text of an attribute; only its ASCII characters if it cannot be decoded, empty if it is no string."""
    text = text_of(one.tag, one.value)
    if text is None and _WIDTHS.get(one.tag & 0x1F) in (0, 1):
        return bytes(octet for octet in one.value if octet < 0x80).decode("ascii")
    return text or ""


def _t61(value: bytes) -> str | None:
    text = value.decode("latin-1")
    if value.isascii():
        return text
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return None if re.search("[\x80-\x9f]", text) else text
    return None


def texts(name: Name, oid: bytes) -> tuple[str, ...]:
    """The texts of the attributes of this type, without those that cannot be decoded."""
    found = (text_of(one.tag, one.value) for one in name if one.oid == oid)
    return tuple(text for text in found if text is not None)


@lru_cache(1024)
def short_name(oid: bytes) -> str | None:
    """OpenSSL's short name of an attribute type: ``CN``. Types without one are written as OID, their values in hex."""
    try:
        return txt2obj(dotted(oid))[1]
    except ValueError:
        return None


# -- as OpenSSL writes it


def rfc2253(name: Name, nameless: Container[bytes] = ()) -> str:
    """The name as OpenSSL prints it: last RDN first, ``,`` between RDNs, ``+`` within one, ASCII only.

    The attribute types in ``nameless`` are written as OIDs: other programs have fewer names than OpenSSL.
    """
    return _joined(name, lambda one: _openssl_attribute(one, named=one.oid not in nameless))


def _joined(name: Name, write: Callable[[Attribute], str]) -> str:
    pieces: list[str] = []
    last = -1
    for one in reversed(name):
        if pieces:
            pieces.append("+" if one.rdn == last else ",")
        pieces.append(write(one))
        last = one.rdn
    return "".join(pieces)


def _openssl_attribute(one: Attribute, *, named: bool = True) -> str:
    short = short_name(one.oid) if named else None
    width = _WIDTHS.get(one.tag & 0x1F) if short else None
    if short is None or width is None:
        return f"{short or dotted(one.oid)[:_OID_ROOM]}=#{encode(one.tag, one.value).hex().upper()}"
    return f"{short}={_escaped(one.value, width)}"


_SPECIAL = frozenset(b',+"\\<>;')
_AS_IT_IS = re.compile(rb"[!-~](?:[ -~]*[!-~])?")
_HAS_SPECIAL = re.compile(rb'[,+"\\<>;]|\A#')


def _escaped(value: bytes, width: int) -> str:
    if width > 1:
        if len(value) % width:
            return ""  # OpenSSL fails here, and nginx sets no variable
        points = [int.from_bytes(value[at : at + width], "big") for at in range(0, len(value), width)]
    elif _AS_IT_IS.fullmatch(value) and not _HAS_SPECIAL.search(value):
        return value.decode("ascii")
    else:
        points = list(value)
    last = len(points) - 1
    return "".join(_character(point, width, first=at == 0, last=at == last) for at, point in enumerate(points))


def _character(point: int, width: int, *, first: bool, last: bool) -> str:
    """Escape a character as in RFC 2253, 2.4, and non-ASCII as ``\\XX`` for each octet of UTF-8. Width 0 is such an
    octet.
    """
    if point in _SPECIAL or (point == 0x20 and (first or last)) or (point == 0x23 and first):
        return "\\" + chr(point)
    if 0x20 <= point <= 0x7E:
        return chr(point)
    if width == 0 or point < 0x80:
        return f"\\{point:02X}"
    if 0xD800 <= point <= 0xDFFF or point > 0x10FFFF:
        return ""  # UTF8_putc cannot encode it
    return "".join(f"\\{octet:02X}" for octet in chr(point).encode())


# -- as RFC 4514 writes it

_ESCAPED = re.compile(r'[,+"\\<>;]|\A[ #]| \Z')


def rfc4514(name: Name) -> str:
    """The name for people and rules: last RDN first, non-ASCII letters unescaped, hex for values that are no text."""
    return _joined(name, _rfc4514_attribute)


def _rfc4514_attribute(one: Attribute) -> str:
    short, text = short_name(one.oid), text_of(one.tag, one.value)
    if short is None or text is None:
        return f"{short or dotted(one.oid)}=#{encode(one.tag, one.value).hex()}"
    return f"{short}={_rfc4514_value(text)}"


def _rfc4514_value(text: str) -> str:
    return _ESCAPED.sub(lambda found: "\\" + found[0], text).replace("\0", "\\00")


_PAIR = re.compile(
    r"\s*([A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)\s*=\s*((?:\\[0-9A-Fa-f]{2}|\\[^0-9A-Fa-f]|[^,+\\])*)([,+]|\Z)"
)
_UNESCAPED = re.compile(rb"\\([0-9A-Fa-f]{2})|\\(.)", re.DOTALL)


def normal_rfc4514(text: str) -> str:
    """A name written by a person in the form of `rfc4514`; ValueError if it is malformed.

    Blanks around separators, hex escapes and the case of types are normalized; the order of RDNs is kept.
    """
    pieces, at = [], 0
    while True:
        found = _PAIR.match(text, at)
        if found is None:
            raise ValueError(f"is not a distinguished name (RFC 4514): {text[at : at + 20]!r} is not an attribute")
        kind, value, separator = found.groups()
        pieces.append(f"{_known_type(kind)}={_normal_value(value)}{separator}")
        at = found.end()
        if not separator:
            return "".join(pieces)


def _known_type(kind: str) -> str:
    if kind[0].isdigit():
        return short_name(encode_oid(kind)) or kind
    known = _types().get(kind.lower())
    if known is None:
        raise ValueError(f"names an unknown attribute: {kind}; write its OID")
    return known


_ARCS = {"2.5.4": 106, "0.9.2342.19200300.100.1": 61, "1.2.840.113549.1.9": 21, "1.3.6.1.4.1.311.60.2.1": 4}


@cache
def _types() -> dict[str, str]:
    """The OIDs of attribute types by short and long name, in lower case; the short names are OpenSSL's.

    They are looked up by number: a name unknown to OpenSSL would leave an error in its queue, which the next call of
    `ssl` in this thread would raise.
    """
    found = {"e": "emailAddress", "s": "ST"}
    for arc, end in _ARCS.items():
        for last in range(end):
            with suppress(ValueError):
                _, short, long, _ = txt2obj(f"{arc}.{last}")
                found.setdefault(short.lower(), short)
                found.setdefault(long.lower(), short)
    return found


def _normal_value(value: str) -> str:
    if value.startswith("#"):
        return value.strip().lower()
    stripped = re.sub(r"(?<!\\) +\Z", "", value)
    octets = _UNESCAPED.sub(
        lambda found: bytes.fromhex(found[1].decode()) if found[1] else found[2], stripped.encode("utf-8")
    )
    return _rfc4514_value(octets.decode("utf-8"))


# -- as OpenSSL compares it

Canonical = tuple[tuple[int, bytes, int, bytes], ...]


def canonical_form(name: Name) -> Canonical:
    """A value that is equal for names that match by RFC 5280, 7.1: case, runs of blanks and the string type are
    ignored, as X509_NAME_cmp(3) does.
    """
    return tuple(sorted(map(_canonical_attribute, name)))


canonical = lru_cache(1024)(canonical_form)
"""`canonical_form`, cached: only for names that no unknown client can choose."""


def _canonical_attribute(one: Attribute) -> tuple[int, bytes, int, bytes]:
    kind = one.tag & 0x1F
    if kind not in _CANONICAL:
        return one.rdn, one.oid, one.tag, one.value
    width = _WIDTHS[kind]
    if width > 1:
        octets = one.value.decode(_WIDE[width], "replace").encode("utf-8")
    else:
        octets = one.value if width == 0 else one.value.decode("latin-1").encode("utf-8")
    return one.rdn, one.oid, _UTF8, b" ".join(octets.split()).lower()
