"""Which renewals are signed without asking, judged by the authority's own records and by what the keys prove.

The gate can write into the folder that the request comes from, so nothing is believed that the request says of itself:
the certificate must be one that this authority issued, it must still be valid, and its key must have asked for the next
one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.files import read_certificate_pem
from gatekeeper.ca.index import CertificateKind, Entry, Index, Status
from gatekeeper.ca.store import Store
from gatekeeper.errors import AuthorityError
from gatekeeper.invitations.renewal import asks_for_the_same, is_proven
from gatekeeper.invitations.request import EnrolmentRequest, read_csr, spki_sha256

# Enough for one-day certificates that are renewed each night; a client in a loop gets two a day.
AT_MOST_EVERY = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class RenewalPolicy:
    """What `gatekeeper ca watch` signs without asking.

    ``at_most_every`` is the minimum time between two certificates of a name. ``trust_gate`` also accepts a new key
    without a proof by the old one, because the gate says that the request came over TLS with the old certificate (EST
    clients that change their key).
    """

    at_most_every: timedelta = AT_MOST_EVERY
    trust_gate: bool = False


@dataclass(frozen=True, slots=True)
class Ruling:
    """The decision about a renewal.

    ``old`` is the index entry of the certificate that was sent. ``issued`` is set if its successor was signed already
    and only has to be handed out. ``objection`` says why a person has to decide, empty if it may be signed.
    """

    old: Entry
    issued: Entry | None = None
    objection: str = ""


def rule(store: Store, request: EnrolmentRequest, policy: RenewalPolicy, now: datetime) -> Ruling:
    """Judge a renewal; AuthorityError for one that must not be signed at all, whatever a person decides."""
    with store.opened():
        index, old = store.index(), shown_entry(store, request)
        spki = spki_sha256(read_csr(request.pem.encode()))
        newest = index.in_force(old.name, now)[-1:]
        if newest and newest[0].key == spki and newest[0].serial != old.serial:
            # Signed already, but the command was killed before it stored the certificate.
            return Ruling(old, issued=newest[0])
        return Ruling(old, objection=next(_objections(store, index, old, request, spki, policy, now), ""))


def shown_entry(store: Store, request: EnrolmentRequest) -> Entry:
    """The index entry of the certificate sent with a request; AuthorityError if it was not issued here or may not be
    renewed.
    """
    shown = read_certificate_pem(request.certificate.encode(), "the certificate that was shown")
    known = [entry for entry in store.index().entries if entry.serial == shown.serial_number]
    if not known or store.issued(known[0]).fingerprint(SHA256()) != shown.fingerprint(SHA256()):
        raise AuthorityError("the certificate that was shown was not issued here")
    if known[0].kind is not CertificateKind.CLIENT:
        raise AuthorityError("the certificate that was shown is not a client's")
    return known[0]


def _objections(
    store: Store, index: Index, old: Entry, request: EnrolmentRequest, spki: str, policy: RenewalPolicy, now: datetime
) -> Iterator[str]:
    certificate = store.issued(old)
    status = index.status(old, now)
    if status is not Status.VALID:
        yield f"the certificate that was shown is {status}"
    if not asks_for_the_same(read_csr(request.pem.encode()), certificate.public_bytes(Encoding.DER)):
        yield "it asks for other names than the certificate has"
    proven = spki == old.key or is_proven(certificate, certificate.fingerprint(SHA256()).hex(), spki, request.proof)
    if not proven and not policy.trust_gate:
        yield "the new key is not vouched for by the old one, so only the gate says whose it is"
    newest = index.in_force(old.name, now)[-1:]
    if newest and newest[0].serial != old.serial:
        yield f"{old.name} has a newer certificate, by another key"
    if now - old.not_before < policy.at_most_every:
        yield f"the certificate was issued {old.not_before:%Y-%m-%d %H:%M} UTC, which is too short a time ago"
