"""The contents of a certificate, parsed once into plain values."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gatekeeper.gate.names import has_controls
from gatekeeper.x509 import extensions, names
from gatekeeper.x509.certificate import (
    BASIC_CONSTRAINTS,
    CERTIFICATE_POLICIES,
    CRL_DISTRIBUTION_POINTS,
    EXTENDED_KEY_USAGE,
    SUBJECT_ALTERNATIVE_NAME,
    Extensions,
    parse_certificate,
)
from gatekeeper.x509.crl import certificate_points
from gatekeeper.x509.extensions import NO_NAMES, AlternativeNames
from gatekeeper.x509.names import Name, printed, rfc2253, rfc4514, text_of, texts


@dataclass(frozen=True, slots=True)
class Certificate:
    """The contents of a certificate; none of it is verified.

    ``subject`` and ``issuer`` are RFC 2253 strings as OpenSSL and nginx write them, ``dn`` is the subject by RFC 4514.
    ``serial`` is upper-case hex as nginx writes it, times are seconds since the epoch, fingerprints lower-case hex,
    ``spki_sha256`` is of the public key. ``emails`` holds the subject's emailAddress attributes and the rfc822Name
    alternatives; ``ips`` are text, ``policies`` and ``purposes`` (extended key usage) dotted OIDs, ``upns`` the user
    principal names of Windows.

    A value that cannot be decoded by the rules of its type is left out, and ``undecoded`` names it. ``controls``:
    whether a name contains control or unseen characters. ``points`` are the general names of the places where its
    revocation list is published.
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
    dn: str = ""
    subject_serials: tuple[str, ...] = ()
    uids: tuple[str, ...] = ()
    upns: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    undecoded: tuple[str, ...] = ()
    is_authority: bool = False
    points: frozenset[bytes] = frozenset()

    @property
    def common_name(self) -> str:
        """The common name that counts; "" if there is none, or it cannot be decoded."""
        return self.common_names[0] if self.common_names else ""


def read_certificate(der: bytes) -> Certificate:
    """Read one certificate in DER or BER as leniently as OpenSSL; ValueError if its frame is broken.

    Nothing is verified: neither signature nor dates nor purpose. An extension that cannot be parsed counts as absent.
    """
    try:
        return _read(der)
    except (ValueError, IndexError) as error:
        raise ValueError(f"the certificate cannot be parsed: {error}") from error


def _read(der: bytes) -> Certificate:
    parsed = parse_certificate(der)
    subject, found = parsed.subject, _Extensions(parsed.extensions)
    alternatives = found.alternative_names()
    policies = found.dotted("certificatePolicies", CERTIFICATE_POLICIES, extensions.policies)
    purposes = found.dotted("extendedKeyUsage", EXTENDED_KEY_USAGE, extensions.object_identifiers)
    return Certificate(
        der=der,
        subject=rfc2253(subject),
        issuer=rfc2253(parsed.issuer),
        serial=serial_hex(parsed.serial),
        not_before=parsed.not_before,
        not_after=parsed.not_after,
        common_names=_common_name(subject),
        organizations=texts(subject, names.O),
        organizational_units=texts(subject, names.OU),
        issuer_common_names=_common_name(parsed.issuer),
        emails=_unique((*texts(subject, names.EMAIL), *alternatives.emails)),
        dns_names=alternatives.dns_names,
        uris=alternatives.uris,
        ips=alternatives.ips,
        sha1=hashlib.sha1(der, usedforsecurity=False).hexdigest(),
        sha256=hashlib.sha256(der).hexdigest(),
        spki_sha256=hashlib.sha256(parsed.spki).hexdigest(),
        controls=any(map(has_controls, _all_texts(subject, alternatives))),
        dn=rfc4514(subject),
        subject_serials=texts(subject, names.SERIAL_NUMBER),
        uids=texts(subject, names.UID),
        upns=alternatives.upns,
        policies=_unique(policies),
        purposes=_unique(purposes),
        is_authority=found.is_authority(),
        points=found.points(),
        undecoded=(*(one.short_name for one in subject if text_of(one.tag, one.value) is None), *found.undecoded),
    )


class _Extensions:
    """The extensions of one certificate. ``undecoded`` names those that were read and could not be decoded."""

    def __init__(self, found: Extensions) -> None:
        self._found = found
        self.undecoded: list[str] = []

    def alternative_names(self) -> AlternativeNames:
        extension = self._found.get(SUBJECT_ALTERNATIVE_NAME)
        if extension is None:
            return NO_NAMES
        alternatives = extensions.read(extensions.alternative_names, extension.value)
        if alternatives is None or alternatives.undecoded:
            self.undecoded.append("subjectAltName")
        return alternatives or NO_NAMES

    def dotted(self, name: str, oid: bytes, parse: Callable[[bytes], tuple[str, ...]]) -> tuple[str, ...]:
        extension = self._found.get(oid)
        if extension is None:
            return ()
        values = extensions.read(parse, extension.value)
        if values is None:
            self.undecoded.append(name)
        return values or ()

    def is_authority(self) -> bool:
        extension = self._found.get(BASIC_CONSTRAINTS)
        return extension is not None and (extensions.read(extensions.basic_constraints, extension.value) or (False,))[0]

    def points(self) -> frozenset[bytes]:
        extension = self._found.get(CRL_DISTRIBUTION_POINTS)
        return (extensions.read(certificate_points, extension.value) if extension else None) or frozenset()


def serial_hex(serial: int) -> str:
    """Upper-case hex with an even number of digits, as OpenSSL's i2a_ASN1_INTEGER writes it.

    OpenSSL breaks the line after 35 octets, which no header can hold; this is always one line.
    """
    digits = f"{abs(serial):X}"
    return "-" * (serial < 0) + "0" * (len(digits) % 2) + digits


def _common_name(name: Name) -> tuple[str, ...]:
    """The common name that counts: of several, as Windows writes them (``CN=Alice,CN=Users,DC=…``), the most specific.
    That is the last one in the encoding, and the first in the text of RFC 2253. () if it cannot be decoded.
    """
    for one in reversed(name):
        if one.oid == names.CN:
            text = text_of(one.tag, one.value)
            return () if text is None else (text,)
    return ()


def _all_texts(subject: Name, alternatives: AlternativeNames) -> Iterator[str]:
    """Every text in the subject and the alternative names, including those inside directory names."""
    for name in (subject, *alternatives.directory_names):
        yield from map(printed, name)
    yield from alternatives.emails
    yield from alternatives.dns_names
    yield from alternatives.uris
    yield from alternatives.upns


def _unique(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
