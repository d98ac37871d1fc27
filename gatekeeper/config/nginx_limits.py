"""Timeouts and sizes, which nginx has for each location, and gatekeeper for each app."""

from collections.abc import Callable, Sequence

from gatekeeper.config.nginx_servers import Location, Note
from gatekeeper.config.nginx_values import Directive, duration, first, size
from gatekeeper.settings.server import TimeoutsSettings
from gatekeeper.settings.units import write_duration, write_size

_CONNECT = ("proxy_connect_timeout", "grpc_connect_timeout")
_READ = ("proxy_read_timeout", "grpc_read_timeout")
_SEND = ("proxy_send_timeout", "grpc_send_timeout")
_BODY = ("client_body_timeout",)
# nginx's directives by key. The longest of several is used, because gatekeeper has one timer for both sides.
_DIRECTIVES = {
    "connect": (_CONNECT,),
    "response_header": (_READ,),
    "stream_idle": (_READ, _SEND, _BODY),
    "tunnel_idle": (("proxy_read_timeout",),),
}
# nginx's defaults.
_SECONDS, _BYTES = 60.0, float(1 << 20)


def timeouts(locations: Sequence[Location], note: Note) -> dict[str, str]:
    """The timeouts of the app that all these locations lead to: the longest of each. Unset ones and those that equal
    gatekeeper's defaults are left out; folders have none.
    """
    found: dict[str, str] = {}
    if locations[0].target.startswith("static:"):
        return found
    for key, each in _DIRECTIVES.items():
        values = [[[one for name in names for one in location.get(name)] for names in each] for location in locations]
        if any(any(some) for some in values):
            longest = [_largest([some[at] for some in values], duration, _SECONDS, note) for at in range(len(each))]
            if max(longest) != TimeoutsSettings.model_fields[key].default:
                found[key] = write_duration(max(longest))
    return found


def request_body(locations: Sequence[Location], note: Note) -> str:
    """The largest body of the app that all these locations lead to."""
    largest = _largest([location.get("client_max_body_size") for location in locations], size, _BYTES, note)
    return "unlimited" if largest == float("inf") else write_size(int(largest))


def _largest(
    values: Sequence[Sequence[Directive]], read: Callable[[str], float | None], default: float, note: Note
) -> float:
    each = [max((found for one in some if (found := read(one.args[0]))), default=default) for some in values]
    written = next((one for some in values if (one := first(some)) is not None), None)
    if written is not None and len(set(each)) > 1:
        note(written, "the locations of this app differ; the largest value of all is taken")
    return max(each, default=default)
