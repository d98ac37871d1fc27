"""The parts of a certificate request (PKCS #10, RFC 2986, 4) as bytes; extensions are not parsed."""

from dataclasses import dataclass

from gatekeeper.x509 import pem
from gatekeeper.x509.certificate import Extensions, read_extensions
from gatekeeper.x509.der import (
    INTEGER,
    SEQUENCE,
    SET,
    DERError,
    Element,
    children,
    content,
    element,
    elements,
    integer,
    only,
    raw,
)
from gatekeeper.x509.names import Name, read_name

# PKCS #9, extensionRequest (RFC 2985, 5.4.2), and Microsoft's szOID_CERT_EXTENSIONS with the same content. OpenSSL
# reads the first of them that is there (X509_REQ_get_extensions(3)).
_EXTENSION_REQUESTS = (bytes.fromhex("2a864886f70d01090e"), bytes.fromhex("2b06010401823702010e"))
_ATTRIBUTES = 0xA0


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request whose signature has not been verified.

    ``version`` is 1 for v1, the only one that is defined. ``extensions`` are the requested ones; None if they cannot be
    read. The rest is as in `gatekeeper.x509.certificate.RawCertificate`.
    """

    der: bytes
    version: int
    subject: Name
    spki: bytes
    extensions: Extensions | None
    signed: bytes
    algorithm: bytes
    signature: bytes

    @property
    def pem(self) -> bytes:
        """The request as PEM."""
        return pem.encode(pem.REQUEST_LABELS[0], self.der)


def read_request(content: bytes) -> RawRequest:
    """The request in a file, PEM (the first one) or DER; ValueError if there is none or its structure is broken."""
    if b"-----BEGIN" not in content:
        return parse_request(content)
    found = pem.blocks(content, pem.REQUEST_LABELS)
    if not found:
        raise DERError("there is no certificate request")
    return parse_request(found[0])


def parse_request(der: bytes) -> RawRequest:
    """The parts of one request in DER or BER; ValueError if its structure is broken.

    Any version is accepted, and attributes may be missing, as in OpenSSL. Of the attributes only the requested
    extensions are read.
    """
    try:
        return _parse(der)
    except IndexError as error:
        raise DERError("something is missing") from error


def _parse(der: bytes) -> RawRequest:
    body, algorithm, signature = only(der)
    version, subject, spki, *attributes = children(der, body)
    if version.tag != INTEGER or spki.tag != SEQUENCE:
        raise DERError("it is not a certificate request")
    return RawRequest(
        der=der,
        version=integer(der, version) + 1,
        subject=read_name(der, subject),
        spki=raw(der, spki),
        extensions=_extensions(der, attributes),
        signed=raw(der, body),
        algorithm=raw(der, algorithm),
        signature=content(der, signature)[1:],
    )


def _extensions(der: bytes, attributes: list[Element]) -> Extensions | None:
    try:
        found = dict(_attributes(der, attributes))
        asked = next((found[oid] for oid in _EXTENSION_REQUESTS if oid in found), None)
        return read_extensions(der, element(der, asked.start, asked.stop)) if asked else {}
    except (ValueError, IndexError):
        return None


def _attributes(der: bytes, attributes: list[Element]) -> list[tuple[bytes, Element]]:
    """Type and values of each; the first of a type comes last, so that it is the one that stays in a dict."""
    found = []
    for wrapped in attributes:
        if wrapped.tag != _ATTRIBUTES:
            raise DERError("something stands where the attributes should")
        for attribute in elements(der, wrapped.start, wrapped.stop):
            oid, values = children(der, attribute)
            children(der, values, SET)
            found.append((der[oid.start : oid.stop], values))
    return found[::-1]
