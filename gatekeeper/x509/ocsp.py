"""OCSP requests and responses (RFC 6960, 4.1 and 4.2) as bytes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from gatekeeper.x509.certificate import RawCertificate, key_bits
from gatekeeper.x509.der import (
    CONSTRUCTED,
    ENUMERATED,
    INTEGER,
    OCTET_STRING,
    OID,
    SEQUENCE,
    DERError,
    Element,
    children,
    content,
    dotted,
    element,
    elements,
    encode,
    integer,
    only,
    raw,
)
from gatekeeper.x509.names import encode_name
from gatekeeper.x509.times import read_time

_SHA1_IDENTIFIER = bytes.fromhex("300906052b0e03021a0500")
_HASHES: Mapping[str, str] = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_STATUSES = {1: "malformed request", 2: "internal error", 3: "try later", 5: "sig required", 6: "unauthorized"}
_GOOD, _REVOKED = 0x80, 0x81
_NEXT_UPDATE, _CERTIFICATES, _VERSION = 0xA0, 0xA0, 0xA0


@dataclass(frozen=True, slots=True)
class SingleResponse:
    """The status of one certificate. ``good`` is None if it is unknown. Times are seconds since the epoch."""

    hash_name: str | None
    name_hash: bytes
    key_hash: bytes
    serial: int
    good: bool | None
    this_update: float
    next_update: float | None

    def is_about(self, certificate: RawCertificate, issuer: RawCertificate) -> bool:
        """Whether the status is that of this certificate: issuer and serial number together (RFC 6960, 4.1.1)."""
        if self.hash_name is None or self.serial != certificate.serial:
            return False
        return (self.name_hash, self.key_hash) == _issuer_hashes(issuer, self.hash_name)


@dataclass(frozen=True, slots=True)
class Response:
    """A response whose signature has not been verified. ``certificates`` (DER) are those sent with it."""

    singles: tuple[SingleResponse, ...]
    certificates: tuple[bytes, ...]
    signed: bytes
    algorithm: bytes
    signature: bytes


def make_request(certificate: RawCertificate, issuer: RawCertificate) -> bytes:
    """A request for one certificate, without a nonce, since most responders sign their responses in advance.

    SHA-1 only identifies the issuer here; every responder supports it (RFC 5019, 2.1.1).
    """
    serial = certificate.serial
    number = serial.to_bytes(serial.bit_length() // 8 + 1, "big", signed=True)
    hashes = (encode(OCTET_STRING, one) for one in _issuer_hashes(issuer, "sha1"))
    asked = encode(SEQUENCE, _SHA1_IDENTIFIER, *hashes, encode(INTEGER, number))
    return encode(SEQUENCE, encode(SEQUENCE, encode(SEQUENCE, encode(SEQUENCE, asked))))


def _issuer_hashes(issuer: RawCertificate, name: str) -> tuple[bytes, bytes]:
    """The hashes of the issuer's name and key (RFC 6960, 4.1.1)."""
    return hashlib.new(name, encode_name(issuer.subject)).digest(), hashlib.new(name, key_bits(issuer.spki)).digest()


def parse_response(data: bytes) -> Response:
    """The parts of a response; ValueError if its structure is broken or its status is not successful."""
    try:
        return _parse(data)
    except IndexError as error:
        raise DERError("something is missing") from error


def _parse(data: bytes) -> Response:
    status, *wrapped = only(data)
    if code := integer(data, status, ENUMERATED):
        raise ValueError(f"it says {_STATUSES.get(code, f'status {code}')}")
    _, octets = children(data, element(data, wrapped[0].start, wrapped[0].stop))
    basic = content(data, octets)
    body, algorithm, signature, *more = only(basic)
    certificates = element(basic, more[0].start, more[0].stop) if more and more[0].tag == _CERTIFICATES else None
    return Response(
        singles=_singles(basic, body),
        certificates=tuple(raw(basic, one) for one in children(basic, certificates)) if certificates else (),
        signed=raw(basic, body),
        algorithm=raw(basic, algorithm),
        signature=content(basic, signature)[1:],
    )


def _singles(data: bytes, body: Element) -> tuple[SingleResponse, ...]:
    fields = children(data, body)
    if fields[0].tag == _VERSION:
        fields = fields[1:]
    return tuple(_single(data, one) for one in children(data, fields[2]))


def _single(data: bytes, one: Element) -> SingleResponse:
    asked, status, this_update, *more = children(data, one)
    algorithm, name_hash, key_hash, serial = children(data, asked)
    oid = children(data, algorithm)[0]
    if oid.tag != OID:
        raise DERError("the hash algorithm of a response is malformed")
    later = next((each for each in more if each.tag == _NEXT_UPDATE), None)
    return SingleResponse(
        hash_name=_HASHES.get(dotted(data[oid.start : oid.stop])),
        name_hash=content(data, name_hash),
        key_hash=content(data, key_hash),
        serial=integer(data, serial),
        good={_GOOD: True, _REVOKED: False}.get(status.tag & ~CONSTRUCTED),
        this_update=read_time(data, this_update),
        next_update=read_time(data, elements(data, later.start, later.stop)[0]) if later else None,
    )
