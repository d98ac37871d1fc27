"""Servers, locations and apps of a configuration of nginx."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_network

from gatekeeper.config.nginx_directives import ALWAYS, REASONS, UNKNOWN, reason
from gatekeeper.config.nginx_values import Directive, first, named, values
from gatekeeper.settings.addresses import parse_host, parse_upstream
from gatekeeper.settings.http_types import ROUTE_PATH, SITE_FILE

Note = Callable[[Directive, str], None]

# Conditions that reject visitors without a valid certificate, which gatekeeper does anyway.
_CHECK = re.compile(r"\$ssl_client_verify (?:!=|!~\*?) \"?\^?(?:SUCCESS|OK)\$?\"?")
# Values of Host, and of ``upstream.host``.
HOSTS = {"$host": "", "$http_host": "", "$server_name": "", "$proxy_host": "upstream"}
# ``proxy_pass`` to a host name, which is not an address, a socket or the name of an ``upstream``.
_IS_SITE = re.compile(r"[a-z0-9]+://(?=[^:/]*[A-Za-z])[^:/]+\.[^:/]+(:[0-9]+)?")
_TLS_SCHEMES = ("https:", "h2:")
# Directives that nginx has for each location, and gatekeeper once.
_OF_THE_GATE = ("access_log", "keepalive_timeout", "set_real_ip_from")
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
_ANSWERS_OTHERWISE = ("return", "fastcgi_pass", "uwsgi_pass", "scgi_pass")
# Files that a static: upstream tries anyway.
_TRIED = {"$uri", "$uri/", "$uri/index.html"}
# Names of directives after "proxy_" or "grpc_".
_TLS_KEYS = {
    "ssl_trusted_certificate": "ca",
    "ssl_certificate": "certificate",
    "ssl_certificate_key": "key",
    "ssl_name": "server_name",
}
# nginx's scheme, and gatekeeper's for an app that speaks HTTP/2.
_HTTP2 = {"http": "h2c", "https": "h2", "grpc": "h2c", "grpcs": "h2"}


@dataclass(frozen=True, slots=True)
class Server:
    """A ``server``, with the directives that it inherits from ``http``; its own replace all of the same name there."""

    block: Directive
    http: Sequence[Directive]

    def get(self, name: str) -> list[Directive]:
        """The directives of this name that apply to the server."""
        return named(self.block.block, name) or named(self.http, name)

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
    """

    path: str
    target: str
    block: Directive | None
    server: Server
    strips: bool = False
    fallback: str = ""

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

        Rules that ``allow_from`` cannot express close the route to all but this machine, so nobody gets more access
        than in nginx.
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
        """The directives of this name that apply to the location."""
        inside = named(self.block.block, name) if self.block is not None else []
        return inside or self.server.get(name)


@dataclass(frozen=True, slots=True)
class App:
    """An upstream: its name, what leads to it, and its URLs."""

    name: str
    place: Place
    urls: tuple[str, ...]


def locations(server: Server, note: Note) -> Iterator[Location]:
    """The locations of a server that can be routes; ``note`` is called for the others."""
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
        location = Location("/*", _folder(root, note), None, server)
        yield replace(location, fallback=_fallback(location, "", note))


def _location(one: Directive, path: str, server: Server, note: Note) -> Location | None:
    for nested in named(one.block, "location"):
        note(nested, "nested locations are not taken over")
    for own in named(one.block, *_OF_THE_GATE):
        note(own, "is the same for the whole gate; those of a location are not taken over")
    passed = first(named(one.block, "proxy_pass", "grpc_pass"))
    alias = first(named(one.block, "alias"))
    root = first(named(one.block, "root") or server.get("root"))
    location = Location(path, "", one, server)
    if passed is not None:
        for tried in named(one.block, "try_files"):
            note(tried, "an app answers every request; files are served by an app of their own, static:/folder")
        target = _target(passed, location, note)
        return replace(location, target=target, strips=_strips(passed, location)) if target else None
    if alias is not None and path.endswith("*") and alias.args[0].endswith("/") == one.args[-1].endswith("/"):
        location = replace(location, target=_folder(alias, note), strips=path != "/*")
        return replace(location, fallback=_fallback(location, one.args[-1].rstrip("/"), note))
    if alias is not None:
        note(alias, "is not a folder for everything below the location; write an app of its own, static:/folder")
    elif root is not None and not named(one.block, *_ANSWERS_OTHERWISE):
        location = replace(location, target=_folder(root, note))
        return replace(location, fallback=_fallback(location, "", note))
    note(one, "leads nowhere that gatekeeper knows; without a route, it answers 404 there or takes a wider one")
    return None


def _strips(passed: Directive, location: Location) -> bool:
    """Whether nginx removes the same part of the path as ``strip_prefix``: the location up to its last slash."""
    return (
        passed.name == "proxy_pass"
        and re.fullmatch(r"https?://(unix:[^:]+:|[^/]+)/", passed.args[0]) is not None
        and location.path not in ("/*", "/")
        and location.path.endswith("/*")
        and location.block is not None
        and location.block.args[-1].endswith("/")
    )


def _fallback(location: Location, prefix: str, note: Note) -> str:
    """The file of ``try_files`` for paths without a file, relative to the folder; paths in the folder do not begin with
    ``prefix``.
    """
    found = first(location.get("try_files"))
    if found is None:
        return ""
    *tried, last = found.args
    if _TRIED.issuperset(tried) and last == "=404":
        return ""
    file = last.removeprefix(f"{prefix}/")
    if _TRIED.issuperset(tried) and last.startswith(f"{prefix}/") and re.fullmatch(SITE_FILE, file, re.ASCII):
        return file
    note(found, "files are looked for by their own path; fallback names one for browsers, and an app answers the rest")
    return ""


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def _folder(root: Directive, note: Note) -> str:
    if not root.args[0].startswith("/"):
        note(root, "nginx looks below its prefix, which nginx -V tells; here it is the folder of its configuration")
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


def _target(passed: Directive, location: Location, note: Note) -> str:
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
    if is_grpc or values(location.get("proxy_http_version")) == ["2"]:
        scheme = _HTTP2[scheme]
        if host.startswith("unix:"):
            note(passed, "apps at a Unix socket are spoken to in HTTP/1.1; give it a port")
            return ""
    path = location.block.args[-1] if location.block is not None else "/"
    if uri is not None and uri != path and not _strips(passed, location):
        note(passed, f"replaces the path in nginx; the app gets it as it came, with {path}")
    return f"{scheme}://{host.removesuffix(':')}"


def _checks(block: Directive) -> bool:
    return any(_CHECK.fullmatch(" ".join(one.args)) for one in named(block.block, "if"))


def _conditions(directives: Iterable[Directive], note: Note) -> None:
    for one in named(directives, "if"):
        if _CHECK.fullmatch(" ".join(one.args)) is None:
            note(one, "conditions are not taken over; rules over certificates are allow and deny of a route")


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
