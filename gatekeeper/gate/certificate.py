"""What a certificate says, read once into plain values."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtensionOID, NameOID

from gatekeeper.gate.names import has_controls, rfc2253


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says of itself; nobody has vouched for a word of it.

    Names are RFC 2253 strings as OpenSSL and nginx write them, ``serial`` is upper-case hex as nginx writes it,
    times are seconds since the epoch, fingerprints lower-case hex. ``emails`` holds the subject's emailAddress
    attributes and the rfc822Name alternatives; ``ips`` are text.
    """

    der: bytes
    subject: str
    issuer: str
    serial: str
    not_before: float
    not_after: float
    common_names: tuple[str, ...]
    organizations: tuple[str, ...]
    organizational_units: tuple[str, ...]
    issuer_common_names: tuple[str, ...]
    emails: tuple[str, ...]
    dns_names: tuple[str, ...]
    uris: tuple[str, ...]
    ips: tuple[str, ...]
    sha1: str
    sha256: str
    spki_sha256: str
    controls: bool = False

    @property
    def common_name(self) -> str:
        """The first common name, "" where there is none."""
        return self.common_names[0] if self.common_names else ""


# A certificate of 100 KiB can be shown by anybody; a thousand of them must not stay in memory.
CACHED_BYTES = 8192

ODDITIES = (
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What `cryptography` raises, beside ValueError, for a certificate, a list or an answer that it cannot parse."""


def read_certificate(der: bytes) -> Certificate:
    """Parse one DER certificate; ValueError if it cannot be parsed whole.

    Nothing is verified: neither signature nor dates nor purpose. Remembered, because the certificates of a gate are few
    and come back with every connection.
    """
    return _cached(der) if len(der) <= CACHED_BYTES else _read_whole(der)


def _read_whole(der: bytes) -> Certificate:
    try:
        return _read(der)
    except (ValueError, *ODDITIES) as error:
        raise ValueError(f"the certificate cannot be parsed: {error}") from error


_cached = lru_cache(maxsize=1024)(_read_whole)


def _read(der: bytes) -> Certificate:
    parsed = x509.load_der_x509_certificate(der)
    alternatives = _alternative_names(parsed)
    spki = parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Certificate(
        der=der,
        subject=rfc2253(parsed.subject),
        issuer=rfc2253(parsed.issuer),
        serial=serial_hex(parsed.serial_number),
        not_before=parsed.not_valid_before_utc.timestamp(),
        not_after=parsed.not_valid_after_utc.timestamp(),
        common_names=_attributes(parsed.subject, NameOID.COMMON_NAME),
        organizations=_attributes(parsed.subject, NameOID.ORGANIZATION_NAME),
        organizational_units=_attributes(parsed.subject, NameOID.ORGANIZATIONAL_UNIT_NAME),
        issuer_common_names=_attributes(parsed.issuer, NameOID.COMMON_NAME),
        emails=_unique((*_attributes(parsed.subject, NameOID.EMAIL_ADDRESS), *_values(alternatives, x509.RFC822Name))),
        dns_names=_values(alternatives, x509.DNSName),
        uris=_values(alternatives, x509.UniformResourceIdentifier),
        ips=_values(alternatives, x509.IPAddress),
        sha1=hashlib.sha1(der, usedforsecurity=False).hexdigest(),
        sha256=hashlib.sha256(der).hexdigest(),
        spki_sha256=hashlib.sha256(spki).hexdigest(),
        controls=any(map(has_controls, _said(parsed.subject, alternatives))),
    )


def serial_hex(serial: int) -> str:
    """Upper-case hex with an even number of digits, as OpenSSL's i2a_ASN1_INTEGER writes it."""
    digits = f"{abs(serial):X}"
    return "-" * (serial < 0) + "0" * (len(digits) % 2) + digits


def _alternative_names(parsed: x509.Certificate) -> x509.SubjectAlternativeName | None:
    for extension in parsed.extensions:
        if extension.oid == ExtensionOID.SUBJECT_ALTERNATIVE_NAME and isinstance(
            extension.value, x509.SubjectAlternativeName
        ):
            return extension.value
    return None


def _values(
    names: x509.SubjectAlternativeName | None,
    kind: type[x509.RFC822Name | x509.DNSName | x509.UniformResourceIdentifier | x509.IPAddress],
) -> tuple[str, ...]:
    return tuple(str(value) for value in names.get_values_for_type(kind)) if names else ()


def _attributes(name: x509.Name, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
    values = (attribute.value for attribute in name.get_attributes_for_oid(oid))
    return tuple(value if isinstance(value, str) else value.decode("latin-1") for value in values)


def _said(subject: x509.Name, alternatives: x509.SubjectAlternativeName | None) -> Iterator[str]:
    """Every text in the subject and the alternative names, those inside of directory names too."""
    yield from (value for attribute in subject if isinstance(value := attribute.value, str))
    for name in alternatives or ():
        if isinstance(name.value, str):
            yield name.value
        elif isinstance(name.value, x509.Name):
            yield from _said(name.value, None)


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
