"""Locations and upstreams of nginx, and the apps that they become."""

from pathlib import Path

import pytest

from tests.config.translating import CHECKED, PASSED, TLS, translated


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
    assert len(notes) == 2
    assert "apps at a Unix socket are spoken to in HTTP/1.1" in notes[0]
    assert "grpc_read_timeout 10m: timeouts.stream_idle is one timer" in notes[1]


def test_a_path_that_nginx_takes_off_is_stripped(tmp_path: Path) -> None:
    """Where proxy_pass ends in a slash as the location does; alias is the same for a folder."""
    configuration, notes = translated(
        tmp_path,
        f"server {{ {TLS} {CHECKED} location /photos/ {{ proxy_pass http://a/; }}"
        " location ^~ /sock/ { proxy_pass http://unix:/run/a.sock:/; } location /same/ { proxy_pass http://a/same/; }"
        " location /files/ { alias /srv/f/; } location / { proxy_pass http://b/; } }",
    )
    settings = configuration.settings
    found = [(one.path, one.strip_prefix, str(settings.every_upstream[one.upstream].url)) for one in settings.routes]
    assert sorted(found) == [
        ("/*", False, "http://b:80"),
        ("/files/*", True, "static:/srv/f"),
        ("/photos/*", True, "http://a:80"),
        ("/same/*", False, "http://a:80"),
        ("/sock/*", True, "unix:/run/a.sock"),
    ]
    assert notes == []


@pytest.mark.parametrize(
    ("inside", "fallback"),
    [
        ("root /srv/w; try_files $uri $uri/ /index.html;", "index.html"),
        ("root /srv/w; try_files $uri /app/index.html;", "app/index.html"),
        ("root /srv/w; try_files $uri $uri/ =404;", ""),
        ("root /srv/w;", ""),
        ("alias /srv/w/; try_files $uri /app/index.html;", "index.html"),
    ],
)
def test_a_single_page_application_keeps_its_fallback(tmp_path: Path, inside: str, fallback: str) -> None:
    """The file behind the address that nginx would ask itself for."""
    configuration, notes = translated(tmp_path, f"server {{ {TLS} {CHECKED} location /app/ {{ {inside} }} }}")
    assert configuration.settings.every_upstream["default"].fallback == fallback
    assert notes == []


def test_servers_in_reserve_are_left_out(tmp_path: Path) -> None:
    """They would get requests all the time; alone, they are no reserve."""
    group = "upstream pool {{ server 10.0.0.1:80{}; server 10.0.0.2:80 backup; }}"
    server = f"server {{ {TLS} {CHECKED} location / {{ proxy_pass http://pool; }} }}"
    configuration, notes = translated(tmp_path, group.format("") + server)
    assert [str(url) for url in configuration.settings.every_upstream["default"].endpoints] == ["http://10.0.0.1:80"]
    assert [note.partition(": is left out: ")[0] for note in notes] == ["line 3: server 10.0.0.2:80 backup"]
    (tmp_path / "gatekeeper.toml").unlink()
    configuration, notes = translated(tmp_path, group.format(" down") + server)
    assert [str(url) for url in configuration.settings.every_upstream["default"].endpoints] == ["http://10.0.0.2:80"]
    assert notes == []


@pytest.mark.parametrize(
    ("value", "host"),
    [("$host", "visitor"), ("$http_host", "visitor"), ("$proxy_host", "upstream"), ("app.internal", "app.internal")],
)
def test_the_host_that_an_app_gets_is_taken_over(tmp_path: Path, value: str, host: str) -> None:
    """Where it is written."""
    server = f"server {{ {TLS} {CHECKED} location / {{ {PASSED} proxy_set_header Host {value}; }} }}"
    configuration, notes = translated(tmp_path, server)
    assert configuration.settings.every_upstream["default"].host == host
    assert notes == []


def test_locations_with_another_host_are_an_app_of_their_own(tmp_path: Path) -> None:
    """One address can hold several sites; nothing of the second location is taken for the first."""
    inside = "".join(
        f"location {path} {{ {PASSED} proxy_set_header Host {host}; {more} }}"
        for path, host, more in (
            ("/", "$host", ""),
            ("/a/", "a.internal", ""),
            ("/b/", "a.internal", "proxy_request_buffering on;"),
            ("/c/", "a.internal", ""),
        )
    )
    configuration, notes = translated(tmp_path, f"server {{ {TLS} {CHECKED} {inside} }}")
    settings = configuration.settings
    found = {route.path: settings.every_upstream[route.upstream] for route in settings.routes}
    assert {path: (app.host, app.request_buffering) for path, app in found.items()} == {
        "/*": ("visitor", False),
        "/a/*": ("a.internal", False),
        "/b/*": ("a.internal", True),
        "/c/*": ("a.internal", False),
    }
    assert len(settings.every_upstream) == 3
    assert notes == []


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("http://app.internal", "upstream"),
        ("https://app.internal:8443", "upstream"),
        ("http://127.0.0.1:8000", "visitor"),
        ("http://[::1]:8000", "visitor"),
        ("http://app:8000", "visitor"),
        ("http://unix:/run/app.sock", "visitor"),
    ],
)
def test_without_a_host_a_name_keeps_what_nginx_sends(tmp_path: Path, target: str, host: str) -> None:
    """nginx sends $proxy_host then. A site may be meant by its name; an app beside the gate wants the visitor's."""
    configuration, _ = translated(tmp_path, f"server {{ {TLS} {CHECKED} location / {{ proxy_pass {target}; }} }}")
    assert configuration.settings.every_upstream["default"].host == host


@pytest.mark.parametrize(
    ("rules", "networks"),
    [
        ("allow 192.168.0.0/16; allow fd00::/8; deny all;", ["192.168.0.0/16", "fd00::/8"]),
        ("allow 192.168.1.7; deny all;", ["192.168.1.7/32"]),
        ("allow 192.168.0.0/16;", []),
        ("allow all;", []),
        ("deny 10.0.0.1; allow 10.0.0.0/8; deny all;", ["0.0.0.0/32"]),
        ("allow unix:; deny all;", ["0.0.0.0/32"]),
        ("deny all;", ["0.0.0.0/32"]),
    ],
)
def test_addresses_are_taken_over(tmp_path: Path, rules: str, networks: list[str]) -> None:
    """Of the location, or of the server around it; what cannot be said leaves the route closed."""
    for server in (f"location / {{ {PASSED} {rules} }}", f"{rules} location / {{ {PASSED} }}"):
        configuration, _ = translated(tmp_path, f"server {{ {TLS} {CHECKED} {server} }}")
        routes = configuration.settings.routes
        assert [str(one) for route in routes for one in route.allow_from] == networks
        (tmp_path / "gatekeeper.toml").unlink()


@pytest.mark.parametrize(("written", "buffers"), [("", False), ("off", False), ("on", True)])
def test_buffering_of_requests_is_taken_over_where_it_is_written(tmp_path: Path, written: str, buffers: bool) -> None:
    """nginx does it by default, but an app that needs it is the exception."""
    line = f"proxy_request_buffering {written};" if written else ""
    configuration, notes = translated(tmp_path, f"server {{ {TLS} {CHECKED} location / {{ {PASSED} {line} }} }}")
    assert configuration.settings.every_upstream["default"].request_buffering is buffers
    assert notes == []
