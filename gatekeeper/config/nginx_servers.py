"""Servers and apps of a configuration of nginx."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from gatekeeper.config.nginx_directives import ALWAYS, REASONS, UNKNOWN, reason
from gatekeeper.config.nginx_refusals import NOBODY
from gatekeeper.config.nginx_values import Directive, named, values
from gatekeeper.settings.addresses import parse_host, parse_upstream

Note = Callable[[Directive, str], None]

# Values of Host, and of ``upstream.host``.
HOSTS = {"$host": "", "$http_host": "", "$server_name": "", "$proxy_host": "upstream"}
# ``proxy_pass`` to a host name, which is not an address, a socket or the name of an ``upstream``.
_IS_SITE = re.compile(r"[a-z0-9]+://(?=[^:/]*[A-Za-z])[^:/]+\.[^:/]+(:[0-9]+)?")
_TLS_SCHEMES = ("https:", "h2:")
_EJECTED = "an endpoint that does not answer is ejected, for a second at first"
# Directives of an ``upstream`` that need no key, and what the options of its servers mean here.
_OF_A_GROUP = ALWAYS | {"keepalive_timeout"}
_OPTIONS = {
    "fail_timeout": _EJECTED,
    "max_conns": "see max_connections of an upstream",
    "max_fails": _EJECTED,
    "resolve": REASONS["resolver"],
    "slow_start": "see slow_start of an upstream",
    "weight": REASONS["least_time"],
}
# Names of directives after "proxy_" or "grpc_".
_TLS_KEYS = {
    "ssl_trusted_certificate": "ca",
    "ssl_certificate": "certificate",
    "ssl_certificate_key": "key",
    "ssl_name": "server_name",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A ``server``, with the directives that it inherits from ``http``; its own replace all of the same name there."""

    block: Directive
    http: Sequence[Directive]

    def get(self, name: str) -> list[Directive]:
        """The directives of this name that apply to the server."""
        return named(self.block.block, name) or named(self.http, name)

    @property
    def forwarded(self) -> bool:
        """Whether the address of a visitor is the one in a header."""
        return bool(self.get("set_real_ip_from")) and not any(
            "proxy_protocol" in one.args for one in self.get("listen")
        )

    def speaks_tls(self) -> bool:
        """Whether it has a certificate; one of ``http`` is for those that listen for TLS."""
        own = named(self.block.block, "ssl_certificate") or any("ssl" in one.args for one in self.get("listen"))
        return bool(own and self.get("ssl_certificate"))

    def listens(self) -> set[str]:
        """Where it listens for TLS; every address of IPv4 is the same place as every address of IPv6."""
        found = self.get("listen")
        places = [one.args[0] for one in found if len(found) == 1 or {"ssl", "quic"} & {*one.args}]
        return {f"*:{place}" if place.isdigit() else re.sub(r"0\.0\.0\.0:|\[::\]:", "*:", place) for place in places}

    def hosts(self, note: Note | None) -> list[str]:
        """The server names that a route can have; ``note`` is called for the others."""
        found = []
        for one in named(self.block.block, "server_name"):
            for name in one.args:
                try:
                    found.append(parse_host(name).lower())
                except ValueError:
                    if note is not None and name not in ("_", ""):
                        note(one, "wildcards and patterns cannot be hosts of a route")
        return list(dict.fromkeys(name for name in found if name != "_"))


@dataclass(frozen=True, slots=True)
class Place:
    """Where requests go, and what nginx sends there. Locations with the same value lead to the same app.

    ``target`` is a URL of ``proxy_pass`` or ``grpc_pass``, or a folder. ``fallback`` is the file to send for paths
    without a file. ``host`` is the value of ``upstream.host``, "" for the visitor's own. ``tls`` are the keys for TLS.
    """

    target: str
    fallback: str = ""
    host: str = ""
    buffers: bool = False
    tls: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Location:
    """A path in the form of ``routes.path``, and its target: a URL of ``proxy_pass`` or ``grpc_pass``, or a folder.

    ``strips``: whether the path is removed before forwarding. ``fallback``: the file to send for paths without a file.
    ``closed``: whether nobody may request it; then it needs no target. ``methods``: those of its route; () for all.
    ``undecided``: the sentence in place of a path, which keeps the file from being loaded until a person has read it.
    ``implied``: whether the route of a shorter path does the same, so that it needs none.
    """

    path: str
    target: str
    block: Directive | None
    server: Server
    strips: bool = False
    fallback: str = ""
    closed: bool = False
    methods: tuple[str, ...] = ()
    undecided: str = ""
    implied: bool = False

    @property
    def place(self) -> Place:
        """Where it leads."""
        if self.target.startswith("static:"):
            return Place(self.target, self.fallback)
        # On by default in nginx. Most apps do not need it, so it is translated only if it is written.
        buffers = values(self.get("proxy_request_buffering")) == ["on"]
        return Place(self.target, self.fallback, _host(self), buffers, tuple(_tls(self)))

    def networks(self, note: Note) -> list[str]:
        """The networks that may send requests, by ``allow`` and ``deny``, whose first match decides; [] for every
        network.

        Rules that ``allow_from`` cannot express close the route, so nobody gets more access than in nginx. So do rules
        over the address in X-Forwarded-For, which decides nothing here.
        """
        if self.closed:
            return NOBODY
        scopes = [self.block.block if self.block is not None else [], self.server.block.block, self.server.http]
        rules = next((found for scope in scopes if (found := named(scope, "allow", "deny"))), [])
        allowed: list[str] = []
        if rules and self.server.forwarded:
            note(rules[0], "is about X-Forwarded-For in nginx, which allow_from does not read, so the route is closed")
            return NOBODY
        for one in rules:
            if one.name == "allow" and one.args[0] != "all":
                allowed.append(one.args[0])
            elif one.name == "allow":
                return []
            elif one.args[0] == "all" and allowed and all(map(_is_network, allowed)):
                return allowed
            else:
                note(one, "cannot be said with allow_from, so the route is closed")
                return NOBODY
        return []

    def get(self, name: str) -> list[Directive]:
        """The directives of this name that apply to the location."""
        inside = named(self.block.block, name) if self.block is not None else []
        return inside or self.server.get(name)


@dataclass(frozen=True, slots=True)
class App:
    """An upstream: its name, what leads to it, and its URLs."""

    name: str
    place: Place
    urls: tuple[str, ...]


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def _host(location: Location) -> str:
    """The value of ``upstream.host``; "" for the visitor's own Host.

    By default nginx sends ``$proxy_host``. That is kept for host names, which may say which site is meant. An address,
    a socket or a group of servers means one app, which can make links of the visitor's Host only.
    """
    headers = [*location.get("proxy_set_header"), *location.get("grpc_set_header")]
    default = "$proxy_host" if _IS_SITE.fullmatch(location.target) else "$host"
    value = next((one.args[-1] for one in headers if one.args[0].lower() == "host"), default)
    if "$" in value:
        return HOSTS.get(value, "")
    try:
        return parse_host(value)
    except ValueError:
        return ""


def apps(found: Iterable[Location], http: Sequence[Directive], note: Note) -> list[App]:
    """The apps that the locations lead to, the first as "default"; ``note`` is called for other targets."""
    groups = {one.args[0]: one for one in named(http, "upstream") if one.args}
    known: dict[Place, App | None] = {}
    for location in found:
        if not location.target:
            continue
        if location.target.startswith(_TLS_SCHEMES) and values(location.get(f"{_module(location)}_ssl_verify")) != [
            "on"
        ]:
            where = location.block or location.server.block
            note(where, "nginx takes any certificate of the app; gatekeeper verifies it")
        if location.place in known:
            continue
        first_one = not any(known.values())
        name = "default" if first_one else _name(location.target, groups, known.values())
        known[location.place] = _app(name, location, groups, note)
    return [app for app in known.values() if app is not None]


def _name(target: str, groups: dict[str, Directive], known: Iterable[App | None]) -> str:
    host = target.partition("://")[2]
    taken = {app.name for app in known if app is not None}
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", host)[:60] if host in groups else ""
    names = [plain, *(f"app{number}" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name and name not in taken)


def _app(name: str, location: Location, groups: dict[str, Directive], note: Note) -> App | None:
    where = location.block or location.server.block
    scheme, _, host = location.target.partition("://")
    if host in groups:
        urls = [_url(scheme, one.args[0]) for one in _members(groups[host], note)]
    else:
        urls = [_url(scheme, host) if host else location.target]
    for url in urls:
        try:
            parse_upstream(url)
        except ValueError:
            note(where, f"{url} cannot be an address of an app")
            return None
    if not urls:
        note(where, f"the upstream {host} has no servers")
        return None
    return App(name, location.place, tuple(urls))


def _members(group: Directive, note: Note) -> Iterator[Directive]:
    servers = [one for one in named(group.block, "server") if "down" not in one.args]
    for one in servers:
        if "backup" in one.args and not all("backup" in other.args for other in servers):
            note(one, "is left out: there are no endpoints in reserve, and it would get requests all the time")
            continue
        for option in one.args[1:]:
            if option != "backup":
                note(one, f"{option}: {_OPTIONS.get(option.partition('=')[0], UNKNOWN)}")
        yield one
    for one in group.block:
        if one.name not in _OF_A_GROUP:
            note(one, reason(one.name))


def _url(scheme: str, host: str) -> str:
    return host if host.startswith("unix:") else f"{scheme}://{host}"


def _tls(location: Location) -> Iterator[tuple[str, str]]:
    for name, key in _TLS_KEYS.items() if location.target.startswith(_TLS_SCHEMES) else ():
        if found := values(location.get(f"{_module(location)}_{name}")):
            yield key, found[0]


def _module(location: Location) -> str:
    return "grpc" if location.target.startswith("h2:") and not location.get("proxy_pass") else "proxy"
