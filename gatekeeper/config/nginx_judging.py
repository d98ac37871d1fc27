"""Directives of nginx that may refuse a request, or change what an app gets of it, in a way that no route can say.

nginx's own are known one by one. A module of somebody else may do anything, so each of its directives counts unless it
is listed here. Most of them are inherited from ``http`` by each ``server``, and from there by each ``location``, which
replaces those of the same name (nginx.org/en/docs/dev/development_guide.html, "Configuration").
"""

from collections.abc import Iterable, Iterator, Sequence

from crossplane.analyzer import DIRECTIVES

from gatekeeper.config.nginx_directives import ALWAYS, REASONS, TRANSLATED
from gatekeeper.config.nginx_values import Directive

# Values with which a directive does nothing, and cancels what it would inherit. Those of modules that are not nginx's
# own are from their documentation; "off" of any other name means nothing here.
_WITHOUT_EFFECT = {
    **dict.fromkeys(
        ("auth_basic", "auth_digest", "auth_gss", "auth_jwt", "auth_ldap", "auth_oidc", "auth_pam", "auth_request"),
        "off",
    ),
    "modsecurity": "off",
    **dict.fromkeys(("proxy_pass_request_body", "proxy_pass_request_headers"), "on"),
    "proxy_method": "$request_method",
}
_JUDGES = frozenset(
    {
        "internal_redirect", "js_access", "js_content", "perl", "proxy_method", "proxy_pass_request_body",
        "proxy_pass_request_headers", "proxy_set_body", "secure_link", "secure_link_md5", "secure_link_secret",
    }
)  # fmt: skip
# Of these families each one may judge, but for settings that do nothing alone.
_FAMILIES = ("auth_", "modsecurity")
_SETTINGS = frozenset(
    {
        "auth_basic_user_file", "auth_delay", "auth_http", "auth_http_header", "auth_http_pass_client_cert",
        "auth_http_timeout", "auth_jwt_claim_set", "auth_jwt_header_set", "auth_jwt_key_cache", "auth_jwt_key_file",
        "auth_jwt_key_request", "auth_jwt_leeway", "auth_jwt_type", "auth_request_set",
    }
)  # fmt: skip
# nginx's own, as crossplane knows them, and those that are newer than its list.
_OWN = frozenset(DIRECTIVES) | ALWAYS | TRANSLATED | frozenset(REASONS)
_NEWER = frozenset(
    {
        "api", "early_hints", "health_check", "http3", "keepalive_min_timeout", "max_headers", "mgmt",
        "proxy_pass_trailers", "status_zone", "upstream_conf",
    }
)  # fmt: skip
# Beginnings of names: newer ones of nginx, then modules for compression, measuring, variables, listings and headers of
# responses.
_HARMLESS = (
    *("acme_", "fastcgi_", "grpc_ssl_", "http2_", "http3_", "js_", "proxy_ssl_", "quic_", "scgi_", "ssl_", "uwsgi_"),
    *("brotli", "fancyindex", "geoip2", "opentelemetry", "opentracing", "otel_", "vhost_traffic_status", "zstd"),
    *("more_clear_headers", "more_set_headers", "subs_filter"),
)
# Of Lua: what runs before there is a request, after it, or only for a variable.
_LUA = ("lua_", "exit_worker_by_lua", "init_by_lua", "init_worker_by_lua", "log_by_lua", "set_by_lua")


def judges(name: str) -> bool:
    """Whether a directive of this name may refuse a request or change it, so that no route stands for it."""
    if name in _SETTINGS or name.startswith(_LUA):
        return False
    if name in _JUDGES or name.startswith(_FAMILIES) or "_by_lua" in name:
        return True
    return name not in _OWN | _NEWER and not name.startswith(_HARMLESS)


def asks(block: Iterable[Directive]) -> Directive | None:
    """The first directive of a block by which nginx asks for a password, another server, a program or a module."""
    return next((one for one in block if _has_effect(one)), None)


def inherited(server: Sequence[Directive], http: Sequence[Directive]) -> Iterator[Directive]:
    """What the locations of a server inherit of this kind: one directive of each name, of the server if it has any."""
    replaced = {one.name for one in server}
    found = [*server, *(one for one in http if one.name not in replaced)]
    yield from {one.name: one for one in reversed(found) if _has_effect(one)}.values()


def replaces(block: Iterable[Directive], one: Directive) -> bool:
    """Whether a location has a directive of its own in place of the inherited one."""
    return any(own.name == one.name for own in block)


def cancels(block: Iterable[Directive]) -> set[str]:
    """The names of directives that a block cancels, such as ``auth_basic`` by ``auth_basic off``."""
    return {one.name for one in block if judges(one.name) and not _has_effect(one)}


def _has_effect(one: Directive) -> bool:
    return judges(one.name) and (one.name not in _WITHOUT_EFFECT or one.args[:1] != (_WITHOUT_EFFECT[one.name],))
