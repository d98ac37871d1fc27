"""Was a certificate taken back? CRLs (RFC 5280, 5), as sets of serials, and answers that hold for a time.

An answer is never a bool: where nobody can say, it is `Standing.UNKNOWN`, and the configuration decides. Asked is about
the visitor's own certificate; intermediate authorities are not looked up. Lists that say less than they seem to (delta,
indirect and partial ones) are refused when they are loaded, because a certificate that such a list does not name is not
thereby good.
"""

import re
from base64 import b64decode
from binascii import Error as BinasciiError
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from math import inf

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from gatekeeper.gate.certificate import ODDITIES, Certificate
from gatekeeper.gate.names import rfc2253

WARN_BEFORE = 7 * 86400.0
"""Seconds before nextUpdate from which on an operator is warned."""


class Standing(Enum):
    """Whether a certificate was taken back."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RevocationStatus:
    """What is known of a certificate's standing while the time (seconds since the epoch) is before ``until``.

    ``detail`` is a sentence for the visitor where it is unknown; ``stale`` tells that a list has the answer "not
    named", but is past its nextUpdate or before its thisUpdate.
    """

    standing: Standing
    until: float = inf
    detail: str = ""
    stale: bool = False


Issuer = tuple[str, str]
"""Who signs lists and certificates: the name (RFC 2253) and the SHA-256 of the public key. A renewed authority with the
same key is the same issuer, another key under the same name is not."""


def issuer_of(authority: Certificate) -> Issuer:
    """The issuer that an authority's certificate stands for."""
    return authority.subject, authority.spki_sha256


@dataclass(frozen=True, slots=True)
class RevocationList:
    """One CRL whose signature was checked. Times are seconds since the epoch.

    A set of numbers: a million serials of 128 bits take 80 MB, and looking one up takes 0.05 µs.
    """

    issuer: Issuer
    this_update: float
    next_update: float
    serials: frozenset[int]

    def fresh(self, now: float) -> bool:
        """Whether it speaks for this moment."""
        return self.this_update <= now < self.next_update


@dataclass(frozen=True, slots=True)
class Revocations:
    """Every list that was loaded, by its issuer."""

    lists: Mapping[Issuer, tuple[RevocationList, ...]]

    @classmethod
    def of(cls, lists: Iterable[RevocationList]) -> "Revocations":
        """Several lists of one issuer count together: who is on any of them is revoked."""
        found: dict[Issuer, tuple[RevocationList, ...]] = {}
        for one in lists:
            found[one.issuer] = (*found.get(one.issuer, ()), one)
        return cls(found)

    @property
    def every(self) -> list[RevocationList]:
        """The lists, in the order in which they were loaded, issuer by issuer."""
        return [one for lists in self.lists.values() for one in lists]

    def answer(self, certificate: Certificate, issuer: Certificate, now: float) -> RevocationStatus:
        """The standing of a certificate that ``issuer`` signed. Revoked stays revoked, on a stale list too."""
        lists = self.lists.get(issuer_of(issuer), ())
        serial = int(certificate.serial, 16)
        if any(serial in one.serials for one in lists):
            return RevocationStatus(Standing.REVOKED)
        if not lists:
            return RevocationStatus(
                Standing.UNKNOWN, detail="There is no revocation list from the authority that issued it"
            )
        fresh = [one.next_update for one in lists if one.fresh(now)]
        if not fresh:
            early = all(now < one.this_update for one in lists)
            why = "is not valid yet; check the gate's clock" if early else "has not been renewed in time"
            return RevocationStatus(Standing.UNKNOWN, detail=f"The revocation list {why}", stale=True)
        return RevocationStatus(Standing.GOOD, until=max(fresh))


def alarms(revocations: Revocations, authorities: Iterable[Certificate], now: float) -> Iterator[str]:
    """What an operator must look at: lists that end soon or have ended, and authorities without one; sentences."""
    for one in revocations.every:
        day = f"{datetime.fromtimestamp(one.next_update, UTC):%Y-%m-%d %H:%M} UTC"
        if now >= one.next_update:
            yield f"the CRL of {one.issuer[0]} is stale since {day}"
        elif now >= one.next_update - WARN_BEFORE:
            yield f"the CRL of {one.issuer[0]} must be renewed before {day}"
        elif now < one.this_update:
            yield f"the CRL of {one.issuer[0]} is not valid yet; check the gate's clock"
    for authority in authorities:
        if issuer_of(authority) not in revocations.lists:
            yield f"there is no CRL of {authority.subject}, so nobody with a certificate from it is let in"


# -- reading

_PEM = re.compile(rb"-----BEGIN X509 CRL-----(.+?)-----END X509 CRL-----", re.DOTALL)
# An extension that is critical says TRUE before the OCTET STRING that holds its value (RFC 5280, 4.1). That is looked
# for in the whole list first: asking each of a million entries for its extensions takes two seconds.
_CRITICAL = b"\x01\x01\xff\x04"
_DAMAGED = "cannot be read as a CRL; it is damaged, or something else"
_WEAK = (hashes.MD5, hashes.SHA1)


def read_lists(content: bytes, authorities: Iterable[Certificate]) -> list[RevocationList]:
    """The lists in a file, PEM (one or several) or DER; ValueError with what is wrong if one cannot be relied on.

    Each must be signed by one of the ``authorities``, with a hash that is not broken, say when the next one comes, and
    speak for every certificate of its issuer. A list past its nextUpdate is read like any other.
    """
    authorities = tuple(authorities)
    if b"-----BEGIN" not in content:
        return [_read(content, authorities)]
    bodies = _PEM.findall(content)
    if not bodies:
        raise ValueError("holds no CRL")
    try:
        return [_read(b64decode(body), authorities) for body in bodies]
    except BinasciiError as error:
        raise ValueError(_DAMAGED) from error


def _read(der: bytes, authorities: tuple[Certificate, ...]) -> RevocationList:
    try:
        crl = x509.load_der_x509_crl(der)
        name, digest = rfc2253(crl.issuer), crl.signature_hash_algorithm
        extensions, next_update = list(crl.extensions), crl.next_update_utc
    except (ValueError, *ODDITIES) as error:
        raise ValueError(_DAMAGED) from error
    if isinstance(digest, _WEAK):
        raise ValueError(f"the CRL of {name} is signed with {digest.name}, which is broken")
    signer = _signer(crl, name, authorities)
    for extension in extensions:
        _says_all(extension)
    if next_update is None:
        raise ValueError(f"the CRL of {name} does not say when the next one comes (nextUpdate)")
    serials = frozenset(entry.serial_number for entry in crl)
    if der.count(_CRITICAL) > sum(extension.critical for extension in extensions):
        _check_entries(crl)
    return RevocationList(issuer_of(signer), crl.last_update_utc.timestamp(), next_update.timestamp(), serials)


def _check_entries(crl: x509.CertificateRevocationList) -> None:
    """RFC 5280, 5.3: a list with a critical extension that is not understood must not be used, whatever its entry."""
    try:
        found = {extension.oid: extension for entry in crl for extension in entry.extensions if extension.critical}
    except (ValueError, *ODDITIES) as error:
        raise ValueError(_DAMAGED) from error
    for extension in found.values():
        if isinstance(extension.value, x509.CertificateIssuer):  # 5.3.3: of another authority
            raise ValueError("is an indirect CRL, which is not supported")
        if not isinstance(extension.value, x509.CRLReason | x509.InvalidityDate):
            raise ValueError(_not_understood(extension))


def _signer(crl: x509.CertificateRevocationList, name: str, authorities: tuple[Certificate, ...]) -> Certificate:
    """RFC 5280, 6.3.3 (f), (g): the authority whose key verifies the list, and that may sign lists."""
    namesakes = [one for one in authorities if one.subject == name]
    if not namesakes:
        raise ValueError(f"is a CRL of {name}, which is none of the authorities in client_auth.ca")
    for authority in namesakes:
        parsed = x509.load_der_x509_certificate(authority.der)
        if _verifies(crl, parsed):
            if not _may_sign_lists(parsed):
                raise ValueError(f"is signed by {name}, which must not sign CRLs (its key usage lacks cRLSign)")
            return authority
    raise ValueError(f"the signature on the CRL of {name} is not by the authority of that name in client_auth.ca")


def _verifies(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    try:
        return crl.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def _may_sign_lists(authority: x509.Certificate) -> bool:
    try:
        return authority.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True


def _says_all(extension: x509.Extension[x509.ExtensionType]) -> None:
    """RFC 5280, 5.2: refuse what makes a list say less than "these, and no others"."""
    value = extension.value
    if isinstance(value, x509.DeltaCRLIndicator):
        raise ValueError("is a delta CRL, which is not supported; name the complete one")
    if isinstance(value, x509.IssuingDistributionPoint):
        if value.indirect_crl:
            raise ValueError("is an indirect CRL, which is not supported")
        if value.only_contains_ca_certs or value.only_contains_attribute_certs:
            raise ValueError("is a CRL of other certificates than clients' (its issuing distribution point says so)")
        if value.only_some_reasons or value.full_name or value.relative_name:
            raise ValueError("is a partial CRL (its issuing distribution point says so); name a complete one")
    elif extension.critical:
        raise ValueError(_not_understood(extension))


def _not_understood(extension: x509.Extension[x509.ExtensionType]) -> str:
    return f"is a CRL with a critical extension that is not understood ({extension.oid.dotted_string})"
