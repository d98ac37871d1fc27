"""An invitation for a computer that keeps its key: it sends a request (CSR), waits, and fetches the certificate.

``GET LINK`` returns its name and state as JSON; ``POST LINK`` submits the request, and
``GET LINK/certificate`` answers 202 until the administrator has signed it. A request by the same key may be sent
again; one with another key means that somebody else has the link.
"""

import json
import logging

from gatekeeper.invitations.folder import CHAIN, StoredInvitation
from gatekeeper.invitations.request import mark_of_key, read_csr, spki_sha256, write_request
from gatekeeper.invitations.state import Stage
from gatekeeper.local.request import InvitationEvent, Reply, Request, failure
from gatekeeper.refusal.negotiation import prefers_page
from gatekeeper.refusal.shown import rfc3339

_log = logging.getLogger("gatekeeper")

CERTIFICATE = b"certificate"
# A person has to approve the request, so polling more often would not help.
RETRY_SECONDS = 5

_JSON = (("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))
# RFC 8555, 9.1.
CHAIN_HEADERS = (("Content-Type", "application/pem-certificate-chain"), *_JSON[1:])


def answer(request: Request, stored: StoredInvitation, below: bytes) -> Reply:
    """Answer a client that knows the token. ``below`` is the path after the token; the invitation is not over."""
    looking = request.method in (b"GET", b"HEAD")
    if below == CERTIFICATE and looking:
        return _certificate(request, stored)
    if not below and looking:
        return describe(request, stored) if not prefers_page(request.header(b"accept")) else _page(request)
    if not below and request.method == b"POST":
        return _receive(request, stored)
    allowed = "GET, HEAD" if below else "GET, HEAD, POST"
    return failure(request, 405, "This method is not supported here.", extra=(("Allow", allowed),))


def describe(request: Request, stored: StoredInvitation) -> Reply:
    """The invitation as JSON, for programs."""
    return Reply(200, _JSON, _fields(stored), InvitationEvent.SHOWN)


def _page(request: Request) -> Reply:
    detail = "Run this on the computer that should get the certificate: gatekeeper enroll LINK"
    return failure(request, 200, detail, topic="invitation_for_computer", event=InvitationEvent.SHOWN)


def _receive(request: Request, stored: StoredInvitation) -> Reply:
    try:
        csr = read_csr(request.body)
    except ValueError as error:
        return failure(request, 400, f"{str(error)[:1].upper()}{str(error)[1:]}.", event=InvitationEvent.REFUSED)
    spki = spki_sha256(csr)
    mark, who = mark_of_key(spki), ascii(stored.invitation.name)
    content = write_request(csr, request.address, request.header(b"user-agent"), request.now)
    asked = request.invitations.ask(stored, mark, content, request.now)
    if asked is not None:
        _log.info("invitations: a request for %s by %s, its key %s", who, request.address, spki)
        return waits(asked, InvitationEvent.REQUESTED)
    now = request.invitations.find(stored.invitation.digest)
    if now is None or now.state.stage not in (Stage.ASKED, Stage.SIGNED):
        return failure(request, 409, "The invitation has just expired.", event=InvitationEvent.REFUSED)
    if now.state.mark != mark:
        _log.warning("invitations: a second request for %s, from %s: someone else has the link", who, request.address)
        detail = "Another request already came through this link. Tell the sender: someone else has the link."
        return failure(request, 409, detail, topic="invitation_busy", event=InvitationEvent.REFUSED)
    return _certificate(request, now)


def _certificate(request: Request, stored: StoredInvitation) -> Reply:
    match stored.state.stage:
        case Stage.SIGNED:
            chain = request.invitations.read(stored, CHAIN)
            if chain is not None:
                return Reply(200, CHAIN_HEADERS, chain)
        case Stage.ASKED:
            return waits(stored)
    return failure(request, 404, "No request has come through this link yet.")


def waits(stored: StoredInvitation, event: InvitationEvent | None = None) -> Reply:
    """202: the request was received and is not signed yet."""
    return Reply(202, (*_JSON, ("Retry-After", str(RETRY_SECONDS))), _fields(stored), event)


def _fields(stored: StoredInvitation) -> bytes:
    invitation = stored.invitation
    fields = {
        "name": invitation.name,
        "kind": invitation.kind,
        "state": stored.state.stage,
        "until": rfc3339(invitation.ends),
    }
    return json.dumps(fields, indent=2).encode() + b"\n"
