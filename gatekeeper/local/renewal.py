"""A machine renews its certificate: ``POST /.gatekeeper/renew`` with the certificate that it has, and a request.

The answer is the next certificate, or 202 until the authority has signed it: the client asks again with the same
request. The gate signs nothing, and what it checks here is for the client's sake: the authority checks it again
(`gatekeeper ca watch`), because a gate that was taken over could write what it likes into the folder.
"""

import logging

from gatekeeper.gate.verdict import Identity
from gatekeeper.invitations.folder import CHAIN, StoredInvitation, request_name
from gatekeeper.invitations.invitation import Invitation, InvitationKind
from gatekeeper.invitations.renewal import SignedRenewal, asks_for_the_same, digest_of_renewal, read_signed_renewal
from gatekeeper.invitations.request import mark_of_key, spki_sha256, write_request
from gatekeeper.invitations.state import Stage, State
from gatekeeper.local.enrolment import CHAIN_HEADERS, waits
from gatekeeper.local.request import InvitationEvent, Reply, Request, failure
from gatekeeper.local.withdrawn import is_withdrawn
from gatekeeper.x509 import pem

_log = logging.getLogger("gatekeeper")

# How long a renewal waits to be signed and fetched.
WAITING_SECONDS = 14 * 86400
# A client that lost its new key before it received the certificate sends a request for another key. More than a few of
# them are an attack or a fault, and each takes space on the disk.
MOST_WAITING = 3


def answer(request: Request, identity: Identity) -> Reply:
    """The certificate (PEM, then the authority's), 202 until it is signed, or an error."""
    if request.method != b"POST":
        return failure(request, 405, "A renewal is requested by POST.", extra=(("Allow", "POST"),))
    try:
        signed = read_signed_renewal(request.body)
    except ValueError as error:
        return malformed(request, error)
    done = submit(request, identity, signed)
    if isinstance(done, Reply):
        return done
    chain = issued_chain(request, done)
    return Reply(200, CHAIN_HEADERS, chain) if chain is not None else waits(done)


def malformed(request: Request, error: ValueError) -> Reply:
    """400: a sentence says what is wrong with the body."""
    return failure(request, 400, f"{str(error)[:1].upper()}{str(error)[1:]}.", event=InvitationEvent.REFUSED)


def submit(request: Request, identity: Identity, signed: SignedRenewal) -> StoredInvitation | Reply:
    """Store a request, or find the one stored before: the renewal in its current state, or an error reply."""
    if objection := _objection(request, identity, signed):
        return failure(request, 403, objection, event=InvitationEvent.REFUSED)
    spki, shown = spki_sha256(signed.request), identity.certificate.sha256
    digest = digest_of_renewal(shown, spki)
    stored = request.invitations.find(digest)
    if stored is not None:
        stored = request.invitations.aged(stored, request.now)
        if stored.state.alive and is_withdrawn(request, stored):
            detail = "The next certificate was revoked, or its authority is not trusted here any more."
            return failure(request, 403, detail, event=InvitationEvent.REFUSED)
        if stored.state.alive:
            return stored
        if stored.state.stage is Stage.CANCELLED:
            return failure(request, 403, "The renewal was refused by the administrator.", event=InvitationEvent.REFUSED)
        request.invitations.forget(stored)
    if _is_crowded(request, shown):
        detail = "Several renewals of this certificate wait already."
        return failure(request, 429, detail, retry_after=3600, event=InvitationEvent.LIMITED)
    return _store(request, identity, signed, Invitation(
        identity.certificate.common_name,
        digest,
        made=request.now,
        ends=min(request.now + WAITING_SECONDS, identity.certificate.not_after + 1),
        kind=InvitationKind.RENEWAL,
        replaces=shown,
    ))  # fmt: skip


def _objection(request: Request, identity: Identity, signed: SignedRenewal) -> str:
    """Why the request is rejected, "" if it is accepted.

    A request by a browser is rejected, because any site could have sent it with the visitor's certificate (CSRF).
    """
    if request.header(b"origin") or request.header(b"sec-fetch-site"):
        return "A renewal is requested by a program, not by a web page."
    if not asks_for_the_same(signed.request, identity.certificate.der):
        return "The request must ask for the names of the certificate that was sent with it."
    return ""


def _is_crowded(request: Request, shown: str) -> bool:
    alive = (one for one in request.invitations.all() if one.invitation.replaces == shown and one.state.alive)
    return sum(one.invitation.kind is InvitationKind.RENEWAL for one in alive) >= MOST_WAITING


def _store(request: Request, identity: Identity, signed: SignedRenewal, invitation: Invitation) -> StoredInvitation:
    spki = spki_sha256(signed.request)
    state = State(Stage.ASKED, int(request.now), mark=mark_of_key(spki))
    shown = pem.encode(pem.CERTIFICATE_LABELS[0], identity.certificate.der).decode()
    agent = request.header(b"user-agent")
    content = write_request(
        signed.request, request.address, agent, request.now, certificate=shown, proof=signed.proof
    )  # fmt: skip
    request.invitations.add(invitation, {request_name(state): content}, state)
    _log.info(
        "invitations: a renewal for %s is requested by %s, its key %s", ascii(invitation.name), request.address, spki
    )
    return StoredInvitation(invitation, state)


def issued_chain(request: Request, stored: StoredInvitation) -> bytes | None:
    """The certificate, then the authority's (PEM); None until it is signed."""
    return request.invitations.read(stored, CHAIN) if stored.state.stage is Stage.SIGNED else None
