"""A configuration of nginx that refuses, and its translation: what nginx refuses, the gate does not let through."""

from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from gatekeeper.config.nginx import translate
from tests.app import App
from tests.e2e.originals import Cast, original
from tests.e2e.test_what_nginx_serves_is_served import tables
from tests.gate_process import PATIENCE, Gate
from tests.ports import free_port
from tests.tools import needs

CONFIGURATION = """\
user root; daemon off; pid nginx.pid; error_log stderr; worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate server.crt; ssl_certificate_key server.key;
        ssl_client_certificate ca.crt; ssl_verify_client optional; ssl_verify_depth 3;
        if ($ssl_client_verify != SUCCESS) {{ return 403; }}
        location / {{ proxy_pass {app}; }}
        location /denied/ {{ proxy_pass {app}; deny all; }}
        location /gone/ {{ return 404; }}
        location /internal/ {{ internal; proxy_pass {app}; }}
        location = /metrics {{ return 403; }}
        location =/tight {{ return 403; }}
        location = /slash {{ proxy_pass {app}; }} location /slash/ {{ deny all; }}
        location = /bare/ {{ proxy_pass {app}; }} location = /bare {{ deny all; }}
        location ~ ^/secret/ {{ deny all; }}
        location /secret/longer/ {{ proxy_pass {app}; }}
        location ~ ^/(?:build|tests)(?:$|/) {{ return 404; }}
        location ~* ^/Cased/ {{ deny all; }}
        location ~ ^/page$ {{ return 403; }}
        location ~ ^/odd/ {{ allow 10.0.0.0/8; deny all; proxy_pass {app}; }}
        location /vip/ {{ if ($ssl_client_s_dn !~ "CN=alice") {{ return 403; }} proxy_pass {app}; }}
        location /agent/ {{ if ($http_user_agent = "") {{ return 403; }} proxy_pass {app}; }}
        location /outer/ {{ proxy_pass {app}; location /outer/inner/ {{ deny all; }} }}
        location /read/ {{ proxy_pass {app}; limit_except GET {{ deny all; }} }}
        location = /no {{ internal; return 403; }}
        location /asked/ {{ proxy_pass {app}; auth_request /no; }}
        location /password/ {{ proxy_pass {app}; auth_basic Own; auth_basic_user_file nobody; }}
        location /session/ {{ if ($cookie_session = "") {{ return 302 /login; }} proxy_pass {app}; }}
        location /moved/ {{ if ($request_method = POST) {{ proxy_pass http://127.0.0.1:9; }} proxy_pass {app}; }}
        location ~ ^/page2$ {{ return 302 /login; }}
        location /as-get/ {{ proxy_pass {app}; proxy_method GET; }}
        location ^~ /open/ {{ proxy_pass {app}; }}
    }}
}}
"""
PATHS = [
    *("/", "/a", "/denied/", "/denied/a", "/gone/", "/gone/a", "/internal/a", "/metrics", "/metrics/a", "/secret/"),
    *("/secret/longer/a", "/build", "/build/a", "/builder", "/tests/a/b", "/page", "/page/a", "/odd/a", "/vip/a"),
    *("/agent/a", "/outer/a", "/outer/inner/a", "/read/a", "/open/a", "//denied/a", "/%64enied/a", "/a/../denied/a"),
    *("/open/../secret/a", "/secret%2fa", "/./gone/a", "/denied//a", "/secret/?a=b", "/metrics?a", "/metrics#a"),
    *("/asked/a", "/password/a", "/no", "/session/a", "/moved/a", "/as-get/a", "/page2"),
    *("/tight", "/slash", "/slash/", "/bare", "/bare/", "/cased/a", "/Cased/a", "/CASED/a"),
]


@dataclass(frozen=True, slots=True)
class Stage:
    cast: Cast
    ours: int
    theirs: int

    def ask(self, port: int, method: str, target: str) -> str:
        """What the app says it was asked, "" if the request did not reach it."""
        connection = HTTPSConnection("localhost", port, context=self.cast.context("plain"), timeout=PATIENCE)
        try:
            connection.putrequest(method, target, skip_host=True)
            connection.putheader("Host", f"localhost:{port}")
            connection.putheader("Content-Length", "0")
            connection.endheaders()
            response = connection.getresponse()
            content = response.read().decode()
            return content if response.status == 200 else ""
        finally:
            connection.close()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    needs("nginx")
    folder: Path = tmp_path_factory.mktemp("refused")
    cast, port = Cast(folder), free_port()
    with App() as app:
        source = folder / "nginx.conf"
        source.write_text(CONFIGURATION.format(port=port, app=app.url))
        with (
            original(["nginx", "-p", folder, "-c", "nginx.conf"], port, cast) as theirs,
            Gate(folder, "", environ={}, **tables(translate(source).text)) as ours,
        ):
            yield Stage(cast, ours.port, theirs)


@pytest.mark.parametrize("target", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_nginx_refuses_the_gate_refuses(stage: Stage, method: str, target: str) -> None:
    """Nobody gets more access than in nginx, however the path is written; nor with another method."""
    assert stage.ask(stage.ours, method, target) in ("", stage.ask(stage.theirs, method, target))


@pytest.mark.parametrize("target", ["/", "/a", "/builder", "/open/a", "/outer/a", "/read/a", "/page/a", "/metrics/a"])
def test_what_nginx_passes_on_besides_is_passed_on(stage: Stage, target: str) -> None:
    """The other routes stay open: a gate that refuses everything would pass the test above."""
    expected = f"GET {target}: 0 bytes\n"
    assert (stage.ask(stage.theirs, "GET", target), stage.ask(stage.ours, "GET", target)) == (expected, expected)
