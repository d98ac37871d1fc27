"""The page of an invitation: how to install the certificate on this device, and the button that downloads it."""

from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

import jinja2
from markupsafe import Markup

from gatekeeper.invitations.invitation import Invitation, Kind, Profile
from gatekeeper.reception.question import Event, Question, Reply
from gatekeeper.refusal.catalogue import DEFAULT_LANGUAGE, Catalogue, Platform, catalogues
from gatekeeper.refusal.negotiation import choose_language, recognize_platform
from gatekeeper.refusal.page import style_source, stylesheet
from gatekeeper.refusal.shown import LONGEST_NAME, header_safe, minutes, visible

# The quoted words of Sec-CH-UA-Platform (WICG, User-Agent Client Hints). Who sends none is known by the User-Agent.
_HINTS = {
    "Android": "android",
    "Chrome OS": "linux",
    "Chromium OS": "linux",
    "iOS": "ios",
    "Linux": "linux",
    "macOS": "mac",
    "Windows": "windows",
}
# What each opens. Whatever is not here opens the modern form.
PROFILES = {"ios": Profile.APPLE, "android": Profile.COMPAT, "mac": Profile.COMPAT}
BUTTONS = """
form button {
  display: block; width: 100%; margin: 1.25rem 0 .75rem; padding: .875rem 1.25rem; border: 0; border-radius: .875rem;
  color: var(--ground); background: var(--accent); font: inherit; font-weight: 650; cursor: pointer;
}
form.others { padding: 0 1.125rem 1rem; }
form.others button {
  margin: .5rem 0 0; border: 1px solid var(--line); color: var(--ink); background: none; font-weight: 500;
  text-align: start;
}
"""


@dataclass(frozen=True, slots=True)
class _Other:
    """A file for another kind of device."""

    profile: Profile
    text: str


def page(question: Question, invitation: Invitation) -> Reply:
    """The page; it uses nothing up, and loads nothing."""
    language = choose_language(question.said(b"accept-language"), catalogues(), DEFAULT_LANGUAGE)
    catalogue = catalogues()[language]
    platform = platform_of(question.said(b"user-agent"), question.said(b"sec-ch-ua-platform"))
    there = [Profile(name) for name in invitation.files] if invitation.kind is Kind.BUNDLE else []
    wanted = PROFILES.get(platform, Profile.MODERN)
    profile = wanted if wanted in there else next(iter(there), None)
    template, style = _template()
    body = template.render(
        language=catalogue.tag,
        words=catalogue.invitation,
        general=catalogue.words,
        style=Markup(style),  # noqa: S704  ours, from the package
        host=visible(question.host, LONGEST_NAME),
        name=visible(invitation.name, LONGEST_NAME),
        ends=minutes(invitation.ends),
        profile=profile,
        others=[_Other(one, getattr(catalogue.invitation, one)) for one in there if one != profile],
        platforms=_platforms(catalogue, platform),
        platform=platform,
        request_id=header_safe(question.request_id),
    )
    headers = (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Language", catalogue.tag),
        (
            "Content-Security-Policy",
            f"default-src 'none'; style-src {style_source(style)}; img-src data:; "
            "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Robots-Tag", "noindex"),
        ("X-Request-Id", header_safe(question.request_id)),
    )
    return Reply(200, headers, body.encode("utf-8", "replace"), Event.SHOWN)


def platform_of(user_agent: str, hint: str) -> str:
    """The kind of device, "" if it is unknown. It decides what is shown first, and nothing else.

    Firefox keeps certificates of its own on computers, and sends no hint.
    """
    return _HINTS.get(hint.strip('"')) or recognize_platform(user_agent)


def _platforms(catalogue: Catalogue, first: str) -> list[Platform]:
    """The steps on each kind of device, the visitor's first."""
    own = {"ios": catalogue.invitation.ios, "android": catalogue.invitation.android}
    every = [replace(one, steps=own.get(one.key, one.steps)) for one in catalogue.platforms]
    return sorted(every, key=lambda one: one.key != first)


@cache
def _template() -> tuple[jinja2.Template, str]:
    """The template, and the text of its style element."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = resources.files("gatekeeper.reception").joinpath("page.html").read_text("utf-8")
    return environment.from_string(source), stylesheet() + BUTTONS
