"""Certificate revocation lists (RFC 5280, 5), signed by the authority itself."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from gatekeeper.ca.authority import BACKDATE, Authority, issuer_identifier
from gatekeeper.ca.keys import signature_hash

# The shortest lifetime of a CRL: a gate rejects everyone on a CRL past its nextUpdate.
SHORTEST_LIFETIME = timedelta(days=1)


class RevocationReason(StrEnum):
    """Why a certificate is revoked: those of RFC 5280, 5.3.1 that apply to people and devices."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "key-compromise"
    AFFILIATION_CHANGED = "affiliation-changed"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessation-of-operation"
    PRIVILEGE_WITHDRAWN = "privilege-withdrawn"


_FLAGS = {
    RevocationReason.KEY_COMPROMISE: x509.ReasonFlags.key_compromise,
    RevocationReason.AFFILIATION_CHANGED: x509.ReasonFlags.affiliation_changed,
    RevocationReason.SUPERSEDED: x509.ReasonFlags.superseded,
    RevocationReason.CESSATION_OF_OPERATION: x509.ReasonFlags.cessation_of_operation,
    RevocationReason.PRIVILEGE_WITHDRAWN: x509.ReasonFlags.privilege_withdrawn,
}


@dataclass(frozen=True, slots=True)
class Revocation:
    """A revoked serial number, with time and reason."""

    serial: int
    at: datetime
    reason: RevocationReason = RevocationReason.UNSPECIFIED


def make_crl(
    authority: Authority,
    revocations: Iterable[Revocation],
    *,
    now: datetime,
    lifetime: timedelta | None = None,
    number: int = 1,
) -> x509.CertificateRevocationList:
    """Sign a CRL. ``number`` must increase with each CRL (RFC 5280, 5.2.3).

    Without a ``lifetime`` it is valid as long as the authority: a gate that reads the authority's own file sees each
    revocation at once, so an earlier nextUpdate would only lock everyone out.
    """
    now = now.astimezone(UTC).replace(microsecond=0)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(now - BACKDATE)
        .next_update(now + (lifetime or max(authority.certificate.not_valid_after_utc - now, SHORTEST_LIFETIME)))
        .add_extension(issuer_identifier(authority.certificate), critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for revocation in revocations:
        builder = builder.add_revoked_certificate(_entry(revocation))
    return builder.sign(authority.key, signature_hash(authority.key))


def revocations_of(crl: x509.CertificateRevocationList) -> Iterator[Revocation]:
    """The revocations in a CRL; reasons that `RevocationReason` lacks become unspecified."""
    words = {flag: reason for reason, flag in _FLAGS.items()}
    for one in crl:
        try:
            flag = one.extensions.get_extension_for_class(x509.CRLReason).value.reason
        except (x509.ExtensionNotFound, ValueError):
            flag = x509.ReasonFlags.unspecified
        reason = words.get(flag, RevocationReason.UNSPECIFIED)
        yield Revocation(one.serial_number, one.revocation_date_utc, reason)


def is_due(crl: x509.CertificateRevocationList, now: datetime) -> bool:
    """Whether less than a third of the CRL's lifetime is left, so that a timer should have it signed again."""
    end = crl.next_update_utc
    return end is None or now >= end - (end - crl.last_update_utc) / 3


def read_crl_number(crl: x509.CertificateRevocationList) -> int | None:
    """The CRL number (RFC 5280, 5.2.3), None if it has none."""
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (x509.ExtensionNotFound, ValueError):
        return None


def is_crl_of(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    """Whether this authority signed the CRL."""
    try:
        return crl.issuer == authority.subject and crl.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def _entry(revocation: Revocation) -> x509.RevokedCertificate:
    builder = (
        x509.RevokedCertificateBuilder()
        .serial_number(revocation.serial)
        .revocation_date(revocation.at.astimezone(UTC).replace(microsecond=0))
    )
    # RFC 5280, 5.3.1: "unspecified" is said by leaving the reason out.
    if flag := _FLAGS.get(revocation.reason):
        builder = builder.add_extension(x509.CRLReason(flag), critical=False)
    return builder.build()
