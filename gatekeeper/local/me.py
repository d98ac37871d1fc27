"""``/.gatekeeper/me``: what admitted visitors may learn about themselves, and their pending renewal, if any.

A renewal is an invitation that names the certificate it replaces; a visitor with that certificate needs no link. Of
the routes' rules, the page reveals only whether they admit this visitor.
"""

import json
from dataclasses import dataclass
from urllib.parse import quote

from gatekeeper.gate.decision import is_open
from gatekeeper.gate.paths import read_host
from gatekeeper.gate.routes import Route
from gatekeeper.gate.verdict import Identity
from gatekeeper.invitations.folder import StoredInvitation
from gatekeeper.invitations.invitation import InvitationKind, Profile
from gatekeeper.invitations.state import mark_of, may_take
from gatekeeper.local.invite import download
from gatekeeper.local.layout import catalogue_for, platform_of, sheet
from gatekeeper.local.page import PROFILES
from gatekeeper.local.request import InvitationEvent, Reply, Request, failure
from gatekeeper.local.withdrawn import is_withdrawn
from gatekeeper.refusal.negotiation import prefers_page
from gatekeeper.refusal.shown import rfc3339, show

_DAY = 86400
# A certificate that expires within this time is highlighted; a month, as in `gatekeeper ca renew --expiring 30d`.
SOON_DAYS = 30
# same-origin, because with no-referrer browsers would send "null" as the Origin of the form (Fetch, 3.1).
_PRIVATE = (("Vary", "Accept, Accept-Language"), ("Referrer-Policy", "same-origin"))


@dataclass(frozen=True, slots=True)
class VisibleRoute:
    """A route of the requested host, or one with a title on another, and whether it admits this visitor.

    ``link`` is where a click on the title leads, "" for none.
    """

    path: str
    methods: tuple[str, ...]
    open: bool
    title: str = ""
    link: str = ""


def answer(request: Request, identity: Identity) -> Reply:
    """The page or the JSON (GET, HEAD), or the renewal (POST)."""
    renewal = _renewal(request, identity)
    if request.method == b"POST":
        return _fetch(request, renewal)
    if request.method not in (b"GET", b"HEAD"):
        return failure(request, 405, "There is nothing to change here.", extra=(("Allow", "GET, HEAD, POST"),))
    routes = _visible_routes(request, identity)
    if prefers_page(request.header(b"accept")):
        return _page(request, identity, routes, renewal)
    return _fields(request, identity, routes, renewal)


def _renewal(request: Request, identity: Identity) -> StoredInvitation | None:
    """The newest renewal of exactly this certificate that the visitor may download now."""
    waiting = [
        found
        for found in request.invitations.all()
        if found.invitation.replaces == identity.certificate.sha256 and found.invitation.kind is InvitationKind.BUNDLE
    ]
    now = [request.invitations.aged(found, request.now) for found in waiting]
    able = [one for one in now if may_take(one.state, mark_of(request.address, one.invitation.digest))]
    able = [one for one in able if not is_withdrawn(request, one)]
    return max(able, key=lambda one: one.invitation.made, default=None)


def _fetch(request: Request, renewal: StoredInvitation | None) -> Reply:
    if not _is_meant(request):
        return failure(request, 403, "The renewal must be fetched on this page.", event=InvitationEvent.REFUSED)
    if renewal is None:
        return failure(request, 404, "There is no renewal for this certificate.")
    return download(request, renewal, mark_of(request.address, renewal.invitation.digest))


def _is_meant(request: Request) -> bool:
    """Whether the form was not sent by another site, for which a browser uses the certificate too (CSRF).

    Sec-Fetch-Site cannot be forged by a page; browsers without it send Origin with every POST. Programs send neither.
    """
    site, origin = request.header(b"sec-fetch-site"), request.header(b"origin")
    return site in ("", "same-origin") and origin.lower() in ("", request.own_origin)


def _visible_routes(request: Request, identity: Identity) -> list[VisibleRoute]:
    host = read_host(request.block.host)
    return [
        VisibleRoute(
            route.path,
            tuple(sorted(method.decode() for method in route.methods)),
            is_open(route, identity, request.address),
            route.title,
            _link(request, route, here=not route.hosts or host in route.hosts),
        )
        for route in request.routes
        if not route.hosts or host in route.hosts or route.title
    ]


def _link(request: Request, route: Route, *, here: bool) -> str:
    """The link to the app of a route; for a route of other hosts, to the first of them on the same port."""
    if not route.takes(b"GET"):
        return ""
    path = quote(route.path.removesuffix("*"), safe="/%:@!$&'()*+,;=~-._")
    if here:
        return path
    name, separator, port = request.host.rpartition(":")
    return f"https://{route.hosts[0]}{separator + port if name and port.isdigit() else ''}{path}"


def _days_left(request: Request, identity: Identity) -> int:
    return max(0, int((identity.certificate.not_after - request.now) // _DAY))


def _fields(
    request: Request, identity: Identity, routes: list[VisibleRoute], renewal: StoredInvitation | None
) -> Reply:
    certificate = identity.certificate
    fields: dict[str, object] = {
        "certificate": {
            "subject": certificate.subject,
            "issuer": certificate.issuer,
            "serial": certificate.serial,
            "sha256": certificate.sha256,
            "not_before": rfc3339(certificate.not_before),
            "not_after": rfc3339(certificate.not_after),
            "days_left": _days_left(request, identity),
        },
        "routes": [
            {"path": route.path, "methods": route.methods, "open": route.open, "title": route.title or None}
            for route in routes
        ]
        or [{"path": "/*", "methods": [], "open": True, "title": None}],
        "renewal": {"until": rfc3339(renewal.invitation.ends)} if renewal is not None else None,
    }
    headers = (
        ("Content-Type", "application/json"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        *_PRIVATE,
    )
    return Reply(200, headers, json.dumps(fields, indent=2).encode() + b"\n")


def _page(request: Request, identity: Identity, routes: list[VisibleRoute], renewal: StoredInvitation | None) -> Reply:
    catalogue = catalogue_for(request)
    return sheet(
        request,
        "me.html",
        catalogue,
        _PRIVATE,
        words=catalogue.me,
        certificate=show(identity.certificate),
        days=_days_left(request, identity),
        soon=_days_left(request, identity) < SOON_DAYS,
        contact=request.pages.contact,
        contact_link=request.pages.contact_link,
        apps=[route for route in routes if route.open and route.title and route.link],
        routes=routes,
        profile=PROFILES.get(platform_of(request), Profile.MODERN) if renewal is not None else None,
    )
