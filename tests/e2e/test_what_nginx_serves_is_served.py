"""A configuration of nginx and its translation: the same answers from both, by real processes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from gatekeeper.config.nginx import translate
from tests.app import App
from tests.e2e.originals import Cast, original
from tests.gate_process import PATIENCE, Gate
from tests.ports import free_port
from tests.tools import needs

# As root, nginx would read the files as somebody who may not enter the folder of the test.
CONFIGURATION = """\
user root; daemon off; pid nginx.pid; error_log stderr; worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off; types {{ text/html html; text/plain txt; text/javascript js; }} gzip_static on;
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate server.crt; ssl_certificate_key server.key;
        ssl_client_certificate ca.crt; ssl_verify_client on; ssl_verify_depth 3;
        root {folder}/www;
        client_max_body_size 10;
        location / {{ try_files $uri $uri/ /index.html; }}
        location /plain/ {{ try_files $uri $uri/ =404; }}
        location /files/ {{ alias {folder}/files/; try_files $uri $uri/ =404; }}
        location /photos/ {{ proxy_pass {app}/; client_max_body_size 0; }}
        location /api/ {{ proxy_pass {other}; }}
        location = /exact {{ proxy_pass {other}; }}
    }}
}}
"""
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@dataclass(frozen=True, slots=True)
class Stage:
    cast: Cast
    ours: int
    theirs: int

    def ask(self, port: int, method: str, target: str, headers: dict[str, str], body: str) -> tuple[object, ...]:
        """Status, type, coding, where a redirect leads, and the body, but for the pages of errors."""
        connection = HTTPSConnection("localhost", port, context=self.cast.context("plain"), timeout=PATIENCE)
        try:
            connection.request(method, target, body or None, {"Host": f"localhost:{port}"} | headers)
            response = connection.getresponse()
            content, status = response.read(), response.status
        finally:
            connection.close()
        if status >= 300:
            location = response.headers["Location"]
            return status, location and urlsplit(urljoin(target, location))._replace(scheme="", netloc="").geturl()
        kind = response.headers.get_content_type() if "application" not in response.headers["Content-Type"] else ""
        return status, kind, response.headers["Content-Encoding"], content


def tables(text: str) -> dict[str, str]:
    """The translation but for what a gate of the tests has of its own."""
    parts = [part for part in text.split("\n\n") if not re.match(r"#|\[(server|client_auth|log)\]", part)]
    app = next(part for part in parts if part.startswith("[upstream]\n"))
    parts.remove(app)
    return {"app": app.removeprefix("[upstream]\n"), "tables": "\n\n".join(parts)}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    needs("nginx")
    folder: Path = tmp_path_factory.mktemp("translated")
    for name in ("www/sub", "www/plain/sub", "files/sub", "www/bare"):
        (folder / name).mkdir(parents=True)
    (folder / "www" / "index.html").write_text("home")
    (folder / "www" / "app.js").write_text("script")
    (folder / "www" / "app.js.gz").write_bytes(b"compressed")
    (folder / "www" / "sub" / "index.html").write_text("sub")
    (folder / "www" / "plain" / "page.html").write_text("page")
    (folder / "files" / "a b.txt").write_text("0123456789")
    (folder / "files" / "sub" / "index.html").write_text("files/sub")
    cast, port = Cast(folder), free_port()
    with App() as app, App() as other:
        source = folder / "nginx.conf"
        source.write_text(CONFIGURATION.format(port=port, app=app.url, other=other.url, folder=folder))
        with (
            original(["nginx", "-p", folder, "-c", "nginx.conf"], port, cast) as theirs,
            Gate(folder, "", environ={}, **tables(translate(source).text)) as ours,
        ):
            yield Stage(cast, ours.port, theirs)


@pytest.mark.parametrize(
    ("method", "target", "headers", "body"),
    [
        ("GET", "/", {}, ""),
        ("HEAD", "/", {}, ""),
        ("GET", "/app.js", {}, ""),
        ("GET", "/app.js", {"Accept-Encoding": "gzip, br"}, ""),
        ("GET", "/app.js", {"Accept-Encoding": "gzip;q=0"}, ""),
        ("GET", "/sub", {}, ""),
        ("GET", "/sub?a=b%20c", {}, ""),
        ("GET", "/sub/", {}, ""),
        ("GET", "/users/7", BROWSER, ""),
        ("GET", "/bare", {}, ""),
        ("GET", "/plain/page.html", {}, ""),
        ("GET", "/plain/missing", BROWSER, ""),
        ("GET", "/plain/sub", {}, ""),
        ("POST", "/app.js", {}, ""),
        ("POST", "/app.js", {}, "12345678901"),
        ("GET", "/files/a%20b.txt", {}, ""),
        ("GET", "/files/a%20b.txt", {"Range": "bytes=2-4"}, ""),
        ("GET", "/files/a%20b.txt", {"Range": "bytes=10-"}, ""),
        ("GET", "/files/a%20b.txt", {"If-None-Match": "*"}, ""),
        ("GET", "/files/a%20b.txt", {"If-Match": '"other"'}, ""),
        ("GET", "/files/sub", {}, ""),
        ("GET", "/files/sub/", {}, ""),
        ("GET", "/files/missing", BROWSER, ""),
        ("GET", "/photos", {}, ""),
        ("GET", "/photos?a=b", {}, ""),
        ("GET", "/photos/", {}, ""),
        ("GET", "/photos/a?b=c", {}, ""),
        ("GET", "/photos/a%20b/c%25d", {}, ""),
        ("POST", "/photos/a", {}, "12345678901"),
        ("GET", "/api/a?b=c", {}, ""),
        ("GET", "/api/a%20b", {}, ""),
        ("POST", "/api/a", {}, "1234567890"),
        ("POST", "/api/a", {}, "12345678901"),
        ("GET", "/exact", {}, ""),
        ("GET", "/exact?a", {}, ""),
    ],
)
def test_a_request_is_answered_alike(
    stage: Stage, method: str, target: str, headers: dict[str, str], body: str
) -> None:
    """Files, folders, fallbacks and ranges; what an app hears, and how much it may be sent."""
    request = method, target, headers, body
    assert stage.ask(stage.ours, *request) == stage.ask(stage.theirs, *request)
