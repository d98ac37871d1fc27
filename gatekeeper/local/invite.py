"""An invitation: its page, which anybody and any program may open, and the download, which happens once.

Opening the page uses nothing up. The download is a POST, which link previews, prefetching and crawlers do not send;
those that do are rejected if their headers identify them.
"""

import re
from urllib.parse import parse_qs, quote

from gatekeeper.invitations.folder import Found
from gatekeeper.invitations.invitation import FILES, Kind, Profile
from gatekeeper.invitations.state import Stage, mark_of, may_take
from gatekeeper.invitations.token import digest_of
from gatekeeper.local import enrolment
from gatekeeper.local.page import page
from gatekeeper.local.question import Event, Question, Reply, failure
from gatekeeper.refusal.negotiation import prefers_page

_TYPES = {".p12": "application/x-pkcs12", ".mobileconfig": "application/x-apple-aspen-config"}
# What fetches links on its own: previews of messengers, search engines. Each says so in its User-Agent; a phone made by
# Cubot says so of itself, and is none.
_PROGRAMS = re.compile(
    r"(?<!cu)bot\b|crawl|spider|preview|facebookexternalhit|whatsapp|skypeuri|embedly|slurp|iframely|mastodon|vkshare",
    re.IGNORECASE,
)
# How browsers say that nobody has asked yet: Fetch (Sec-Purpose), older Chrome and Safari, older Firefox.
_AHEAD = (b"sec-purpose", b"purpose", b"x-moz", b"x-purpose")

_OVER = {
    Stage.USED: (410, "The invitation has already been used.", "invitation_used"),
    Stage.LOST: (410, "The download of the invitation was interrupted and not repeated in time.", "invitation_lost"),
    Stage.ENDED: (410, "The invitation has expired.", "invitation_ended"),
    Stage.CANCELLED: (410, "The invitation was cancelled.", "invitation_cancelled"),
}


def answer(question: Question, token: bytes) -> Reply:
    """The page (GET, HEAD) or the download (POST) of the invitation with this token, or what is below it."""
    token, _, below = token.partition(b"/")
    digest = digest_of(token) if below in (b"", enrolment.CERTIFICATE) else None
    found = question.invitations.find(digest) if digest is not None else None
    if found is None:
        detail = "There is no invitation at this address."
        return failure(question, 404, detail, topic="invitation_unknown", event=Event.UNKNOWN)
    found = question.invitations.aged(found, question.now)
    if found.state.stage in _OVER:
        status, detail, topic = _OVER[found.state.stage]
        return failure(question, status, detail, topic=topic, event=Event.REFUSED)
    if found.invitation.kind is Kind.REQUEST:
        objection = _objection(question) if question.method == b"POST" else ""
        if objection:
            return failure(question, 403, objection, event=Event.REFUSED)
        return enrolment.answer(question, found, below)
    if below:
        return failure(question, 404, "There is nothing here.")
    mark = mark_of(question.address, found.invitation.digest)
    if not may_take(found.state, mark):
        return _busy(question)
    if question.method == b"POST":
        objection = _objection(question)
        if objection:
            return failure(question, 403, objection, event=Event.REFUSED)
        return download(question, found, mark)
    if question.method in (b"GET", b"HEAD"):
        return page(question, found.invitation) if not _wants_json(question) else enrolment.describe(question, found)
    return failure(
        question, 405, "An invitation can only be opened and downloaded.", extra=(("Allow", "GET, HEAD, POST"),)
    )


def _wants_json(question: Question) -> bool:
    """Whether it is a program that says so; who says nothing gets the page."""
    accept = question.header(b"accept")
    return "json" in accept and not prefers_page(accept)


def _busy(question: Question) -> Reply:
    detail = "The invitation is being downloaded, or a download was started from another address."
    return failure(question, 409, detail, topic="invitation_busy", event=Event.REFUSED)


def download(question: Question, found: Found, mark: str) -> Reply:
    """One of the files, once. Whether the visitor may have it, and means to, was asked before."""
    profile = _profile(question.body)
    name = found.invitation.files.get(profile or "")
    if profile is None or name is None:
        return failure(question, 400, "The invitation has no such file.", event=Event.REFUSED)
    taken = question.invitations.take(found, mark, question.now)
    content = question.invitations.read(taken, name) if taken is not None else None
    if taken is None or content is None:
        return _busy(question)
    return Reply(200, _headers(found.invitation.name, profile), content, handing_out=taken)


def _objection(question: Question) -> str:
    """Why this POST is none that a person made on the page, "" if it may be."""
    if any(map(question.header, _AHEAD)) or _PROGRAMS.search(question.header(b"user-agent")):
        return "Link previews and prefetching do not get the certificate."
    if question.header(b"sec-fetch-site") not in ("", "same-origin", "none"):
        return "The download must be started on the page of the invitation."
    # A page with the policy no-referrer sends "null" itself (Fetch, 3.1); who knows the token needs no other site.
    origin = question.header(b"origin")
    if origin not in ("", "null") and origin.lower() != f"https://{question.host.lower()}":
        return "The download must be started on the page of the invitation."
    return ""


def _profile(body: bytes) -> Profile | None:
    """Which of the files is asked for; the modern one where nothing is said."""
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
        # RFC 6266, 4.3: the plain name for whoever does not know the other.
        (
            "Content-Disposition",
            f"attachment; filename=\"{plain}{suffix}\"; filename*=UTF-8''{quote(name, safe='')}{suffix}",
        ),
        *PRIVATE,
    )


PRIVATE = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
)
