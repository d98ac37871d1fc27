"""Configurations of nginx, and what becomes of them."""

import re
from pathlib import Path

import pytest

from gatekeeper.config.load import Configuration, load
from gatekeeper.config.nginx import translate
from gatekeeper.config.nginx_directives import REASONS, TRANSLATED
from gatekeeper.errors import UsageError

PAGE = (Path(__file__).parents[2] / "docs" / "from-nginx.md").read_text("utf-8")
TLS = "listen 443 ssl; ssl_certificate a.pem; ssl_certificate_key a.key; ssl_client_certificate ca.crt;"
CHECKED = "ssl_verify_client optional; if ($ssl_client_verify != SUCCESS) { return 403; }"
PASSED = "proxy_pass http://127.0.0.1:8000;"


def translated(folder: Path, http: str, main: str = "") -> tuple[Configuration, list[str]]:
    """What the configuration loads as, and what was not taken over."""
    source = folder / "nginx.conf"
    source.write_text(f"{main}\nhttp {{\n{http}\n}}\n")
    translation = translate(source)
    target = folder / "gatekeeper.toml"
    target.write_text(translation.text, "utf-8")
    return load(target, {}), list(translation.notes)


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


@pytest.mark.parametrize(("written", "buffers"), [("", False), ("off", False), ("on", True)])
def test_buffering_of_requests_is_taken_over_where_it_is_written(tmp_path: Path, written: str, buffers: bool) -> None:
    """nginx does it by default, but an app that needs it is the exception."""
    line = f"proxy_request_buffering {written};" if written else ""
    configuration, notes = translated(tmp_path, f"server {{ {TLS} {CHECKED} location / {{ {PASSED} {line} }} }}")
    assert configuration.settings.every_upstream["default"].request_buffering is buffers
    assert notes == []


@pytest.mark.parametrize(
    ("protocols", "versions"),
    [("TLSv1.3", ("1.3", "1.3")), ("TLSv1.2 TLSv1.3", ("1.2", "1.3")), ("TLSv1.1 TLSv1.2", ("1.2", "1.2"))],
)
def test_versions_of_tls_are_taken_over(tmp_path: Path, protocols: str, versions: tuple[str, str]) -> None:
    """Older ones than 1.2 are left out."""
    server = f"server {{ {TLS} {CHECKED} ssl_protocols {protocols}; location / {{ {PASSED} }} }}"
    settings = translated(tmp_path, server)[0].settings.server
    assert (settings.min_tls, settings.max_tls) == versions


@pytest.mark.parametrize(
    ("directives", "keys"),
    [
        ("ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:!aNULL;", {"ciphers": "ECDHE-RSA-AES128-GCM-SHA256:!aNULL"}),
        ("ssl_ciphers 'ECDHE+AESGCM ECDHE+CHACHA20';", {"ciphers": "ECDHE+AESGCM:ECDHE+CHACHA20"}),
        ("ssl_ciphers HIGH:!aNULL:!MD5;", {}),
        ("ssl_protocols TLSv1.3; ssl_ciphers ECDHE+AESGCM;", {}),
        ("ssl_ecdh_curve auto;", {}),
        ("ssl_ecdh_curve X25519:prime256v1;", {"groups": "X25519:prime256v1"}),
        ("ssl_conf_command Groups X25519; ssl_ecdh_curve P-384;", {"groups": "X25519"}),
        ("ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;", {"ciphersuites": "TLS_AES_128_GCM_SHA256"}),
        ("ssl_protocols TLSv1.2; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;", {}),
    ],
)
def test_suites_and_groups_are_taken_over(tmp_path: Path, directives: str, keys: dict[str, str]) -> None:
    """What nginx takes by itself becomes the gate's default; suites of a version that is off mean nothing."""
    configuration, notes = translated(tmp_path, f"server {{ {TLS} {CHECKED} {directives} location / {{ {PASSED} }} }}")
    server = configuration.settings.server
    found = {key: ":".join(getattr(server, key)) for key in ("ciphers", "ciphersuites", "groups")}
    assert {key: value for key, value in found.items() if value} == keys
    assert notes == []


def test_suites_that_cannot_be_had_are_said(tmp_path: Path) -> None:
    """nginx passes over what OpenSSL does not know, and lowers the security level."""
    more = "ssl_ciphers ECDHE+AESGCM:RC4-SHA:@SECLEVEL=0; ssl_conf_command Options PrioritizeChaCha;"
    configuration, notes = translated(tmp_path, f"server {{ {TLS} {CHECKED} {more} location / {{ {PASSED} }} }}")
    assert configuration.settings.server.ciphers == ("ECDHE+AESGCM",)
    assert [note.rpartition(": ")[2] for note in notes] == [
        "this OpenSSL has no such suite",
        "the security level stays 2, for visitors' certificates too",
        "gatekeeper has no counterpart",
    ]


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


def test_an_upstream_keeps_its_name_and_members(tmp_path: Path) -> None:
    """Without those that are down; what a weight means is said."""
    configuration, notes = translated(
        tmp_path,
        "upstream first { server 127.0.0.1:1; } "
        "upstream pool { least_conn; server 10.0.0.1:80 weight=2; server 10.0.0.2:80; server 10.0.0.3:80 down; }"
        f"server {{ {TLS} {CHECKED} location / {{ proxy_pass http://first; }}"
        " location /p/ { proxy_pass http://pool; } }",
    )
    endpoints = configuration.settings.upstreams["pool"].endpoints
    assert [str(url) for url in endpoints] == ["http://10.0.0.1:80", "http://10.0.0.2:80"]
    assert notes == [
        "line 3: server 10.0.0.1:80 weight=2: weight=2: requests go to the endpoint with the fewest requests"
    ]


def test_an_app_behind_tls_is_verified(tmp_path: Path) -> None:
    """nginx verifies only if it is told to; that the gate always does is said."""
    configuration, notes = translated(
        tmp_path,
        f"server {{ {TLS} {CHECKED} location / {{ proxy_pass https://app.internal; proxy_ssl_name app;"
        " proxy_ssl_trusted_certificate app-ca.crt; } }",
    )
    app = configuration.settings.every_upstream["default"]
    assert (str(app.url), app.server_name) == ("https://app.internal:443", "app")
    assert app.ca is not None
    assert app.ca.name == "app-ca.crt"
    assert not app.unsafe_skip_verify
    assert notes == ["line 3: location /: nginx takes any certificate of the app; gatekeeper verifies it"]


@pytest.mark.parametrize(
    ("inside", "url"),
    [
        ("grpc_pass 127.0.0.1:50051;", "h2c://127.0.0.1:50051"),
        ("grpc_pass grpc://127.0.0.1:50051;", "h2c://127.0.0.1:50051"),
        ("grpc_pass grpcs://app.internal;", "h2://app.internal:443"),
        ("grpc_pass grpc://pool;", "h2c://10.0.0.1:50051"),
        ("proxy_pass http://127.0.0.1:8000; proxy_http_version 2;", "h2c://127.0.0.1:8000"),
        ("proxy_pass https://app.internal; proxy_http_version 2;", "h2://app.internal:443"),
        ("proxy_pass https://app.internal; proxy_http_version 1.1;", "https://app.internal:443"),
    ],
)
def test_an_app_that_speaks_http2(tmp_path: Path, inside: str, url: str) -> None:
    """grpc_pass, and proxy_pass with version 2: prior knowledge without TLS, ALPN with it."""
    group = "upstream pool { server 10.0.0.1:50051; }"
    configuration, _ = translated(tmp_path, f"{group} server {{ {TLS} {CHECKED} location / {{ {inside} }} }}")
    assert str(configuration.settings.every_upstream["default"].url) == url


def test_the_keys_of_grpc_are_those_of_proxy(tmp_path: Path) -> None:
    """Verification, timeouts; a Unix socket is said, for nothing speaks HTTP/2 there."""
    configuration, notes = translated(
        tmp_path,
        f"server {{ {TLS} {CHECKED} location / {{ grpc_pass grpcs://app.internal; grpc_ssl_name app;"
        " grpc_ssl_trusted_certificate app-ca.crt; grpc_ssl_verify on; grpc_read_timeout 10m; grpc_send_timeout 20m;"
        " grpc_connect_timeout 9s; grpc_set_header Host $host; }"
        " location /u/ { grpc_pass unix:/run/a.sock; } }",
    )
    settings = configuration.settings
    app = settings.every_upstream["default"]
    assert app.server_name == "app"
    assert app.ca is not None
    assert app.ca.name == "app-ca.crt"
    times = settings.timeouts
    assert (times.response_header, times.stream_idle, times.connect) == (600.0, 1200.0, 9.0)
    assert len(notes) == 1
    assert "apps at a Unix socket are spoken to in HTTP/1.1" in notes[0]


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
        (f"{TLS} {CHECKED} location /x/ {{ proxy_pass http://a/; }}", "replaces the path in nginx"),
        (f"{TLS} {CHECKED} location / {{ fastcgi_pass a; }}", "leads nowhere that gatekeeper knows"),
        (f"{TLS} {CHECKED} location / {{ {PASSED} deny 10.0.0.1; }}", "closed to all but this machine"),
        (f"{TLS} {CHECKED} location / {{ {PASSED} if ($uri = /) {{ return 404; }} }}", "conditions are not taken over"),
        (f"{TLS} {CHECKED} location / {{ {PASSED} proxy_set_header Host x; }}", "the app gets Host as the visitor"),
        (f"{TLS} {CHECKED} location / {{ {PASSED} proxy_set_header X-User me; }}", "see identity.headers"),
        (f"{TLS} {CHECKED} wonderful on; location / {{ {PASSED} }}", "wonderful on: gatekeeper has no counterpart"),
    ],
)
def test_what_is_not_taken_over_is_said(tmp_path: Path, server: str, note: str) -> None:
    """At the end of the file, with its line; nobody is let in who was not before, and no rule is lost in silence."""
    configuration, notes = translated(tmp_path, f"server {{ {server} }}")
    assert any(note in one for one in notes), notes
    assert all(f"#   {one}\n" in (tmp_path / "gatekeeper.toml").read_text("utf-8") for one in notes)
    assert not any(route.public for route in configuration.settings.routes)


@pytest.mark.parametrize(
    ("rules", "networks"),
    [
        ("allow 192.168.0.0/16; allow fd00::/8; deny all;", ["192.168.0.0/16", "fd00::/8"]),
        ("allow 192.168.1.7; deny all;", ["192.168.1.7/32"]),
        ("allow 192.168.0.0/16;", []),
        ("allow all;", []),
        ("deny 10.0.0.1; allow 10.0.0.0/8; deny all;", ["127.0.0.1/32", "::1/128"]),
        ("allow unix:; deny all;", ["127.0.0.1/32", "::1/128"]),
        ("deny all;", ["127.0.0.1/32", "::1/128"]),
    ],
)
def test_addresses_are_taken_over(tmp_path: Path, rules: str, networks: list[str]) -> None:
    """Of the location, or of the server around it; what cannot be said leaves the route closed."""
    for server in (f"location / {{ {PASSED} {rules} }}", f"{rules} location / {{ {PASSED} }}"):
        configuration, _ = translated(tmp_path, f"server {{ {TLS} {CHECKED} {server} }}")
        routes = configuration.settings.routes
        assert [str(one) for route in routes for one in route.allow_from] == networks
        (tmp_path / "gatekeeper.toml").unlink()


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


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("http {", 'unexpected end of file, expecting "}"'),
        ("http { server { listen 80; } }", "has no server with ssl_certificate"),
        ("listen 443;", "has no server with ssl_certificate"),
        (None, "No such file or directory"),
    ],
)
def test_what_is_no_such_configuration_is_refused(tmp_path: Path, text: str | None, sentence: str) -> None:
    """In one sentence."""
    path = tmp_path / "nginx.conf"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=re.escape(sentence)):
        translate(path)


def test_values_cannot_leave_their_string(tmp_path: Path) -> None:
    """Quotes, backslashes, and what would be filled from the environment."""
    text = TLS.replace("a.pem", r"""'a"\ ${HOME}.pem'""")
    settings = translated(tmp_path, f"server {{ {text} {CHECKED} location / {{ {PASSED} }} }}")[0].settings
    assert settings.server.certificate.name == 'a"\\ ${HOME}.pem'


@pytest.mark.parametrize("name", sorted(TRANSLATED | set(REASONS)))
def test_every_directive_has_a_line_in_the_documentation(name: str) -> None:
    """Those that are taken over, and those that are not."""
    assert re.search(rf"^\|.*`[^`]*\b{name}\b.*\|.*\|$", PAGE, re.MULTILINE), name


def test_a_server_that_only_sends_to_https_becomes_the_redirect(tmp_path: Path) -> None:
    """Also within a location; one that does anything else is said, as before."""
    gate = f"server {{ {TLS} {CHECKED} location / {{ {PASSED} }} }}"
    plain = "server {{ listen 80; listen [::]:80; {} }}"
    send = "return 301 https://$host$request_uri;"
    for inside in (send, f"location / {{ {send} }}"):
        configuration, notes = translated(tmp_path, gate + plain.format(inside))
        assert [str(address) for address in configuration.settings.server.redirect] == ["0.0.0.0:80", "[::]:80"]
        assert not any("without TLS" in note for note in notes)
    for inside in (f"{send} location /x {{ {PASSED} }}", "return 404;", ""):
        configuration, notes = translated(tmp_path, gate + plain.format(inside))
        assert configuration.settings.server.redirect == ()
        assert any("a server without TLS is not taken over" in note for note in notes)
