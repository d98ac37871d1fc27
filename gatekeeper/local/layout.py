"""What the gate's own pages share: head, style, policy, language, and the visitor's kind of device."""

from functools import cache
from typing import TYPE_CHECKING, Any

from gatekeeper.local.request import InvitationEvent, Reply, Request
from gatekeeper.package import OWN
from gatekeeper.refusal.catalogue import Catalogue, catalogues
from gatekeeper.refusal.negotiation import DEFAULT_LANGUAGE, choose_language, recognize_platform
from gatekeeper.refusal.shown import LONGEST_NAME, header_safe, visible

if TYPE_CHECKING:
    import jinja2  # loaded for the first page

# The quoted words of Sec-CH-UA-Platform (WICG, User-Agent Client Hints). For browsers without it, User-Agent decides.
_HINTS = {
    "Android": "android",
    "Chrome OS": "linux",
    "Chromium OS": "linux",
    "iOS": "ios",
    "Linux": "linux",
    "macOS": "mac",
    "Windows": "windows",
}
_TEMPLATES = ("base.html", "me.html", "page.html")
_BUTTONS = """
form button {
  display: block; width: 100%; margin: 1.25rem 0 .75rem; padding: .875rem 1.25rem; border: 0; border-radius: .875rem;
  color: var(--ground); background: var(--accent); font: inherit; font-weight: 650; cursor: pointer;
}
ul.apps { list-style: none; margin: 0; padding: 0; }
ul.apps a {
  display: block; margin: .5rem 0; padding: .875rem 1.25rem; border: 1px solid var(--line); border-radius: .875rem;
}
.soon { border-inline-start: .375rem solid #c62828; padding-inline-start: 1rem; font-weight: 650; }
form.others { padding: 0 1.125rem 1rem; }
form.others button {
  margin: .5rem 0 0; border: 1px solid var(--line); color: var(--ink); background: none; font-weight: 500;
  text-align: start;
}
"""


def catalogue_for(request: Request) -> Catalogue:
    """The texts in the first of the visitor's languages that there are, else in English."""
    return catalogues()[choose_language(request.header(b"accept-language"), catalogues(), DEFAULT_LANGUAGE)]


def platform_of(request: Request) -> str:
    """The kind of device, "" if it is unknown. It only decides what the page shows first.

    On computers Firefox is a kind of its own, since it has its own certificate store; it sends no hint.
    """
    hint = _HINTS.get(request.header(b"sec-ch-ua-platform").strip('"'))
    return hint or recognize_platform(request.header(b"user-agent"))


def sheet(
    request: Request,
    template: str,
    catalogue: Catalogue,
    headers: tuple[tuple[str, str], ...],
    event: InvitationEvent | None = None,
    **variables: Any,
) -> Reply:
    """A page made of a template that extends base.html. It may load nothing, and send forms to this gate alone."""
    from markupsafe import Markup

    from gatekeeper.refusal.page import style_source

    request_id = header_safe(request.request_id)
    body = (
        _templates()
        .get_template(template)
        .render(
            language=catalogue.tag,
            general=catalogue.words,
            style=Markup(_style()),  # noqa: S704  ours, from the package
            host=visible(request.host, LONGEST_NAME),
            request_id=request_id,
            **variables,
        )
    )
    policy = (
        f"default-src 'none'; style-src {style_source(_style())}; img-src data:; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    common = (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Language", catalogue.tag),
        ("Content-Security-Policy", policy),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Request-Id", request_id),
    )
    return Reply(200, (*common, *headers), body.encode("utf-8", "replace"), event)


def load_pages() -> None:
    """Load what `sheet` needs, so that nothing is read from the disk later."""
    _style()
    for name in _TEMPLATES:
        _templates().get_template(name)


@cache
def _style() -> str:
    from gatekeeper.refusal.page import stylesheet

    return stylesheet() + _BUTTONS


@cache
def _templates() -> "jinja2.Environment":
    import jinja2

    return jinja2.Environment(
        loader=jinja2.DictLoader({name: OWN.read(f"local/{name}") for name in _TEMPLATES}),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
