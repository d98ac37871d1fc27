"""Servers, locations and apps of a configuration of nginx."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_network

from gatekeeper.config.nginx_values import Directive, first, named, values
from gatekeeper.settings.addresses import parse_host, parse_upstream
from gatekeeper.settings.http_types import ROUTE_PATH

Note = Callable[[Directive, str], None]

# How nginx checks that a visitor has a good certificate, which gatekeeper does by itself.
_CHECK = re.compile(r"\$ssl_client_verify (?:!=|!~\*?) \"?\^?(?:SUCCESS|OK)\$?\"?")
# Said by the gate anyway, or of no use behind it.
_HEADERS_SET = {"connection", "host", "upgrade", "x-request-id", "x-real-ip", "x-scheme", "x-url-scheme"}
_ANSWERS_OTHERWISE = ("return", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "alias")
# Behind "proxy_" or "grpc_".
_TLS_KEYS = {
    "ssl_trusted_certificate": "ca",
    "ssl_certificate": "certificate",
    "ssl_certificate_key": "key",
    "ssl_name": "server_name",
}
# The scheme of nginx, and the one of an app that speaks HTTP/2 there.
_HTTP2 = {"http": "h2c", "https": "h2", "grpc": "h2c", "grpcs": "h2"}


@dataclass(frozen=True, slots=True)
class Server:
    """A ``server``, with what it inherits from ``http``: a directive of its own takes the place of all there."""

    block: Directive
    http: Sequence[Directive]

    def get(self, name: str) -> list[Directive]:
        """What holds for the server."""
        return named(self.block.block, name) or named(self.http, name)

    def hosts(self, note: Note | None) -> list[str]:
        """The names that a route can have; ``note`` is told of the others."""
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
class Location:
    """A path as routes have it, and where it leads: a URL of ``proxy_pass`` or ``grpc_pass``, or a folder."""

    path: str
    target: str
    block: Directive | None
    server: Server

    def networks(self, note: Note) -> list[str]:
        """Where requests may come from, by ``allow`` and ``deny``, whose first match counts; [] for anywhere.

        What cannot be said with ``allow_from`` leaves the route to this machine alone: nobody gets more than in nginx.
        """
        scopes = [self.block.block if self.block is not None else [], self.server.block.block, self.server.http]
        rules = next((found for scope in scopes if (found := named(scope, "allow", "deny"))), [])
        allowed: list[str] = []
        for one in rules:
            if one.name == "allow" and one.args[0] != "all":
                allowed.append(one.args[0])
            elif one.name == "allow":
                return []
            elif one.args[0] == "all" and allowed and all(map(_is_network, allowed)):
                return allowed
            else:
                note(one, "cannot be said with allow_from, so the route is closed to all but this machine")
                return ["127.0.0.1/32", "::1/128"]
        return []

    def get(self, name: str) -> list[Directive]:
        """What holds here."""
        inside = named(self.block.block, name) if self.block is not None else []
        return inside or self.server.get(name)


@dataclass(frozen=True, slots=True)
class App:
    """An upstream: its name, where it is, the keys for TLS to it, and whether it gets whole requests."""

    name: str
    target: str
    urls: tuple[str, ...]
    tls: dict[str, str] = field(default_factory=dict)
    buffers: bool = False


def locations(server: Server, note: Note) -> Iterator[Location]:
    """The locations of a server that can be routes; ``note`` is told of the others."""
    _conditions(server.block.block, note)
    everything = False
    checks = values(server.get("ssl_verify_client")) == ["on"] or _checks(server.block)
    for one in named(server.block.block, "location"):
        _conditions(one.block, note)
        if not checks and not _checks(one):
            note(one, "nginx lets in everyone here; public = true in its route does the same")
        path = _path(one, note)
        if path is None:
            continue
        location = _location(one, path, server, note)
        everything = everything or path == "/*"
        if location is not None:
            yield location
    root = first(server.get("root"))
    if root is not None and not everything:
        yield Location("/*", _folder(root), None, server)


def _location(one: Directive, path: str, server: Server, note: Note) -> Location | None:
    for nested in named(one.block, "location"):
        note(nested, "nested locations are not taken over")
    for header in named(one.block, "proxy_set_header", "grpc_set_header"):
        _header(header, note)
    passed = first(named(one.block, "proxy_pass", "grpc_pass"))
    root = first(named(one.block, "root") or server.get("root"))
    if passed is not None:
        location = Location(path, "", one, server)
        target = _target(passed, one, values(location.get("proxy_http_version")) == ["2"], note)
        return replace(location, target=target) if target else None
    if root is not None and not named(one.block, *_ANSWERS_OTHERWISE):
        return Location(path, _folder(root), one, server)
    note(one, "leads nowhere that gatekeeper knows; without a route, it answers 404 there or takes a wider one")
    return None


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def _folder(root: Directive) -> str:
    return f"static:{root.args[0]}"


def _path(one: Directive, note: Note) -> str | None:
    kind, path = one.args if len(one.args) == 2 else ("", one.args[0])
    if kind.startswith("~") or path.startswith(("@", "~")):
        note(one, "patterns cannot be paths of a route")
        return None
    if kind != "=":
        if not path.endswith("/"):
            note(one, f"here {path}/* takes {path} and what is below it, but not {path}something")
        path = path.rstrip("/") + "/*"
    if re.fullmatch(ROUTE_PATH, path, re.ASCII) is None:
        note(one, "holds characters that no path of a route may have")
        return None
    return path


def _target(passed: Directive, location: Directive, speaks_http2: bool, note: Note) -> str:
    url, is_grpc = passed.args[0], passed.name == "grpc_pass"
    if "$" in url:
        note(passed, "variables cannot be in an address")
        return ""
    if is_grpc and "://" not in url:
        url = f"grpc://{url}"
    match = re.fullmatch(r"(grpcs?|https?)://(unix:[^:]+:?|[^/]+)(/.*)?", url)
    if match is None or match[1].startswith("grpc") is not is_grpc:
        note(passed, f"is no {'grpc or grpcs' if is_grpc else 'http or https'} address")
        return ""
    scheme, host, uri = match.groups()
    if is_grpc or speaks_http2:
        scheme = _HTTP2[scheme]
        if host.startswith("unix:"):
            note(passed, "apps at a Unix socket are spoken to in HTTP/1.1; give it a port")
            return ""
    if uri is not None and uri != location.args[-1]:
        wanted = "strip_prefix of the route replaces it" if uri == "/" else "the app gets it as it came"
        note(passed, f"replaces the path in nginx; {wanted}, with {location.args[-1]}")
    return f"{scheme}://{host.removesuffix(':')}"


def _checks(block: Directive) -> bool:
    return any(_CHECK.fullmatch(" ".join(one.args)) for one in named(block.block, "if"))


def _conditions(directives: Iterable[Directive], note: Note) -> None:
    for one in named(directives, "if"):
        if _CHECK.fullmatch(" ".join(one.args)) is None:
            note(one, "conditions are not taken over; rules over certificates are allow and deny of a route")


def _header(one: Directive, note: Note) -> None:
    name, value = one.args[0].lower(), one.args[-1]
    if name == "host" and value not in ("$host", "$http_host", "$server_name"):
        note(one, "the app gets Host as the visitor sent it; see upstream.host")
    elif name in _HEADERS_SET or name.startswith(("x-forwarded-", "x-ssl-client-")):
        return
    else:
        note(one, "see identity.headers and identity.custom for what the app can be told")


def apps(found: Iterable[Location], http: Sequence[Directive], note: Note) -> list[App]:
    """The apps that the locations lead to, the first as "default"; ``note`` is told of what could not be one."""
    groups = {one.args[0]: one for one in named(http, "upstream") if one.args}
    known: dict[str, App | None] = {}
    for location in found:
        if location.target in known:
            continue
        first_one = not any(known.values())
        name = "default" if first_one else _name(location.target, groups, known.values())
        known[location.target] = _app(name, location, groups, note)
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
    tls = _tls(location, note) if any(url.startswith(("https:", "h2:")) for url in urls) else {}
    # On by default in nginx. Most apps need it not, so only who wrote it gets it.
    buffers = values(location.get("proxy_request_buffering")) == ["on"]
    return App(name, location.target, tuple(urls), tls, buffers)


def _members(group: Directive, note: Note) -> Iterator[Directive]:
    for one in group.block:
        if one.name == "server" and one.args and "down" not in one.args:
            for option in one.args[1:]:
                if option.partition("=")[0] in ("weight", "backup"):
                    note(one, f"{option}: requests go to the endpoint with the fewest requests")
            yield one
        elif one.name in ("ip_hash", "hash", "random", "sticky"):
            note(one, "requests go to the endpoint with the fewest requests")


def _url(scheme: str, host: str) -> str:
    return host if host.startswith("unix:") else f"{scheme}://{host}"


def _tls(location: Location, note: Note) -> dict[str, str]:
    module = "grpc" if location.target.startswith("h2:") and not location.get("proxy_pass") else "proxy"
    keys = {key: found[0] for name, key in _TLS_KEYS.items() if (found := values(location.get(f"{module}_{name}")))}
    if values(location.get(f"{module}_ssl_verify")) != ["on"]:
        note(location.block or location.server.block, "nginx takes any certificate of the app; gatekeeper verifies it")
    return keys
