"""Locations of nginx that refuse, and the routes that they become: nobody gets more access than in nginx."""

from pathlib import Path

import pytest

from gatekeeper.config.load import load
from gatekeeper.config.nginx import translate
from gatekeeper.errors import ConfigurationError
from tests.config.translating import PASSED, TLS, translated

OPEN = f"location / {{ {PASSED} }}"
NOBODY = "0.0.0.0/32"


def routes(folder: Path, inside: str, http: str = "") -> dict[str, bool]:
    """The paths of the routes, and whether each is closed to everyone."""
    found = translated(folder, f"{http} server {{ {TLS} ssl_verify_client on; {inside} }}")[0].settings.routes
    return {one.path: [str(network) for network in one.allow_from or ()] == [NOBODY] for one in found}


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("location /a/ { deny all; }", "/a/*"),
        (f"location /a/ {{ {PASSED} deny all; }}", "/a/*"),
        ("location = /a { deny all; }", "/a"),
        ("location /a/ { return 404; }", "/a/*"),
        ("location = /a { return 403; }", "/a"),
        (f"location /a/ {{ {PASSED} return 444; }}", "/a/*"),
        ("location /a/ { return 301 /b; }", "/a/*"),
        (f"location /a/ {{ internal; {PASSED} }}", "/a/*"),
        ("location /a/ { internal; alias /srv/a/; }", "/a/*"),
        (f"location /a/ {{ if ($ssl_client_s_dn !~ alice) {{ return 403; }} {PASSED} }}", "/a/*"),
        (f"location /a/ {{ if ($http_user_agent ~ bot) {{ return 444; }} {PASSED} }}", "/a/*"),
        (f"location /a/ {{ if ($cookie_session = '') {{ return 302 /login; }} {PASSED} }}", "/a/*"),
        (f"location /a/ {{ if ($cookie_session = '') {{ rewrite ^ /login redirect; }} {PASSED} }}", "/a/*"),
        (f"location /a/ {{ if ($http_x ~ bot) {{ rewrite ^ /other last; }} {PASSED} }}", "/a/*"),
        (f"location /a/ {{ if ($http_x) {{ return 200 nothing; }} {PASSED} }}", "/a/*"),
        (f"location /a/ {{ if ($request_method = POST) {{ proxy_pass http://127.0.0.1:1; }} {PASSED} }}", "/a/*"),
        (f"location /a/ {{ if ($host = a.example) {{ rewrite ^ /other last; }} {PASSED} }}", "/a/*"),
        (f"location /a/ {{ if ($host = a.example) {{ return 302 /login; }} {PASSED} }}", "/a/*"),
        (f"location /a/ {{ if ($host = a.example) {{ return 200; }} {PASSED} }}", "/a/*"),
        (f"location /a/ {{ if ($http_x) {{ access_by_lua_file /x; }} {PASSED} }}", "/a/*"),
        (f"location /a/ {{ valid_referers none; if ($invalid_referer) {{ return 403; }} {PASSED} }}", "/a/*"),
        (f"location /a/ {{ auth_basic own; auth_basic_user_file f; {PASSED} }}", "/a/*"),
        (f"location /a/ {{ auth_request /b; {PASSED} }}", "/a/*"),
        (f"location /a/ {{ {PASSED} deny 10.0.0.1; }}", "/a/*"),
        (f"location /a/ {{ {PASSED} satisfy any; deny all; }}", "/a/*"),
        ("location /a/ { fastcgi_pass unix:/run/a.sock; }", "/a/*"),
        ("location /a/ { stub_status; root /srv; }", "/a/*"),
        ("location /a/ { root /srv; try_files /index.html =404; }", "/a/*"),
        ("location /a/ { alias /srv/a; }", "/a/*"),
        ("location /a/ { proxy_pass http://$b; }", "/a/*"),
        ("location ~ ^/a/ { deny all; }", "/a/*"),
        ("location ~ ^/a/ { return 302 /login; }", "/a/*"),
        ("location ~ ^/a/ { proxy_pass http://127.0.0.1:1; }", "/a/*"),
        (f"location ~ ^/a/ {{ if ($cookie_session = '') {{ return 302 /login; }} {PASSED} }}", "/a/*"),
        ("location ~* ^/a/ { deny all; }", "/a/*"),
        ("location ~*^/a/ { deny all; }", "/a/*"),
        ("location ~ ^/a(/|$) { return 404; }", "/a/*"),
        ("location ~ ^/a/.* { internal; }", "/a/*"),
        ("location ~ ^/a$ { deny all; }", "/a"),
        (f"location ~ ^/a/ {{ allow 10.0.0.0/8; deny all; {PASSED} }}", "/a/*"),
        (f"location ~ ^/a/ {{ auth_basic own; {PASSED} }}", "/a/*"),
    ],
)
def test_what_nginx_refuses_is_a_closed_route(tmp_path: Path, location: str, path: str) -> None:
    """Without it, the wider location would take the requests to the app."""
    assert routes(tmp_path, OPEN + location) == {path: True, "/*": False}


@pytest.mark.parametrize(
    "location",
    [
        f"location /a/ {{ if ($ssl_client_verify != SUCCESS) {{ return 403; }} {PASSED} }}",
        f"location /a/ {{ if ($ssl_client_verify = NONE) {{ return 403; }} {PASSED} }}",
        f"location /a/ {{ if ($host = a.example) {{ rewrite ^ https://b.example/ permanent; }} {PASSED} }}",
        f"location /a/ {{ if ($scheme = http) {{ return 301 https://$host/; }} {PASSED} }}",
        f"location /a/ {{ if ($host != a.example) {{ return 301 https://a.example/; }} {PASSED} }}",
        f"location /a/ {{ if ($request_method = OPTIONS) {{ add_header A b; return 204; }} {PASSED} }}",
        f"location /a/ {{ if ($http_x) {{ set $a b; expires 1d; }} {PASSED} }}",
        "location /a/ { root /srv; if (!-e $request_filename) { return 404; } }",
        f"location /a/ {{ auth_basic off; {PASSED} }}",
        "location /a/ { root /srv; try_files $uri =404; }",
        f"location /a/ {{ root /srv; try_files $uri @b; }} location @b {{ {PASSED} }}",
    ],
)
def test_what_the_gate_refuses_anyway_closes_nothing(tmp_path: Path, location: str) -> None:
    """Visitors without a certificate, files that are missing; a redirect refuses nobody."""
    assert routes(tmp_path, OPEN + location) == {"/a/*": False, "/*": False}


@pytest.mark.parametrize(
    "location",
    [
        "location ~ /\\. { deny all; }",
        "location ~ \\.(bak|sql)$ { return 404; }",
        "location ~ ^/a { deny all; }",
        f"location ~ ^/(?!public) {{ internal; {PASSED} }}",
        "location /a%20b/ { deny all; }",
        "location /a { deny all; }",
        "location /.env { return 404; }",
        f"location /a {{ allow 10.0.0.0/8; deny all; {PASSED} }}",
        f"location /a {{ limit_except GET {{ deny all; }} {PASSED} }}",
        f"location /b/ {{ {PASSED} location ~ \\.key$ {{ deny all; }} }}",
    ],
)
def test_what_no_route_can_refuse_keeps_the_file_from_being_loaded(tmp_path: Path, location: str) -> None:
    """Until a person has decided; the error names the location. Also for /a, which in nginx refuses /ab."""
    with pytest.raises(ConfigurationError) as refused:
        routes(tmp_path, OPEN + location)
    words = location.rpartition("location ")[2].partition(" {")[0]
    assert f"nginx.conf, line 3: location {words} refuses" in str(refused.value)


@pytest.mark.parametrize("inside", ["return 302 /login;", "proxy_pass http://127.0.0.1:1;"])
def test_what_a_pattern_leads_elsewhere_is_a_decision(tmp_path: Path, inside: str) -> None:
    """The app of the other location gets none of these requests in nginx. One that leads to the same app is a note."""
    with pytest.raises(ConfigurationError, match=r"line 3: location ~ \^/a leads elsewhere: decide"):
        routes(tmp_path, f"{OPEN} location ~ ^/a {{ {inside} }}")
    (tmp_path / "gatekeeper.toml").unlink()
    assert routes(tmp_path, f"{OPEN} location ~ ^/a {{ {PASSED} expires 1d; }}") == {}


def test_a_beginning_that_is_refused_alone_needs_no_decision(tmp_path: Path) -> None:
    """Nothing else takes /ab; a folder has no names that begin with a dot; and where all is closed, all is."""
    assert routes(tmp_path, "location /a { deny all; }") == {"/a/*": True}
    (tmp_path / "gatekeeper.toml").unlink()
    files = "root /srv; location / { } location ~ /\\.ht { deny all; } location /.git { deny all; }"
    assert routes(tmp_path, files) == {"/.git/*": True, "/*": False}
    (tmp_path / "gatekeeper.toml").unlink()
    assert routes(tmp_path, "return 444; location / { } location ~ /\\. { deny all; }") == {"/*": True}


def test_a_pattern_that_refuses_wins_over_a_longer_location(tmp_path: Path) -> None:
    """As in nginx, where regular expressions win over prefixes; what is then never reached is left out."""
    inside = f"location /a/longer/ {{ {PASSED} }} location ~ ^/a/ {{ deny all; }}"
    assert routes(tmp_path, OPEN + inside) == {"/a/*": True, "/*": False}


def test_methods_that_nginx_refuses_find_a_closed_route(tmp_path: Path) -> None:
    """A route with methods lets others fall to the next one."""
    inside = f"location /a/ {{ limit_except GET POST {{ deny all; }} {PASSED} }}"
    found = translated(tmp_path, f"server {{ {TLS} ssl_verify_client on; {OPEN} {inside} }}")[0].settings.routes
    assert [(one.path, one.methods, [str(network) for network in one.allow_from or ()]) for one in found] == [
        ("/a/*", ("GET", "POST"), []),
        ("/a/*", (), [NOBODY]),
        ("/*", (), []),
    ]


def test_nested_locations_are_closed(tmp_path: Path) -> None:
    """At any depth: the outer one would take their requests."""
    inside = f"location /a/ {{ {PASSED} location /a/b/ {{ {PASSED} location = /a/b/c {{ {PASSED} }} }} }}"
    assert routes(tmp_path, OPEN + inside) == {"/a/b/c": True, "/a/b/*": True, "/a/*": False, "/*": False}


@pytest.mark.parametrize(
    "closing",
    [
        "return 444;",
        "return 301 https://a.example/;",
        "if ($http_x = y) { return 403; }",
        "if ($http_x = y) { return 302 /login; }",
        "if ($http_x = y) { rewrite ^ /login redirect; }",
        "deny 10.0.0.1;",
    ],
)
def test_what_a_server_refuses_closes_all_its_routes(tmp_path: Path, closing: str) -> None:
    """Also those that it has by its own root alone."""
    assert routes(tmp_path, f"{closing} location /a/ {{ {PASSED} }} {OPEN}") == {"/a/*": True, "/*": True}
    (tmp_path / "gatekeeper.toml").unlink()
    assert routes(tmp_path, f"root /srv; {closing}") == {"/*": True}


@pytest.mark.parametrize("inside", ["return 444;", "", "location @a { return 404; }"])
def test_a_server_that_leads_nowhere_lets_nobody_in(tmp_path: Path, inside: str) -> None:
    """Without a route, every verified visitor would reach [upstream]."""
    assert routes(tmp_path, inside) == {"/*": True}


def test_servers_without_a_name_let_nobody_in(tmp_path: Path) -> None:
    """Several of them, which no host can tell apart."""
    other = f"server {{ {TLS} ssl_verify_client on; server_name _; {OPEN} }}"
    assert routes(tmp_path, f"server_name *.example.com; {OPEN}", other) == {"/*": True}


def test_addresses_that_a_header_tells_close_the_route(tmp_path: Path) -> None:
    """allow_from is about the connection, which comes from the load balancer: everyone would be in its network."""
    rules = "set_real_ip_from 10.0.0.1; allow 10.0.0.0/8; deny all;"
    assert routes(tmp_path, rules + OPEN) == {"/*": True}


@pytest.mark.parametrize("passed", ["fastcgi_pass", "uwsgi_pass", "scgi_pass", "proxy_pass http://127.0.0.1:9;#"])
def test_source_of_programs_is_not_served(tmp_path: Path, passed: str) -> None:
    """As of Nextcloud with php-fpm, whose folder holds the password of its database."""
    inside = f"""root /var/www; location / {{ try_files $uri $uri/ /index.php$request_uri; }}
        location ~ ^/(?:build|data)(?:$|/) {{ return 404; }} location ^~ /assets/ {{ alias /srv/assets/; }}
        location ~ \\.php(?:$|/) {{ {passed} unix:/run/php.sock;
        }}"""
    assert routes(tmp_path, inside) == {"/build/*": True, "/data/*": True, "/assets/*": True, "/*": True}
    assert '"static:' not in (tmp_path / "gatekeeper.toml").read_text("utf-8")


def test_a_route_that_refuses_all_is_told_from_a_file_that_is_not_loaded(tmp_path: Path) -> None:
    """Every decision stands at the top of the routes, and in the notes."""
    source = tmp_path / "nginx.conf"
    source.write_text(f"http {{ server {{ {TLS} ssl_verify_client on; {OPEN} location ~ \\.key$ {{ deny all; }} }} }}")
    translation = translate(source)
    assert translation.text.index("nginx.conf, line 1: location ~") < translation.text.index('path = "/*"')
    assert any("the file is not loaded until you have decided" in note for note in translation.notes)
    (tmp_path / "gatekeeper.toml").write_text(translation.text)
    with pytest.raises(ConfigurationError):
        load(tmp_path / "gatekeeper.toml", {})


def test_notes_about_who_is_let_in_come_first(tmp_path: Path) -> None:
    """Before those about speed and logs, of which there may be many."""
    inside = f"gzip on; expires 1d; location / {{ {PASSED} if ($http_x = y) {{ return 403; }} }}"
    notes = translated(tmp_path, f"server {{ {TLS} ssl_verify_client on; {inside} }}")[1]
    assert [note.split()[2] for note in notes] == ["if", "if", "gzip", "expires"]


@pytest.mark.parametrize(
    ("first", "second", "closed"),
    [
        ("listen 443 ssl;", "listen 8443 ssl;", [True, True]),
        ("listen 443 ssl;", "listen 127.0.0.1:8443 ssl;", [True, True]),
        ("listen 443 ssl; listen 8443 ssl;", "listen 443 ssl;", [False, True]),
        ("listen 443 ssl;", "listen 80; listen [::]:443 ssl; listen *:443 ssl;", [False, False]),
        ("listen 443 ssl;", "listen 443 ssl; listen 443 quic;", [False, False]),
    ],
)
def test_a_server_that_listens_elsewhere_is_closed(tmp_path: Path, first: str, second: str, closed: list[bool]) -> None:
    """Another port or address may be behind a firewall; here every host is reached at each of them."""
    rest = f"{TLS.partition(';')[2]} ssl_verify_client on; {OPEN}"
    servers = f"server {{ {first} server_name a.example; {rest} }} server {{ {second} server_name b.example; {rest} }}"
    settings = translated(tmp_path, servers)[0].settings
    assert [[str(network) for network in route.allow_from or ()] == [NOBODY] for route in settings.routes] == closed


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (f"location = /a {{ {PASSED} }} location /a/ {{ deny all; }}", {"/a": True, "/a/*": True}),
        (f"location = /a/ {{ {PASSED} }} location = /a {{ deny all; }}", {"/a/": True}),
        (f"location = /a/ {{ {PASSED} }} location /a/ {{ deny all; }}", {"/a/": False, "/a/*": True}),
    ],
)
def test_a_path_with_a_slash_is_no_way_around(tmp_path: Path, inside: str, expected: dict[str, bool]) -> None:
    """To a route, /a and /a/ are one path; nginx tells them apart."""
    assert routes(tmp_path, OPEN + inside) == expected | {"/*": False}


def test_a_modifier_needs_no_space(tmp_path: Path) -> None:
    """=/a is not a prefix."""
    inside = f"location =/a {{ deny all; }} location ^~/b/ {{ {PASSED} }}"
    assert routes(tmp_path, OPEN + inside) == {"/a": True, "/b/*": False, "/*": False}


def test_a_beginning_that_only_leads_elsewhere_needs_no_decision(tmp_path: Path) -> None:
    """A redirect refuses nobody: /older may go to the app."""
    assert routes(tmp_path, OPEN + "location /old { return 301 /new; }") == {"/old/*": True, "/*": False}


def test_a_name_belongs_to_its_first_server(tmp_path: Path) -> None:
    """nginx ignores the second; two routes of the same path and host would be an error here."""
    first = f"server {{ {TLS} ssl_verify_client on; server_name a.example; location / {{ deny all; }} }}"
    assert routes(tmp_path, f"server_name a.example; {OPEN}", first) == {"/*": True}


def test_what_no_path_names_is_a_note_where_all_is_closed(tmp_path: Path) -> None:
    """A person who opens a route has to know of it."""
    inside = "location / { fastcgi_pass a; } location ~ \\.key$ { deny all; }"
    notes = translated(tmp_path, f"server {{ {TLS} ssl_verify_client on; {inside} }}")[1]
    assert any(
        "location ~ \\.key$: refuses requests that no path" in note and "before you open" in note for note in notes
    )


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/public/", "http://unix:/run/a.sock:/public/"])
def test_a_part_of_an_app_does_not_become_the_whole(tmp_path: Path, url: str) -> None:
    """/admin of the app cannot be reached by this location in nginx."""
    assert routes(tmp_path, f"location / {{ proxy_pass {url}; }}") == {"/*": True}


def test_a_certificate_of_all_servers_makes_no_redirect_a_gate(tmp_path: Path) -> None:
    """The one at port 80 would take the names of the one behind it."""
    tls = TLS.partition(";")[2]
    send = "server { listen 80; server_name a.example; return 301 https://$host$request_uri; }"
    gate = f"server {{ listen 443 ssl; server_name a.example; ssl_verify_client on; {OPEN} }}"
    settings = translated(tmp_path, f"{tls} {send} {gate}")[0].settings
    assert [str(address) for address in (*settings.server.redirect, *settings.server.listen)] == [
        "0.0.0.0:80",
        "0.0.0.0:443",
    ]
    assert settings.routes == ()
