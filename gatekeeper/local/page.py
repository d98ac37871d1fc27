"""The page of an invitation: how to install the certificate on this device, and the button that downloads it."""

from dataclasses import dataclass, replace

from gatekeeper.invitations.invitation import Invitation, InvitationKind, Profile
from gatekeeper.local.layout import catalogue_for, platform_of, sheet
from gatekeeper.local.request import InvitationEvent, Reply, Request
from gatekeeper.refusal.catalogue import Catalogue, Platform
from gatekeeper.refusal.shown import LONGEST_NAME, minutes, visible

# The profile that each kind of device can import; all others import the modern one.
PROFILES = {"ios": Profile.APPLE, "android": Profile.COMPAT, "mac": Profile.COMPAT}
_PRIVATE = (("Referrer-Policy", "no-referrer"), ("X-Robots-Tag", "noindex"))


@dataclass(frozen=True, slots=True)
class _Other:
    """A file for another kind of device."""

    profile: Profile
    text: str


def page(request: Request, invitation: Invitation, *, anchor: bool = False) -> Reply:
    """The page. With ``anchor`` it also offers the certificate of the server's authority."""
    catalogue, platform = catalogue_for(request), platform_of(request)
    there = [Profile(name) for name in invitation.files] if invitation.kind is InvitationKind.BUNDLE else []
    wanted = PROFILES.get(platform, Profile.MODERN)
    profile = wanted if wanted in there else next(iter(there), None)
    return sheet(
        request,
        "page.html",
        catalogue,
        _PRIVATE,
        InvitationEvent.SHOWN,
        words=catalogue.invitation,
        name=visible(invitation.name, LONGEST_NAME),
        ends=minutes(invitation.ends),
        profile=profile,
        others=[_Other(one, getattr(catalogue.invitation, one)) for one in there if one != profile],
        platforms=_platforms(catalogue, platform),
        platform=platform,
        authority=f"{request.path.decode('ascii').rstrip('/')}/authority" if anchor else "",
    )


def _platforms(catalogue: Catalogue, first: str) -> list[Platform]:
    """The steps for each kind of device, the visitor's own first."""
    own = {"ios": catalogue.invitation.ios, "android": catalogue.invitation.android}
    every = [replace(one, steps=own.get(one.key, one.steps)) for one in catalogue.platforms]
    return sorted(every, key=lambda one: one.key != first)
