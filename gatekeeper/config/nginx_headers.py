"""Headers that nginx adds to responses, or hides of those of an app."""

from collections.abc import Iterator

from pydantic import ValidationError

from gatekeeper.config.nginx_servers import Location, Note
from gatekeeper.config.nginx_values import Directive
from gatekeeper.settings.access import RouteResponseSettings


def response_headers(location: Location, note: Note) -> dict[str, str]:
    """The headers in the form of ``routes.response.headers``; ``note`` is called for those that it cannot have."""
    found: dict[str, str] = {}
    for one, name, value in _edits(location):
        if "$" in value:
            note(one, "variables cannot be in response.headers")
        elif name in found:
            note(one, "response.headers has one value for each name")
        elif not _is_possible(name, value):
            note(one, "cannot be in response.headers")
        else:
            found[name] = value
    return found


def _edits(location: Location) -> Iterator[tuple[Directive, str, str]]:
    is_folder = location.target.startswith("static:")
    if not is_folder:
        for one in location.get("proxy_hide_header"):
            yield one, one.args[0], ""
    for one in location.get("add_header"):
        if len(one.args) > 1 and one.args[1]:
            # Unlike nginx, gatekeeper sends a Cache-Control with static files.
            yield one, one.args[0] if is_folder else f"+{one.args[0]}", one.args[1]


def _is_possible(name: str, value: str) -> bool:
    try:
        RouteResponseSettings(headers={name: value})
    except ValidationError:
        return False
    return True
