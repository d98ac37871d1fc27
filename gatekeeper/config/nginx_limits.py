"""Timeouts and sizes, which nginx has for each location, and gatekeeper for each app; and the rate of requests, which
gatekeeper has for all of them.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from gatekeeper.config.nginx_servers import Location, Note
from gatekeeper.config.nginx_values import Directive, duration, first, named, size, values
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
# By which nginx counts, as `gatekeeper.proxy.request_limits` does or nearly so.
_ADDRESS = {"$binary_remote_addr", "$remote_addr"}
_CERTIFICATE = {"$ssl_client_fingerprint", "$ssl_client_serial", "$ssl_client_s_dn", "$ssl_client_escaped_cert"}
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
            for at, seconds in enumerate(longest):
                if seconds < max(longest) and (written := first(one for some in values for one in some[at])):
                    note(written, f"timeouts.{key} is one timer for several of nginx; the longest of them is taken")
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


@dataclass(frozen=True, slots=True)
class _Rate:
    """A ``limit_req`` with its ``limit_req_zone``: requests a second, and how many more may come at once."""

    directive: Directive
    zone: Directive
    a_second: float
    written: str
    burst: int


def request_rate(locations: Sequence[Location], http: Iterable[Directive], note: Note) -> dict[str, str | int]:
    """``limits.rate`` and ``limits.rate_burst``, where all locations have the same ``limit_req``; else none: they are
    those of the whole gate. ``note`` is told of what is not the same.

    nginx lets one request pass and ``burst`` further ones (ngx_http_limit_req_lookup()).
    """
    each = [location.get("limit_req") for location in locations]
    if len({tuple(one.args for one in some) for some in each}) > 1:
        for one in dict.fromkeys(one for some in each for one in some):
            note(one, "limits.rate holds for the whole gate, and these locations differ")
        return {}
    zones = {_option(one, "zone").partition(":")[0]: one for one in named(http, "limit_req_zone")}
    found = sorted(_rates(each[0] if each else (), zones, note), key=lambda one: one.a_second)
    if not found:
        return {}
    lowest, *others = found
    for other in others:
        note(other.directive, "limits.rate is one rate; the lowest of several is taken")
    if values(locations[0].get("limit_req_dry_run")) == ["on"]:
        note(lowest.directive, "only counts in nginx (limit_req_dry_run); limits.rate would refuse")
        return {}
    _tell_differences(lowest, values(locations[0].get("limit_req_status")), note)
    return {"rate": lowest.written, "rate_burst": lowest.burst + 1}


def _rates(some: Iterable[Directive], zones: dict[str, Directive], note: Note) -> Iterator[_Rate]:
    for one in some:
        zone = zones.get(_option(one, "zone"))
        rate = re.fullmatch(r"([0-9]{1,6})r/([sm])", _option(zone, "rate") if zone else "")
        if zone is None or rate is None or not int(rate[1]):
            note(one, "its zone has no rate that gatekeeper could read")
        elif zone.args[0] not in _ADDRESS | _CERTIFICATE:
            note(zone, "limits.rate counts by certificate, or by address without one, and by nothing else")
        else:
            burst = int(_option(one, "burst")) if _option(one, "burst").isdigit() else 0
            a_second = int(rate[1]) / (60 if rate[2] == "m" else 1)
            yield _Rate(one, zone, a_second, f"{int(rate[1])}/{rate[2]}", burst)


def _tell_differences(rate: _Rate, status: list[str], note: Note) -> None:
    if rate.zone.args[0] in _ADDRESS:
        note(rate.zone, "limits.rate counts by certificate where there is one: no two people share a rate")
    if rate.burst and "nodelay" not in rate.directive.args:
        note(rate.directive, "nginx delays requests above the rate; here rate_burst of them pass at once")
    if status != ["429"]:
        note(rate.directive, f"visitors above the rate get 429 with Retry-After, and {(*status, '503')[0]} in nginx")


def _option(one: Directive, name: str) -> str:
    """The value of ``name=value`` among the arguments, "" if there is none."""
    return next((arg.partition("=")[2] for arg in one.args if arg.startswith(f"{name}=")), "")
