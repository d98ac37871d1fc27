"""Contradictions between the tables of a configuration, as far as they show without opening any file."""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any

from gatekeeper.config.shadowed_routes import shadowed_routes
from gatekeeper.config.source import KeyPath
from gatekeeper.settings.access import ClientAuthSettings, RouteSettings
from gatekeeper.settings.acme import ACMESettings
from gatekeeper.settings.addresses import Address, ListenAddress, quoted
from gatekeeper.settings.identity import IdentitySettings
from gatekeeper.settings.server import AdminSettings, ServerSettings
from gatekeeper.settings.upstream import UpstreamSettings
from gatekeeper.wire.foreign import folded, is_foreign
from gatekeeper.wire.headers import is_left_to_custom, is_of_the_request, is_reserved

Problems = Iterator[tuple[KeyPath, str]]


def contradictions(tables: Mapping[str, Any]) -> Problems:
    """What is wrong with several keys or tables together. A check is skipped if a table that it needs has mistakes of
    its own.
    """
    for needs, check in _CHECKS:
        if all(name in tables for name in needs):
            yield from check(*(tables[name] for name in needs))


def _listeners(server: ServerSettings, admin: AdminSettings) -> Problems:
    for key, addresses in (("listen", server.listen), ("redirect", server.redirect)):
        for first, second in combinations(addresses, 2):
            if _collide(first, second):
                yield ("server", key), f"{first} and {second} overlap; the gate cannot listen on both"
        for address in addresses:
            if admin.listen is not None and _collide(address, admin.listen):
                yield ("admin", "listen"), f"{admin.listen} is taken by server.{key} ({address})"
    for address, redirect in product(server.listen, server.redirect):
        if _collide(address, redirect):
            yield ("server", "redirect"), f"{redirect} is taken by server.listen ({address})"


def _collide(first: ListenAddress, second: ListenAddress) -> bool:
    """Whether two listeners cannot be open at once. IPv6 listeners are for IPv6 only, so families do not meet."""
    if not isinstance(first, Address) or not isinstance(second, Address):
        return first == second
    if first.port != second.port or first.port == 0:
        return False
    hosts = {first.host, second.host}
    family_apart = (":" in first.host) != (":" in second.host)
    return len(hosts) == 1 or (not family_apart and bool(hosts & {"0.0.0.0", "::"}))  # noqa: S104  compared, not bound


def _tls_versions(server: ServerSettings) -> Problems:
    if server.min_tls > server.max_tls:
        yield ("server", "max_tls"), f"is older than server.min_tls ({server.min_tls}), so nobody could connect"
    if server.ciphers and server.min_tls == "1.3":
        yield ("server", "ciphers"), "has no effect while server.min_tls is 1.3; see server.ciphersuites"
    if server.ciphersuites and server.max_tls == "1.2":
        yield ("server", "ciphersuites"), "has no effect while server.max_tls is 1.2; see server.ciphers"


def _acme(server: ServerSettings, acme: ACMESettings | None, routes: tuple[RouteSettings, ...]) -> Problems:
    elsewhere = {name for one in server.certificates for name in one.domains}
    if acme is None:
        for index, one in enumerate(server.certificates):
            if one.domains:
                yield ("server", "certificates", index, "domains"), "needs [acme], which orders the certificate"
        return
    if acme.challenge == "http-01" and not server.redirect:
        yield ("acme", "challenge"), 'needs port 80 for http-01: write redirect = "0.0.0.0:80" in [server]'
    if acme.domains or (elsewhere and server.certificate is not None):
        return
    if elsewhere.issuperset(host for route in routes for host in route.hosts):
        yield ("acme", "domains"), "is missing, and no route has hosts that could be taken instead"


def _group_without_user(server: ServerSettings) -> Problems:
    if server.group is not None and server.user is None:
        yield ("server", "group"), "has no effect without server.user"


def _revocation(auth: ClientAuthSettings) -> Problems:
    if auth.crl_stale == "allow" and not auth.crl:
        yield ("client_auth", "crl_stale"), "has no effect without client_auth.crl"
    fetches = bool(auth.crl_urls) or auth.uses_distribution_points
    if fetches and auth.crl_folder is None:
        yield ("client_auth", "crl_folder"), "is missing: fetched lists are kept there, for the next start too"
    if not fetches and auth.crl_folder is not None:
        yield ("client_auth", "crl_folder"), 'has no effect while client_auth.crl holds neither a URL nor "cdp"'
    if auth.uses_distribution_points and not auth.crl_hosts:
        yield ("client_auth", "crl_hosts"), 'is missing: it says from where "cdp" may fetch'
    if not auth.uses_distribution_points and auth.crl_hosts:
        yield ("client_auth", "crl_hosts"), 'has no effect while client_auth.crl does not hold "cdp"'
    if auth.ocsp == "off":
        if auth.ocsp_responder is not None:
            yield ("client_auth", "ocsp_responder"), 'has no effect while client_auth.ocsp is "off"'
        if auth.ocsp_on_failure == "allow":
            yield ("client_auth", "ocsp_on_failure"), 'has no effect while client_auth.ocsp is "off"'


def _hosts_of_authorities(auth: ClientAuthSettings) -> Problems:
    seen: dict[str, int] = {}
    for index, one in enumerate(auth.hosts):
        for host in one.hosts:
            if seen.setdefault(host, index) != index:
                yield ("client_auth", "hosts", index, "hosts"), f"{host} stands in hosts[{seen[host]}] too"


def _some_upstream(
    upstream: UpstreamSettings | None, upstreams: Mapping[str, UpstreamSettings], routes: tuple[RouteSettings, ...]
) -> Problems:
    if upstream is None and not upstreams:
        yield ("upstream",), 'is missing; write [upstream] and below it, for example: url = "http://127.0.0.1:8000"'
    elif upstream is None and not routes:
        yield ("upstream",), "is missing; without [[routes]] every visitor goes there"


def _default_is_upstream(upstreams: Mapping[str, UpstreamSettings]) -> Problems:
    if "default" in upstreams:
        yield ("upstreams", "default"), "is written as [upstream]"


def _routes_lead_somewhere(
    upstream: UpstreamSettings | None, upstreams: Mapping[str, UpstreamSettings], routes: tuple[RouteSettings, ...]
) -> Problems:
    return routes_without_upstream(
        dict(enumerate(routes)), [*upstreams, *(["default"] if upstream is not None else [])]
    )


def routes_without_upstream(routes: Mapping[int, RouteSettings], names: Sequence[str]) -> Problems:
    """The routes, by their indexes in the file, to none of the upstreams of these names."""
    for index, route in routes.items():
        if route.upstream not in names:
            close = difflib.get_close_matches(route.upstream, names, n=1)
            hint = f'; did you mean "{close[0]}"?' if close else ""
            yield ("routes", index, "upstream"), f'there is no upstream named "{route.upstream}"{hint}'


def _routes_are_reached(routes: tuple[RouteSettings, ...]) -> Problems:
    return unreached_routes(dict(enumerate(routes)))


def unreached_routes(routes: Mapping[int, RouteSettings]) -> Problems:
    """The routes, by their indexes in the file, that an earlier one covers."""
    indexes = list(routes)
    for index, taker in shadowed_routes(list(routes.values())):
        yield (
            ("routes", indexes[index]),
            f"is never reached: routes[{indexes[taker]}] comes before it and matches everything that it matches",
        )


def _identity_headers(identity: IdentitySettings) -> Problems:
    """No header is set twice, and no header with another meaning gets its value from a certificate."""
    for index, preset in enumerate(identity.headers):
        if preset in identity.headers[:index]:
            yield ("identity", "headers", index), f'"{preset}" is already listed'
    for index, name in enumerate(identity.passing):
        if not is_foreign(name):
            yield ("identity", "pass", index), f"{quoted(name)} is not in the list of other proxies' headers"
        elif is_reserved(folded(name.removesuffix("*").encode("ascii")), ()):
            yield ("identity", "pass", index), f"{quoted(name)} is a header that gatekeeper itself sets or removes"
        elif name in identity.strip:
            yield ("identity", "pass", index), f"{quoted(name)} stands in identity.strip too"
    seen: dict[bytes, str] = {}
    for name in identity.custom:
        plain = folded(name.lower().encode("ascii"))
        if not is_left_to_custom(plain):
            yield (
                ("identity", "custom", name),
                "is a header that gatekeeper itself sets or removes; choose another",
            )
        elif is_of_the_request(plain):
            yield ("identity", "custom", name), "would replace a header of the request itself; choose another"
        elif plain in seen:
            yield ("identity", "custom", name), f'is "{seen[plain]}" to many apps, and is already listed'
        seen[plain] = name


def _stripped_headers(identity: IdentitySettings) -> Problems:
    for index, name in enumerate(identity.strip):
        if not is_left_to_custom(folded(name.removesuffix("*").lower().encode("ascii"))):
            yield (
                ("identity", "strip", index),
                f"{quoted(name)} is a header that gatekeeper itself sets or removes, so it has no effect here",
            )


_CHECKS: tuple[tuple[tuple[str, ...], Callable[..., Problems]], ...] = (
    (("server", "admin"), _listeners),
    (("server",), _tls_versions),
    (("server", "acme", "routes"), _acme),
    (("server",), _group_without_user),
    (("client_auth",), _revocation),
    (("client_auth",), _hosts_of_authorities),
    (("upstream", "upstreams", "routes"), _some_upstream),
    (("upstreams",), _default_is_upstream),
    (("upstream", "upstreams", "routes"), _routes_lead_somewhere),
    (("routes",), _routes_are_reached),
    (("identity",), _identity_headers),
    (("identity",), _stripped_headers),
)
