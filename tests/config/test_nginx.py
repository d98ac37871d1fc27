"""Configurations of nginx, and what becomes of them."""

import re
from pathlib import Path

import pytest

from gatekeeper.config.load import load
from gatekeeper.config.nginx import translate
from gatekeeper.config.nginx_directives import ALWAYS, REASONS, TRANSLATED
from tests.config.translating import CHECKED, PASSED, TLS, translated

PAGE = (Path(__file__).parents[2] / "docs" / "from-nginx.md").read_text("utf-8")


def test_the_recipe_is_taken_over_whole(tmp_path: Path) -> None:
    """One server with a check, one app: no routes, and no comment."""
    configuration, notes = translated(
        tmp_path,
        f"server {{ {TLS} {CHECKED} ssl_crl ca.crl; ssl_protocols TLSv1.3; client_max_body_size 10m;"
        f" proxy_read_timeout 5m; location / {{ {PASSED} proxy_set_header Host $host; }} }}",
        "user www-data staff; worker_processes 2; events { worker_connections 512; }",
    )
    settings = configuration.settings
    assert notes == []
    assert [str(address) for address in settings.server.listen] == ["0.0.0.0:443"]
    assert (settings.server.user, settings.server.group, settings.server.workers) == ("www-data", "staff", 2)
    assert (settings.server.min_tls, settings.server.certificate.name) == ("1.3", "a.pem")
    assert [path.name for path in (*settings.client_auth.ca, *settings.client_auth.crl)] == ["ca.crt", "ca.crl"]
    assert [str(url) for url in settings.every_upstream["default"].endpoints] == ["http://127.0.0.1:8000"]
    assert settings.routes == ()
    assert (settings.limits.request_body, settings.limits.connections) == (10 << 20, 512)
    assert (settings.timeouts.response_header, settings.timeouts.tunnel_idle) == (300.0, 300.0)


def test_the_longest_location_comes_first(tmp_path: Path) -> None:
    """nginx takes the exact one, then the longest; routes are taken in their order."""
    where = {"/": 1, "= /health": 2, "/api/v1/": 3, "/api/": 4}
    inside = "".join(f"location {path} {{ proxy_pass http://127.0.0.1:{port}; }}" for path, port in where.items())
    settings = translated(tmp_path, f"server {{ {TLS} {CHECKED} {inside} }}")[0].settings
    assert [route.path for route in settings.routes] == ["/health", "/api/v1/*", "/api/*", "/*"]
    ports = {route.path: str(settings.every_upstream[route.upstream].url)[-1] for route in settings.routes}
    assert ports == {"/health": "2", "/api/v1/*": "3", "/api/*": "4", "/*": "1"}


def test_several_servers_become_hosts(tmp_path: Path) -> None:
    """Names without a pattern; a second certificate is a further one, the same certificate is none."""
    configuration, notes = translated(
        tmp_path,
        f"server {{ {TLS} {CHECKED} server_name a.example b.example; location / {{ {PASSED} }} }}"
        f"server {{ {TLS.replace('a.pem', 'c.pem')} {CHECKED} server_name c.example *.c.example;"
        " location / { proxy_pass http://unix:/run/c.sock; } }"
        f"server {{ {TLS} {CHECKED} server_name d.example; location / {{ {PASSED} }} }}",
    )
    settings = configuration.settings
    assert [(route.hosts, route.upstream) for route in settings.routes] == [
        (("a.example", "b.example"), "default"),
        (("c.example",), "app2"),
        (("d.example",), "default"),
    ]
    assert str(settings.upstreams["app2"].url) == "unix:/run/c.sock"
    assert any("wildcards and patterns cannot be hosts" in note for note in notes)
    assert [(one.certificate.name, one.key.name) for one in settings.server.certificates] == [("c.pem", "a.key")]


@pytest.mark.parametrize(("written", "offered"), [("", True), ("http2 on;", True), ("http2 off;", False)])
def test_http2_off_is_taken_over(tmp_path: Path, written: str, offered: bool) -> None:
    """It is on by default here."""
    more = f"{written} http2_max_concurrent_streams 128;"
    settings = translated(tmp_path, f"server {{ {TLS} {CHECKED} {more} location / {{ {PASSED} }} }}")[0].settings
    assert (settings.server.http2, settings.limits.http2_streams) == (offered, 128)


@pytest.mark.parametrize(
    ("server", "note"),
    [
        (f"{TLS} location / {{ {PASSED} }}", "asks for no certificate in nginx; here every visitor needs one"),
        (f"{TLS} ssl_verify_client optional; location / {{ {PASSED} }}", "nginx lets in everyone here"),
        (f"{TLS} {CHECKED} location ~ x {{ {PASSED} }}", "patterns cannot be paths of a route"),
        (f"{TLS} {CHECKED} location /x {{ {PASSED} }}", "takes /x and what is below it, but not /xsomething"),
        (f"{TLS} {CHECKED} location /a%20b/ {{ {PASSED} }}", "holds characters that no path of a route may have"),
        (f"{TLS} {CHECKED} location / {{ proxy_pass http://$x; }}", "variables cannot be in an address"),
        (f"{TLS} {CHECKED} location / {{ grpc_pass http://a; }}", "is no grpc or grpcs address"),
        (f"{TLS} {CHECKED} location / {{ proxy_pass grpc://a; }}", "is no http or https address"),
        (f"{TLS} {CHECKED} location /x/ {{ proxy_pass http://a/y/; }}", "replaces the path in nginx"),
        (f"{TLS} {CHECKED} location = /x {{ proxy_pass http://a/; }}", "replaces the path in nginx"),
        (f"{TLS} {CHECKED} location /x {{ proxy_pass http://a/; }}", "replaces the path in nginx"),
        (f"{TLS} {CHECKED} location /x/ {{ alias /srv/x; }}", "is not a folder for everything below the location"),
        (f"{TLS} {CHECKED} location = /x {{ alias /srv/x; }}", "is not a folder for everything below the location"),
        (f"{TLS} {CHECKED} location / {{ root html; }}", "nginx looks below its prefix, which nginx -V tells"),
        (f"{TLS} {CHECKED} location / {{ root /a; try_files $uri @app; }}", "an app answers the rest"),
        (f"{TLS} {CHECKED} location / {{ {PASSED} }} access_log logs/a.log;", "log.access takes an absolute path"),
        (f"{TLS} {CHECKED} location / {{ {PASSED} gzip_types a/b; }}", "keep nginx behind the gate"),
        (f"{TLS} ssl_verify_client optional_no_ca; location / {{ {PASSED} }}", "takes certificates of any authority"),
        (f"{TLS} {CHECKED} location / {{ fastcgi_pass a; }}", "leads nowhere that gatekeeper knows"),
        (f"{TLS} {CHECKED} location / {{ {PASSED} deny 10.0.0.1; }}", "so the route is closed"),
        (f"{TLS} {CHECKED} location / {{ {PASSED} if ($uri = /) {{ return 404; }} }}", "conditions are not taken over"),
        (f"{TLS} {CHECKED} location / {{ {PASSED} proxy_set_header Host $x; }}", "the app gets Host as the visitor"),
        (f"{TLS} {CHECKED} location / {{ {PASSED} proxy_set_header X-User me; }}", "see identity.headers"),
        (
            f"{TLS} {CHECKED} image_filter off; location / {{ {PASSED} }}",
            "image_filter off: gatekeeper has no counterpart",
        ),
    ],
)
def test_what_is_not_taken_over_is_said(tmp_path: Path, server: str, note: str) -> None:
    """At the end of the file, with its line; nobody is let in who was not before, and no rule is lost in silence."""
    configuration, notes = translated(tmp_path, f"server {{ {server} }}")
    assert any(note in one for one in notes), notes
    assert all(f"#   {one}\n" in (tmp_path / "gatekeeper.toml").read_text("utf-8") for one in notes)
    assert not any(route.public for route in configuration.settings.routes)


def test_a_long_directive_is_named_whole(tmp_path: Path) -> None:
    """A note holds every word that somebody has to carry over by hand."""
    words = "log_format own '$remote_addr $request_time $upstream_response_time $ssl_client_fingerprint'"
    _, notes = translated(tmp_path, f"{words}; server {{ {TLS} {CHECKED} location / {{ {PASSED} }} }}")
    (note,) = notes
    assert note.startswith("line 3: " + words.replace("'", ""))


def test_an_included_file_keeps_its_name_and_what_follows_keeps_its_own(tmp_path: Path) -> None:
    """The place of a note is where somebody has to look."""
    (tmp_path / "extra.conf").write_text("gzip on;\n")
    _, notes = translated(
        tmp_path, f"include extra.conf;\nserver {{ {TLS} {CHECKED} gzip off; location / {{ {PASSED} }} }}"
    )
    assert [note.partition(": gatekeeper")[0] for note in notes] == [
        f"{tmp_path}/extra.conf, line 1: gzip on",
        "line 4: gzip off",
    ]


def test_names_of_files_start_where_nginx_has_them_start(tmp_path: Path) -> None:
    """At the folder of nginx.conf, wherever gatekeeper.toml is written."""
    source = tmp_path / "etc" / "nginx"
    source.mkdir(parents=True)
    (source / "nginx.conf").write_text(
        f"http {{ server {{ {TLS} {CHECKED} ssl_crl lists/ca.crl; location / {{ proxy_pass https://app.internal;"
        " proxy_ssl_trusted_certificate app-ca.crt; proxy_ssl_verify on; } location /f/ { root html; } } }"
    )
    target = tmp_path / "gatekeeper.toml"
    target.write_text(translate(source / "nginx.conf").text)
    settings = load(target, {}).settings
    app, files = settings.every_upstream["default"], settings.upstreams["app2"]
    found = [settings.server.certificate, *settings.client_auth.ca, *settings.client_auth.crl, app.ca]
    assert found == [source / name for name in ("a.pem", "ca.crt", "lists/ca.crl", "app-ca.crt")]
    assert str(files.url) == f"static:{source}/html"


def test_depth_and_tickets_are_taken_over(tmp_path: Path) -> None:
    """Where they are written."""
    more = "ssl_verify_depth 2; ssl_session_tickets on;"
    configuration, notes = translated(tmp_path, f"server {{ {TLS} {CHECKED} {more} location / {{ {PASSED} }} }}")
    client_auth = configuration.settings.client_auth
    assert (client_auth.depth, client_auth.session_resumption) == (2, True)
    assert notes == []


@pytest.mark.parametrize(("target", "access"), [("/dev/stdout", "stdout"), ("/dev/stderr", "stderr"), ("off", "off")])
def test_where_the_log_goes_is_taken_over(tmp_path: Path, target: str, access: str) -> None:
    """The devices by which containers write it."""
    server = f"server {{ {TLS} {CHECKED} access_log {target}; location / {{ {PASSED} }} }}"
    assert translated(tmp_path, server)[0].settings.log.access == access


def test_what_is_taken_over_as_the_redirect_is_no_note(tmp_path: Path) -> None:
    """Nor is the map that everybody writes for WebSockets."""
    _, notes = translated(
        tmp_path,
        "map $http_upgrade $connection_upgrade { default upgrade; '' close; }"
        "server { listen 80; return 301 https://$host$request_uri; }"
        f"server {{ {TLS} {CHECKED} location / {{ {PASSED} }} }}",
    )
    assert notes == []


def test_values_cannot_leave_their_string(tmp_path: Path) -> None:
    """Quotes, backslashes, and what would be filled from the environment."""
    text = TLS.replace("a.pem", r"""'a"\ ${HOME}.pem'""")
    settings = translated(tmp_path, f"server {{ {text} {CHECKED} location / {{ {PASSED} }} }}")[0].settings
    assert settings.server.certificate.name == 'a"\\ ${HOME}.pem'


@pytest.mark.parametrize("name", sorted(ALWAYS | TRANSLATED | set(REASONS)))
def test_every_directive_has_a_line_in_the_documentation(name: str) -> None:
    """Those that are taken over, those that are not, and those that need not be."""
    assert re.search(rf"^\|.*`[^`]*\b{name}\b.*\|.*\|$", PAGE, re.MULTILINE), name


def test_servers_keep_their_authorities(tmp_path: Path) -> None:
    """Those of the first for all hosts, those of a further one on its names alone; every list of revocations counts."""
    one = "server {{ {} ssl_verify_client on; server_name {}; location / {{ {} }} {} }}"
    other = TLS.replace("ca.crt", "partners.crt")
    configuration, notes = translated(
        tmp_path,
        one.format(TLS, "a.example", PASSED, "ssl_crl ca.crl;")
        + one.format(other, "b.example c.example", PASSED, "ssl_crl partners.crl;")
        + one.format(TLS, "d.example", PASSED, "ssl_crl ca.crl;")
        + one.format(TLS.replace("ca.crt", "third.crt"), "e.example c.example", PASSED, ""),
    )
    client_auth = configuration.settings.client_auth
    assert [path.name for path in client_auth.ca] == ["ca.crt"]
    assert [path.name for path in client_auth.crl] == ["ca.crl", "partners.crl"]
    assert [(table.hosts, [path.name for path in table.ca]) for table in client_auth.hosts] == [
        (("b.example", "c.example"), ["partners.crt"]),
        (("e.example",), ["third.crt"]),
    ]
    (about,) = [note for note in notes if "ssl_crl" in note]
    assert "server: has no ssl_crl, unlike others; here its visitors are refused until client_auth.crl has" in about


def test_the_strictest_server_decides_where_there_is_one_setting(tmp_path: Path) -> None:
    """The depth of chains, and whether responders are asked."""
    one = "server {{ {} {} server_name {}; {} location / {{ {} }} }}"
    first = one.format(TLS, CHECKED, "a.example", "ssl_verify_depth 4;", PASSED)
    second = one.format(TLS, CHECKED, "b.example", "ssl_verify_depth 2; ssl_ocsp on;", PASSED)
    client_auth = translated(tmp_path, first + second)[0].settings.client_auth
    assert (client_auth.depth, client_auth.ocsp) == (2, "leaf")


def test_a_socket_for_both_kinds_of_address_becomes_two(tmp_path: Path) -> None:
    """Of IPv6 alone, visitors by IPv4 would find nobody."""
    tls = TLS.replace("listen 443 ssl;", "listen [::]:443 ssl ipv6only=off;")
    configuration, notes = translated(tmp_path, f"server {{ {tls} {CHECKED} location / {{ {PASSED} }} }}")
    assert [str(address) for address in configuration.settings.server.listen] == ["0.0.0.0:443", "[::]:443"]
    assert notes == []


def test_parameters_of_a_program_are_one_note(tmp_path: Path) -> None:
    """Often twenty lines of an included file."""
    inside = "fastcgi_pass a; fastcgi_param A b; fastcgi_param C d; fastcgi_param E f;"
    _, notes = translated(tmp_path, f"server {{ {TLS} {CHECKED} location / {{ {inside} }} }}")
    assert [note for note in notes if "fastcgi_param" in note] == [
        "line 3: fastcgi_param A b: gatekeeper speaks HTTP to apps; 2 more lines of this name"
    ]
