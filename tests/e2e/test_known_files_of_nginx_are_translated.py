"""Files of nginx as the documentation of apps has them (tests/corpus/nginx): what nginx refuses, the gate refuses; what
only nginx serves is named in a note.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from gatekeeper.config.nginx import Translation, translate
from tests.app import App
from tests.e2e.originals import Cast, original
from tests.e2e.test_what_nginx_serves_is_served import tables
from tests.gate_process import PATIENCE, Gate
from tests.ports import free_port
from tests.tools import needs

CORPUS = Path(__file__).parents[1] / "corpus" / "nginx"
# As root, nginx would read the files as somebody who may not enter the folder of the test.
MAIN = """\
user root; daemon off; pid nginx.pid; error_log stderr; worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off; ssl_verify_depth 3;
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    {}
}}
"""
FILES = (
    *("index.html", "robots.txt", "favicon.ico", "sw.js", "404.html", "50x.html", "index.php", "page.php", "new-page"),
    *("old-page", "blog/post", "assets/app.js", "packs/app.js", "sub/index.html", ".env", ".git/config", "a.css"),
    *("config/config.php", "data/secret.txt", ".well-known/acme-challenge/token", "uploads/shell.php", ".htaccess"),
)
PATHS = (
    *("/", "/index.html", "/sub", "/sub/", "/missing", "/robots.txt", "/favicon.ico", "/sw.js", "/404.html"),
    *("/index.php", "/page.php", "/index.php/apps", "/page.php?a=b", "/config/config.php", "/config", "/configs"),
    *("/data/secret.txt", "/data", "/uploads/shell.php", "/.env", "/.git/config", "/.htaccess", "/a/.git/config"),
    *("/.well-known/acme-challenge/token", "/.well-known/carddav", "/.well-known/x", "/old-page", "/new-page"),
    *("/old-page/", "/blog/post", "/blog", "/blogs", "/assets/app.js", "/packs/app.js", "/a.css", "/web/", "/web/a"),
    *("/api/websocket", "/api/v1/streaming/user", "/api/v1/x", "/api", "/api/", "/admin", "/admin/x", "/administrator"),
    *("/metrics", "/metrics/x", "/metricsx", "/grafana/", "/grafana", "/grafana/d/1?a=b", "/grafana/api/live/ws"),
    *("/_/static/assets/a.css", "/_/static/assets/.env", "/healthz", "/shop", "/shop/", "/shop/cart", "/socket"),
    *("/remote", "/remote/x", "/occ", "/occult", "/wp-admin", "/wp-admin/", "/sitemap_index.xml", "/public/a"),
)
# Ambiguous to the gate, which answers 400 where routes have paths.
AMBIGUOUS = ("/%2egit/config", "//config/config.php", "/a/../.env", "/%6fld-page", "/Old-page", "/admin/../admin/x")
# nginx refuses these for reasons that no path of a route says; a person has to decide before the gate starts.
DECIDED = {
    "gitea": {"/.env", "/.git/config", "/.htaccess", "/a/.git/config", "/metricsx"},
    "vaultwarden": {"/administrator"},
    **{name: {path for path in (*PATHS, "/Old-page") if path != "/public/a"} for name in ("password", "sso")},
}
# What only nginx serves: an expression for the paths, and what the note says.
PROGRAMS = "nginx has programs run here, whose source static: would send"
HIDDEN = r"/(\.(?!well-known)|_/static/assets/\.).*"  # no note: the documentation says that these are not served
NAMED = {
    "certbot": {"/old-page": "rewrite ^/old-page$ /new-page permanent", "/blog.*": "rewrite ^/blog/(.*)$"},
    "grafana": {HIDDEN: ""},
    "ingress": {"/api.*": "location ~* ^/api(/|$)(.*): patterns", "/healthz": "location /healthz: leads nowhere"},
    "jellyfin": {"/": "return 302 https://$host/web/: its route is closed", "/web/": "replaces the path in nginx"},
    "mastodon": {"/packs/.*": "location ~ ^/packs/: patterns cannot be", "/assets/.*": "location ~ ^/assets/"},
    "mozilla": {HIDDEN: ""},
    "nextcloud": {r"/\.well-known/c.*": "return 301 /remote.php/dav/", "/remote.*": "return 301", ".*": PROGRAMS},
    "wordpress": {".*": PROGRAMS},
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The status of each path, and the translation."""

    name: str
    theirs: dict[str, int]
    ours: dict[str, int]
    translation: Translation


def here(text: str, folder: Path, app: App, port: int) -> str:
    """A file of the corpus with the names, files and ports of the test."""
    for expression, replacement in (
        (r"listen \[::\]:[^;]*;", ""),
        (r"listen 80\b[^;]*;", f"listen 127.0.0.1:{free_port()};"),
        (r"listen 443[^;]*;", f"listen 127.0.0.1:{port} ssl;"),
        (r"ssl_certificate [^;]*;", "ssl_certificate server.crt;"),
        (r"ssl_certificate_key [^;]*;", "ssl_certificate_key server.key;"),
        (r"ssl_client_certificate [^;]*;", "ssl_client_certificate ca.crt;"),
        (r"ssl_(?:dhparam|trusted_certificate|verify_depth) [^;]*;", ""),
        (r"auth_basic_user_file [^;]*;", f"auth_basic_user_file {folder}/users;"),
        (r"root [^;]*;", f"root {folder}/www;"),
        (r"alias [^;]*;", f"alias {folder}/www/;"),
        (r"127\.0\.0\.1:[0-9]{4}\b(?! ssl)", f"127.0.0.1:{app.port}"),
        ("include fastcgi_params;", ""),
    ):
        text = re.sub(expression, replacement, text)
    return text


def statuses(cast: Cast, port: int) -> dict[str, int]:
    """What the visitor with a valid certificate gets for each path."""
    connection = HTTPSConnection("localhost", port, context=cast.context("plain"), timeout=PATIENCE)
    found = {}
    for path in (*PATHS, *AMBIGUOUS):
        connection.putrequest("GET", path, skip_host=True)
        connection.putheader("Host", "localhost")
        connection.endheaders()
        response = connection.getresponse()
        response.read()
        found[path] = response.status
    connection.close()
    return found


@pytest.fixture(scope="module")
def cast(tmp_path_factory: pytest.TempPathFactory) -> Cast:
    """Certificates, and a folder with files, for one nginx after the other."""
    needs("nginx")
    folder = tmp_path_factory.mktemp("known")
    for file in FILES:
        (folder / "www" / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / "www" / file).write_text(file)
    (folder / "users").touch()
    return Cast(folder)


@pytest.fixture(scope="module", params=sorted(path.stem for path in CORPUS.glob("*.conf")))
def outcome(request: pytest.FixtureRequest, cast: Cast) -> Iterator[Outcome]:
    name: str = request.param
    folder, port, ready = cast.folder, free_port(), free_port()
    with App() as app:
        text = here((CORPUS / f"{name}.conf").read_text(), folder, app, port)
        source = folder / f"{name}.conf"
        source.write_text(MAIN.format(text))
        waiting = f"server {{ listen 127.0.0.1:{ready} ssl; ssl_certificate server.crt; ssl_certificate_key server.key;"
        (folder / "nginx.conf").write_text(MAIN.format(f"{waiting} location / {{ return 200; }} }} {text}"))
        translation = translate(source)
        decided = "\n\n".join(part for part in translation.text.split("\n\n") if ': decide"' not in part)
        with (
            original(["nginx", "-p", folder, "-c", "nginx.conf"], ready, cast),
            Gate(folder, "", environ={}, **tables(decided)) as ours,
        ):
            yield Outcome(name, statuses(cast, port), statuses(cast, ours.port), translation)


def test_what_nginx_refuses_the_gate_refuses(outcome: Outcome) -> None:
    """With the exception of what a person has decided, which the file names before it loads."""
    opened = {path for path, status in outcome.theirs.items() if status >= 400 and outcome.ours[path] < 400}
    assert opened == DECIDED.get(outcome.name, set())
    assert (': decide"' in outcome.translation.text) is bool(opened)


def test_what_only_nginx_serves_is_named(outcome: Outcome) -> None:
    """With the line that is not taken over; everything else works."""
    named = NAMED.get(outcome.name, {})
    for path in PATHS:
        if outcome.theirs[path] < 400 <= outcome.ours[path]:
            words = next((words for expression, words in named.items() if re.fullmatch(expression, path)), None)
            assert words is not None, path
            assert any(words in note for note in outcome.translation.notes) or not words, path
