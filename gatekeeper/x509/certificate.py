"""The parts of a certificate (RFC 5280, 4.1) as bytes; extensions are not parsed."""

from collections.abc import Mapping
from dataclasses import dataclass

from gatekeeper.x509.der import (
    BOOLEAN,
    CONSTRUCTED,
    OCTET_STRING,
    OID,
    DERError,
    Element,
    boolean,
    children,
    content,
    element,
    integer,
    only,
    raw,
)
from gatekeeper.x509.names import Name, read_name
from gatekeeper.x509.times import read_time

SUBJECT_ALTERNATIVE_NAME, BASIC_CONSTRAINTS, KEY_USAGE = b"\x55\x1d\x11", b"\x55\x1d\x13", b"\x55\x1d\x0f"
CRL_DISTRIBUTION_POINTS, CERTIFICATE_POLICIES, EXTENDED_KEY_USAGE = b"\x55\x1d\x1f", b"\x55\x1d\x20", b"\x55\x1d\x25"
AUTHORITY_KEY_IDENTIFIER = b"\x55\x1d\x23"
AUTHORITY_INFORMATION_ACCESS = bytes.fromhex("2b06010505070101")

_VERSION, _EXTENSIONS = 0xA0, 0xA3


@dataclass(frozen=True, slots=True)
class Extension:
    """``value`` is the content of the extension's OCTET STRING."""

    critical: bool
    value: bytes


Extensions = Mapping[bytes, Extension]
"""By the content octets of their OID. Extensions that occur twice are left out (RFC 5280, 4.2); OpenSSL uses neither.
"""


@dataclass(frozen=True, slots=True)
class RawCertificate:
    """A certificate whose signature has not been verified.

    ``version`` is 1 for v1. ``spki`` is the SubjectPublicKeyInfo, ``algorithm`` the AlgorithmIdentifier of the
    signature, ``signed`` the signed bytes; all unchanged from ``der``. Times are seconds since the epoch.
    """

    der: bytes
    version: int
    serial: int
    issuer: Name
    not_before: float
    not_after: float
    subject: Name
    spki: bytes
    extensions: Extensions
    signed: bytes
    algorithm: bytes
    signature: bytes


def parse_certificate(der: bytes) -> RawCertificate:
    """The parts of one certificate in DER or BER; ValueError if its structure is broken.

    The contents of extensions are not parsed, so a malformed one is no error here.
    """
    try:
        return _parse(der)
    except IndexError as error:
        raise DERError("something is missing") from error


def _parse(der: bytes) -> RawCertificate:
    body, algorithm, signature = only(der)
    fields = children(der, body)
    version = 1
    if fields[0].tag == _VERSION:
        version = integer(der, element(der, fields[0].start, fields[0].stop)) + 1
        fields = fields[1:]
    serial, _, issuer, validity, subject, spki = fields[:6]
    begins, ends = children(der, validity)
    tail = fields[-1]
    return RawCertificate(
        der=der,
        version=version,
        serial=integer(der, serial),
        issuer=read_name(der, issuer),
        not_before=read_time(der, begins),
        not_after=read_time(der, ends),
        subject=read_name(der, subject),
        spki=raw(der, spki),
        extensions=read_extensions(der, element(der, tail.start, tail.stop)) if tail.tag == _EXTENSIONS else {},
        signed=raw(der, body),
        algorithm=raw(der, algorithm),
        signature=content(der, signature)[1:],
    )


def issuer_name(der: bytes, longest: int) -> Name:
    """The issuer, without parsing the rest; () if it is longer than ``longest`` bytes. ValueError if the structure is
    broken.

    For certificates of unknown clients, whose complete parsing could take long.
    """
    try:
        fields = children(der, only(der)[0])
        issuer = fields[3 if fields[0].tag == _VERSION else 2]
        return read_name(der, issuer) if issuer.end - issuer.begin <= longest else ()
    except IndexError as error:
        raise DERError("something is missing") from error


def read_extensions(data: bytes, one: Element) -> dict[bytes, Extension]:
    """The extensions (RFC 5280, 4.1) that occur once; DERError if the list is malformed."""
    found: dict[bytes, Extension] = {}
    twice = set()
    for extension in children(data, one):
        oid, *more = children(data, extension)
        if oid.tag != OID or not more or more[-1].tag & ~CONSTRUCTED != OCTET_STRING:
            raise DERError("an extension is malformed")
        critical = more[0].tag == BOOLEAN and boolean(data, more[0])
        name = data[oid.start : oid.stop]
        if name in found:
            twice.add(name)
        found[name] = Extension(critical, content(data, more[-1]))
    for name in twice:
        del found[name]
    return found


def key_bits(spki: bytes) -> bytes:
    """The subjectPublicKey bits, from which key identifiers are computed (RFC 5280, 4.2.1.2); ValueError if there
    are none.
    """
    _, bits, *_ = only(spki)
    return content(spki, bits)[1:]
