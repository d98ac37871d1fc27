"""Revocation lists made for tests, and what they say of somebody."""

import datetime
from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.gate.certificate import read_certificate
from gatekeeper.gate.revocation import Revocations, Standing, read_lists
from gatekeeper.gate.verdict import Peer, Policy, judge
from tests.certificates import DAY, NOW, Holder, digest_for, make_authority, make_client

HOME = make_authority("Home CA")
INNER = make_authority("Inner CA", HOME)
ALICE = make_client("alice", HOME)
BOB = make_client("bob", HOME)
HOUR = datetime.timedelta(hours=1)
AUTHORITIES = [read_certificate(HOME.der)]
SECONDS = NOW.timestamp()


def make_crl(
    *revoked: Holder,
    issuer: Holder = HOME,
    begins: datetime.datetime = NOW - HOUR,
    ends: datetime.datetime = NOW + DAY,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    entries: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> x509.CertificateRevocationList:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(begins)
        .next_update(ends)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    for holder in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(holder.certificate.serial_number).revocation_date(NOW)
        for extension, critical in entries:
            entry = entry.add_extension(extension, critical)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, digest_for(issuer.key))


def der(crl: x509.CertificateRevocationList) -> bytes:
    return crl.public_bytes(Encoding.DER)


def pem(crl: x509.CertificateRevocationList) -> bytes:
    return crl.public_bytes(Encoding.PEM)


def read(*crls: x509.CertificateRevocationList, authorities: Sequence[Holder] = (HOME,)) -> Revocations:
    trusted = [read_certificate(one.der) for one in authorities]
    return Revocations.of(one for crl in crls for one in read_lists(der(crl), trusted))


def standing(revocations: Revocations, holder: Holder, issuer: Holder = HOME, now: float = SECONDS) -> Standing:
    return revocations.status(read_certificate(holder.der), read_certificate(issuer.der), now).standing


def verdict(holder: Holder, policy: Policy, *path: Holder, now: float = SECONDS) -> Any:
    return judge(Peer(holder.der, verified=tuple(one.der for one in path or (HOME,))), now, policy)
