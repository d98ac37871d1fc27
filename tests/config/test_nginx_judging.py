"""Directives of nginx that may refuse requests or change them: at each level, closed, or for a person to decide."""

from pathlib import Path

import pytest

from gatekeeper.config.nginx import translate
from gatekeeper.config.nginx_directives import ALWAYS, REASONS, TRANSLATED
from gatekeeper.config.nginx_judging import judges
from gatekeeper.errors import ConfigurationError
from tests.config.test_nginx_locations import OPEN, routes
from tests.config.translating import CHECKED, PASSED, TLS, translated

JUDGING = [
    *("auth_basic Own", "auth_request /sso", "auth_jwt own", "auth_jwt_require $valid", "auth_oidc own"),
    *("auth_ldap own", "auth_ldap_servers one", "auth_pam own", "auth_digest own", "auth_gss on", "auth_spnego on"),
    *("js_access main.check", "js_content main.answer", "perl main::answer", "internal_redirect $elsewhere"),
    *("access_by_lua_file /x", "rewrite_by_lua_file /x", "content_by_lua_file /x", "header_filter_by_lua_file /x"),
    *("modsecurity on", "modsecurity_rules_file /x", "secure_link $arg_md5", "proxy_method GET", "proxy_set_body a"),
    *("proxy_pass_request_body off", "proxy_pass_request_headers off"),
    *("wallarm_mode block", "SecRulesEnabled", "app_protect_enable on", "wonderful on", "wonderful off", "wonderful"),
]
# What cancels an inherited one.
CANCELLED = {
    **dict.fromkeys(("auth_basic Own", "auth_jwt own", "auth_oidc own", "auth_ldap own", "auth_pam own"), "off"),
    **dict.fromkeys(("auth_request /sso", "auth_digest own", "auth_gss on", "modsecurity on"), "off"),
    **dict.fromkeys(("proxy_pass_request_body off", "proxy_pass_request_headers off"), "on"),
    "proxy_method GET": "$request_method",
}
HARMLESS = [
    *("gzip on", "brotli on", "zstd on", "image_filter off", "ssi on", "lua_shared_dict a 1m", "geoip2_proxy a"),
    *("more_set_headers a", "more_clear_headers a", "subs_filter a b"),
    *("log_by_lua_file /x", "set_by_lua_file $a /x", "init_by_lua_file /x", "js_import main.js", "otel_trace on"),
    *("vhost_traffic_status_zone", "auth_basic_user_file f", "auth_request_set $a $b", "auth_jwt_key_file f"),
    *("early_hints $a", "http3 on", "proxy_pass_trailers on", "ssl_key_log f", "status_zone a"),
    *("auth_basic off", "auth_request off", "modsecurity off", "proxy_pass_request_body on"),
]
DECIDE = "may refuse more: decide"
A = f"location /a/ {{ {PASSED} %s; }}"


@pytest.mark.parametrize("directive", JUDGING)
def test_a_location_that_may_refuse_is_closed(tmp_path: Path, directive: str) -> None:
    """Among others, alone, and as a pattern."""
    assert routes(tmp_path, OPEN + A % directive) == {"/a/*": True, "/*": False}
    (tmp_path / "gatekeeper.toml").unlink()
    assert routes(tmp_path, f"location / {{ {PASSED} {directive}; }}") == {"/*": True}
    (tmp_path / "gatekeeper.toml").unlink()
    assert routes(tmp_path, OPEN + f"location ~ ^/a/ {{ {PASSED} {directive}; }}") == {"/a/*": True, "/*": False}


@pytest.mark.parametrize("directive", JUDGING)
@pytest.mark.parametrize("level", ["http", "server", "included"])
def test_what_locations_inherit_is_a_decision(tmp_path: Path, level: str, directive: str) -> None:
    """Of the server, of all servers, and of a file that one of them includes."""
    (tmp_path / "more.conf").write_text(f"{directive};")
    written = {"included": f"include {tmp_path}/more.conf;"}.get(level, f"{directive};")
    with pytest.raises(ConfigurationError) as refused:
        routes(tmp_path, f"{written if level == 'server' else ''} {OPEN}", "" if level == "server" else written)
    assert f": {directive}: " in (tmp_path / "gatekeeper.toml").read_text()
    assert f"line {1 if level == 'included' else 3}: {directive} {DECIDE}" in str(refused.value)


@pytest.mark.parametrize("level", ["http", "server"])
def test_the_files_of_a_server_are_a_decision_too(tmp_path: Path, level: str) -> None:
    """They have no location that could inherit."""
    inside = {"http": ("root /srv;", "auth_request /sso;"), "server": ("root /srv; auth_request /sso;", "")}
    with pytest.raises(ConfigurationError, match=DECIDE):
        routes(tmp_path, *inside[level])


def test_every_one_of_them_is_a_decision(tmp_path: Path) -> None:
    """Who has decided about one has not decided about the others."""
    with pytest.raises(ConfigurationError) as refused:
        routes(tmp_path, f"auth_request /sso; wonderful on; {OPEN}", "modsecurity on;")
    assert str(refused.value).count(DECIDE) == 3


@pytest.mark.parametrize("directive", CANCELLED)
def test_a_location_cancels_what_it_inherits(tmp_path: Path, directive: str) -> None:
    """If each does, there is nothing to decide; one that does not is enough."""
    cancel = f"{directive.split()[0]} {CANCELLED[directive]}"
    inside = f"location / {{ {PASSED} {cancel}; }}"
    assert routes(tmp_path, inside, f"{directive};") == {}
    (tmp_path / "gatekeeper.toml").unlink()
    assert routes(tmp_path, f"{cancel}; {OPEN}", f"{directive};") == {}
    for other in (f"location /b/ {{ {PASSED} }}", f"location ~ x$ {{ {PASSED} }}"):
        (tmp_path / "gatekeeper.toml").unlink(missing_ok=True)
        with pytest.raises(ConfigurationError, match=DECIDE):
            routes(tmp_path, inside + other, f"{directive};")


def test_off_means_nothing_to_an_unknown_module(tmp_path: Path) -> None:
    """It may even open something."""
    inside = OPEN + f"location /a/ {{ wonderful off; {PASSED} }}"
    assert routes(tmp_path, inside) == {"/a/*": True, "/*": False}


def test_a_script_is_not_in_a_path(tmp_path: Path) -> None:
    """It may have any length."""
    with pytest.raises(ConfigurationError, match="line 3: access_by_lua_block may refuse more: decide"):
        routes(tmp_path, f"access_by_lua_block {{ ngx.exit(403) }} {OPEN}")


def test_arguments_that_look_like_a_pattern_are_a_decision(tmp_path: Path) -> None:
    """Also where files alone are served, which would make up for a location ~ /\\.ht."""
    with pytest.raises(ConfigurationError, match=DECIDE):
        routes(tmp_path, r"wonderful ~ /\.ht; root /srv; location / { }")


@pytest.mark.parametrize("directive", HARMLESS)
def test_what_refuses_nobody_closes_nothing(tmp_path: Path, directive: str) -> None:
    """At any level."""
    assert routes(tmp_path, f"{directive}; {OPEN}" + A % directive, f"{directive};") == {"/a/*": False, "/*": False}


def test_what_is_translated_or_explained_judges_nobody() -> None:
    """But for what asks for more; a name in one of these tables is one that somebody has thought of."""
    judging = {name for name in ALWAYS | TRANSLATED | set(REASONS) if judges(name)}
    assert judging == {"auth_basic", "auth_request", "proxy_pass_request_body", "proxy_pass_request_headers"}


@pytest.mark.parametrize(
    ("server", "first", "app"),
    [
        ("auth_request /sso;", "auth_request off;", ""),
        ("auth_request /sso;", "", "auth_request off;"),
        ("deny all;", "allow all;", ""),
        ("deny all;", "", "allow all;"),
        ("", "deny all;", "allow all;"),
    ],
)
def test_both_locations_on_the_way_to_an_app_let_a_visitor_in(
    tmp_path: Path, server: str, first: str, app: str
) -> None:
    """nginx asks each of them; what one opens, the other has not opened."""
    inside = f"root /srv; {server} location / {{ {first} try_files $uri @app; }} location @app {{ {app} {PASSED} }}"
    (tmp_path / "nginx.conf").write_text(f"http {{ server {{ {TLS} ssl_verify_client on; {inside} }} }}")
    text = translate(tmp_path / "nginx.conf").text
    assert 'url = "static:/srv"' in text
    assert 'url = "http://127.0.0.1:8000"' not in text


def test_a_pattern_that_inherits_deny_is_closed(tmp_path: Path) -> None:
    """Its requests would go to a location that allows everyone."""
    inside = f"deny all; location / {{ allow all; {PASSED} }} location ~ ^/a/ {{ {PASSED} }}"
    assert routes(tmp_path, inside) == {"/a/*": True, "/*": False}


def test_a_password_in_place_of_a_certificate_is_replaced_by_it(tmp_path: Path) -> None:
    """And a note says so. Nobody has a certificate yet; where another server asks for one, somebody has."""
    tls = TLS.replace("ssl_client_certificate ca.crt;", "")
    for inside in (f"auth_basic Own; {OPEN}", f"location / {{ auth_basic Own; {PASSED} }}"):
        configuration, notes = translated(tmp_path, f"server {{ {tls} server_name a.example; {inside} }}")
        assert configuration.settings.routes == ()
        assert any("auth_basic Own: the certificate takes its place" in note for note in notes)
    other = f"server {{ {TLS} {CHECKED} server_name b.example; {OPEN} }}"
    with pytest.raises(ConfigurationError, match=DECIDE):
        translated(tmp_path, f"server {{ {tls} server_name a.example; auth_basic Own; {OPEN} }} {other}")
    with pytest.raises(ConfigurationError, match=DECIDE):
        translated(tmp_path, f"server {{ {tls} auth_request /sso; {OPEN} }}")
