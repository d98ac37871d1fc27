"""An invitation: its page, which anybody may open any number of times, and the download, which happens once.

Opening the page does not use the invitation up. The download is a POST, which link previews, prefetching and crawlers
do not send; those that do are rejected if their headers identify them.
"""

import re
from urllib.parse import parse_qs, quote

from gatekeeper.invitations.folder import StoredInvitation
from gatekeeper.invitations.invitation import ANCHOR, FILES, InvitationKind, Profile
from gatekeeper.invitations.state import Stage, mark_of, may_take
from gatekeeper.invitations.token import digest_of
from gatekeeper.local import enrolment
from gatekeeper.local.page import page
from gatekeeper.local.request import InvitationEvent, Reply, Request, failure
from gatekeeper.local.withdrawn import is_withdrawn
from gatekeeper.refusal.negotiation import prefers_page

_TYPES = {".p12": "application/x-pkcs12", ".mobileconfig": "application/x-apple-aspen-config"}
# Programs that fetch links on their own, such as messengers for a preview and search engines: they name themselves in
# User-Agent. Phones made by Cubot are not such a program.
_PROGRAMS = re.compile(
    r"(?<!cu)bot\b|crawl|spider|preview|facebookexternalhit|whatsapp|skypeuri|embedly|slurp|iframely|mastodon|vkshare",
    re.IGNORECASE,
)
# Headers by which browsers mark prefetching, which no person asked for: Fetch (Sec-Purpose), older Chrome and Safari,
# older Firefox.
_AHEAD = (b"sec-purpose", b"purpose", b"x-moz", b"x-purpose")

# The path below the link at which an invitation offers the certificate of the server's authority, if it has one. It can
# be fetched any number of times until the invitation is over.
_AUTHORITY = b"authority"
_ANCHOR_HEADERS = (
    ("Content-Type", "application/x-x509-ca-cert"),
    ("Content-Disposition", f'attachment; filename="{ANCHOR}"'),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
)
PRIVATE = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
)
_OVER = {
    Stage.USED: ("The invitation has already been used.", "invitation_used"),
    Stage.LOST: ("The download of the invitation was interrupted and not repeated in time.", "invitation_lost"),
    Stage.ENDED: ("The invitation has expired.", "invitation_ended"),
    Stage.CANCELLED: ("The invitation was cancelled.", "invitation_cancelled"),
}
_WITHDRAWN = (
    "The certificate of the invitation was revoked, or its authority is not trusted here any more.",
    "invitation_withdrawn",
)


def answer(request: Request, token: bytes) -> Reply:
    """The page (GET, HEAD) or the download (POST) of the invitation with this token, or what is below it."""
    token, _, below = token.partition(b"/")
    digest = digest_of(token) if below in (b"", enrolment.CERTIFICATE, _AUTHORITY) else None
    stored = request.invitations.find(digest) if digest is not None else None
    if stored is None:
        detail = "There is no invitation at this address."
        return failure(request, 404, detail, topic="invitation_unknown", event=InvitationEvent.UNKNOWN)
    stored = request.invitations.aged(stored, request.now)
    over = _OVER.get(stored.state.stage) or (_WITHDRAWN if is_withdrawn(request, stored) else None)
    if over is not None:
        detail, topic = over
        return failure(request, 410, detail, topic=topic, event=InvitationEvent.REFUSED)
    if request.method == b"POST" and (unintended := _unintended(request)):
        return failure(request, 403, unintended, event=InvitationEvent.REFUSED)
    if stored.invitation.kind is InvitationKind.REQUEST:
        return enrolment.answer(request, stored, below)
    return _bundle(request, stored, below)


def _bundle(request: Request, stored: StoredInvitation, below: bytes) -> Reply:
    """Answer for an invitation whose files can be downloaded; it is not over."""
    anchor = request.invitations.read(stored, ANCHOR)
    if below and (below != _AUTHORITY or anchor is None or request.method not in (b"GET", b"HEAD")):
        return failure(request, 404, "There is nothing here.")
    mark = mark_of(request.address, stored.invitation.digest)
    if not may_take(stored.state, mark):
        return _busy(request)
    if below and anchor is not None:
        return Reply(200, _ANCHOR_HEADERS, anchor)
    if request.method == b"POST":
        return download(request, stored, mark)
    if request.method in (b"GET", b"HEAD"):
        if _wants_json(request):
            return enrolment.describe(request, stored)
        return page(request, stored.invitation, anchor=anchor is not None)
    return failure(
        request, 405, "An invitation can only be opened and downloaded.", extra=(("Allow", "GET, HEAD, POST"),)
    )


def _wants_json(request: Request) -> bool:
    """Whether the client is a program that prefers JSON; without an Accept header it gets the page."""
    accept = request.header(b"accept")
    return "json" in accept and not prefers_page(accept)


def _busy(request: Request) -> Reply:
    detail = "The invitation is being downloaded, or a download was started from another address."
    return failure(request, 409, detail, topic="invitation_busy", event=InvitationEvent.REFUSED)


def download(request: Request, stored: StoredInvitation, mark: str) -> Reply:
    """Hand out one of the files, once. Not checked: whether the visitor may download, and whether a person asked."""
    profile = _profile(request.body)
    name = stored.invitation.files.get(profile or "")
    if profile is None or name is None:
        return failure(request, 400, "The invitation has no such file.", event=InvitationEvent.REFUSED)
    taken = request.invitations.take(stored, mark, request.now)
    content = request.invitations.read(taken, name) if taken is not None else None
    if taken is None or content is None:
        return _busy(request)
    return Reply(200, _headers(stored.invitation.name, profile), content, handing_out=taken)


def _unintended(request: Request) -> str:
    """Why this POST cannot come from a person on the invitation's page, "" if it can."""
    if any(map(request.header, _AHEAD)) or _PROGRAMS.search(request.header(b"user-agent")):
        return "Link previews and prefetching do not get the certificate."
    if request.header(b"sec-fetch-site") not in ("", "same-origin", "none"):
        return "The download must be started on the page of the invitation."
    # With the policy no-referrer, the page itself sends "null" (Fetch, 3.1). Another site may, too, but it would
    # have to know the token, and then it could download by itself.
    origin = request.header(b"origin")
    if origin not in ("", "null") and origin.lower() != request.own_origin:
        return "The download must be started on the page of the invitation."
    return ""


def _profile(body: bytes) -> Profile | None:
    """The profile that the form names, the modern one for an empty body; None if there is no such profile."""
    try:
        if not body:
            return Profile.MODERN
        return Profile(parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=4)["profile"][0])
    except (ValueError, KeyError):
        return None


def _headers(name: str, profile: Profile) -> tuple[tuple[str, str], ...]:
    suffix = FILES[profile].removeprefix(profile)
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    return (
        ("Content-Type", _TYPES[suffix]),
        # RFC 6266, 4.3: ``filename`` is for clients that do not know ``filename*``.
        (
            "Content-Disposition",
            f"attachment; filename=\"{plain}{suffix}\"; filename*=UTF-8''{quote(name, safe='')}{suffix}",
        ),
        *PRIVATE,
    )
