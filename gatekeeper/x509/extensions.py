"""Parsers for the extensions that are used, each on its own; one that cannot be parsed is None."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TypeVar

from gatekeeper.x509.der import (
    BIT_STRING,
    BOOLEAN,
    CONSTRUCTED,
    OID,
    DERError,
    Element,
    boolean,
    children,
    content,
    dotted,
    element,
    elements,
    first,
    integer,
)
from gatekeeper.x509.names import Name, read_name, text_of

_Value = TypeVar("_Value")

_UPN = bytes.fromhex("2b060104018237140203")
_OCSP = bytes.fromhex("2b06010505073001")
_IA5 = 22
_OTHER_NAME, _EMAIL, _DNS, _DIRECTORY, _URI, _IP = 0x80, 0x81, 0x82, 0x84, 0x86, 0x87


def read(parse: Callable[[bytes], _Value], value: bytes) -> _Value | None:
    """The result of ``parse`` for an extension's value; None if it raises DERError."""
    try:
        return parse(value)
    except (ValueError, IndexError):
        return None


@dataclass(frozen=True, slots=True)
class AlternativeNames:
    """A subjectAltName (RFC 5280, 4.2.1.6). ``undecoded`` lists names of a known type that could not be decoded."""

    emails: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    upns: tuple[str, ...] = ()
    directory_names: tuple[Name, ...] = ()
    undecoded: int = 0


NO_NAMES = AlternativeNames()


def alternative_names(value: bytes) -> AlternativeNames:
    """The names in a subjectAltName; DERError if the list is malformed."""
    found: dict[int, list[str]] = {_OTHER_NAME: [], _EMAIL: [], _DNS: [], _URI: [], _IP: []}
    directories: list[Name] = []
    undecoded = 0
    for one in first(value):
        kind = one.tag & ~CONSTRUCTED
        try:
            if kind == _DIRECTORY:
                directories.append(read_name(value, element(value, one.start, one.stop)))
            elif kind in found and (text := _TEXTS[kind](value, one)) is not None:
                found[kind].append(text)
        except (ValueError, IndexError):
            undecoded += 1
    return AlternativeNames(
        emails=tuple(found[_EMAIL]),
        dns_names=tuple(found[_DNS]),
        uris=tuple(found[_URI]),
        ips=tuple(found[_IP]),
        upns=tuple(found[_OTHER_NAME]),
        directory_names=tuple(directories),
        undecoded=undecoded,
    )


def _ia5(value: bytes, one: Element) -> str:
    return content(value, one).decode("ascii")


def _upn(value: bytes, one: Element) -> str | None:
    """The user principal name of Windows (an otherName with a string value); None for other types."""
    kind, wrapped = elements(value, one.start, one.stop)
    if kind.tag != OID or value[kind.start : kind.stop] != _UPN:
        return None
    inner = element(value, wrapped.start, wrapped.stop)
    text = text_of(inner.tag, content(value, inner))
    if text is None:
        raise DERError("a user principal name is not text")
    return text


_TEXTS: dict[int, Callable[[bytes, Element], str | None]] = {
    _OTHER_NAME: _upn,
    _EMAIL: _ia5,
    _DNS: _ia5,
    _URI: _ia5,
    _IP: lambda value, one: str(ip_address(content(value, one))),
}


def _uris(value: bytes, names: list[Element]) -> Iterator[str]:
    for one in names:
        if one.tag & ~CONSTRUCTED == _URI:
            with suppress(UnicodeDecodeError):
                yield _ia5(value, one)


def object_identifiers(value: bytes) -> tuple[str, ...]:
    """The dotted OIDs of an extKeyUsage (RFC 5280, 4.2.1.12)."""
    return tuple(dotted(value[one.start : one.stop]) for one in first(value) if one.tag == OID)


def policies(value: bytes) -> tuple[str, ...]:
    """The dotted OIDs of certificatePolicies (RFC 5280, 4.2.1.4); qualifiers are ignored."""
    return tuple(dotted(value[oid.start : oid.stop]) for one in first(value) for oid in children(value, one)[:1])


def basic_constraints(value: bytes) -> tuple[bool, int | None]:
    """cA and pathLenConstraint (RFC 5280, 4.2.1.9)."""
    authority, length = False, None
    for one in first(value):
        if one.tag == BOOLEAN:
            authority = boolean(value, one)
        else:
            length = integer(value, one)
    return authority, length


KEY_CERT_SIGN, CRL_SIGN = 5, 6
"""Bits of a KeyUsage (4.2.1.3)."""


def bits(value: bytes) -> frozenset[int]:
    """The numbers of the bits that are set in a BIT STRING (X.690, 8.6)."""
    one = element(value, 0, len(value))
    if one.tag & ~CONSTRUCTED != BIT_STRING:
        raise DERError("expected bits")
    octets = content(value, one)[1:]
    return frozenset(at * 8 + bit for at, octet in enumerate(octets) for bit in range(8) if octet & (0x80 >> bit))


def ocsp_responders(value: bytes) -> tuple[str, ...]:
    """The URIs of OCSP responders in an authorityInfoAccess (RFC 5280, 4.2.2.1)."""
    found: list[str] = []
    for one in first(value):
        method, place = children(value, one)
        if value[method.start : method.stop] == _OCSP:
            found += _uris(value, [place])
    return tuple(found)
