"""An invitation for a computer that keeps its key: it sends a request (CSR), waits, and fetches the certificate.

``GET LINK`` returns its name and state as JSON; ``POST LINK`` submits the request, and
``GET LINK/certificate`` answers 202 until the administrator has signed it. A request by the same key may be sent
again; one with another key means that somebody else has the link.
"""

import json
import logging

from gatekeeper.invitations.folder import CHAIN, Found
from gatekeeper.invitations.request import mark_of_key, read_csr, spki_sha256, write_request
from gatekeeper.invitations.state import Stage
from gatekeeper.local.question import Event, Question, Reply, failure
from gatekeeper.refusal.negotiation import prefers_page
from gatekeeper.refusal.shown import rfc3339

_log = logging.getLogger("gatekeeper")

CERTIFICATE = b"certificate"
# A person has to look at the request; who asks more often than this learns nothing sooner.
RETRY_SECONDS = 5

_JSON = (("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))
# RFC 8555, 9.1.
_CHAIN = (("Content-Type", "application/pem-certificate-chain"), *_JSON[1:])


def answer(question: Question, found: Found, below: bytes) -> Reply:
    """Whoever knows the token asks about an invitation that is not over; ``below`` is what stands behind the token."""
    looking = question.method in (b"GET", b"HEAD")
    if below == CERTIFICATE and looking:
        return _certificate(question, found)
    if not below and looking:
        return describe(question, found) if not prefers_page(question.header(b"accept")) else _page(question)
    if not below and question.method == b"POST":
        return _receive(question, found)
    allowed = "GET, HEAD" if below else "GET, HEAD, POST"
    return failure(question, 405, "This method is not supported here.", extra=(("Allow", allowed),))


def describe(question: Question, found: Found) -> Reply:
    """What an invitation is, for programs."""
    return Reply(200, _JSON, _fields(found), Event.SHOWN)


def _page(question: Question) -> Reply:
    detail = "Run this on the computer that should get the certificate: gatekeeper enroll LINK"
    return failure(question, 200, detail, topic="invitation_for_computer", event=Event.SHOWN)


def _receive(question: Question, found: Found) -> Reply:
    try:
        request = read_csr(question.body)
    except ValueError as error:
        return failure(question, 400, f"{str(error)[:1].upper()}{str(error)[1:]}.", event=Event.REFUSED)
    spki = spki_sha256(request)
    mark, who = mark_of_key(spki), ascii(found.invitation.name)
    content = write_request(request, question.address, question.header(b"user-agent"), question.now)
    asked = question.invitations.ask(found, mark, content, question.now)
    if asked is not None:
        _log.info("invitations: a request for %s by %s, its key %s", who, question.address, spki)
        return _waits(asked, Event.REQUESTED)
    now = question.invitations.find(found.invitation.digest)
    if now is None or now.state.stage not in (Stage.ASKED, Stage.SIGNED):
        return failure(question, 409, "The invitation has just expired.", event=Event.REFUSED)
    if now.state.mark != mark:
        _log.warning("invitations: a second request for %s, from %s: someone else has the link", who, question.address)
        detail = "Another request already came through this link. Tell the sender: someone else has the link."
        return failure(question, 409, detail, topic="invitation_busy", event=Event.REFUSED)
    return _certificate(question, now)


def _certificate(question: Question, found: Found) -> Reply:
    match found.state.stage:
        case Stage.SIGNED:
            chain = question.invitations.read(found, CHAIN)
            if chain is not None:
                return Reply(200, _CHAIN, chain)
        case Stage.ASKED:
            return _waits(found)
    return failure(question, 404, "No request has come through this link yet.")


def _waits(found: Found, event: Event | None = None) -> Reply:
    return Reply(202, (*_JSON, ("Retry-After", str(RETRY_SECONDS))), _fields(found), event)


def _fields(found: Found) -> bytes:
    invitation = found.invitation
    fields = {
        "name": invitation.name,
        "kind": invitation.kind,
        "state": found.state.stage,
        "until": rfc3339(invitation.ends),
    }
    return json.dumps(fields, indent=2).encode() + b"\n"
