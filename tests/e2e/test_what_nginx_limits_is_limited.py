"""``limit_req`` of nginx and its translation: as many requests pass both, by real processes."""

import time
from http.client import HTTPSConnection
from pathlib import Path

from gatekeeper.config.nginx import translate
from tests.app import App
from tests.e2e.originals import Cast, original
from tests.e2e.test_what_nginx_serves_is_served import tables
from tests.gate_process import PATIENCE, Gate
from tests.ports import free_port
from tests.tools import needs

BURST, ASKED, MINUTE = 3, 7, 60.0
# As root, nginx would read the files as somebody who may not enter the folder of the test.
CONFIGURATION = """\
user root; daemon off; pid nginx.pid; error_log stderr; worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    limit_req_zone $ssl_client_fingerprint zone=one:1m rate=1r/m; limit_req_status 429;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate server.crt; ssl_certificate_key server.key;
        ssl_client_certificate ca.crt; ssl_verify_client on; ssl_verify_depth 3;
        limit_req zone=one burst={burst} nodelay;
        location / {{ proxy_pass {app}; }}
    }}
}}
"""


def statuses(cast: Cast, port: int) -> list[int]:
    """Of one request after the other by the same visitor, and not the one whom `original` has sent already."""
    connection = HTTPSConnection("localhost", port, context=cast.context("percent"), timeout=PATIENCE)
    found = []
    for _ in range(ASKED):
        connection.request("GET", "/")
        response = connection.getresponse()
        response.read()
        found.append(response.status)
    connection.close()
    return found


def test_as_many_requests_pass(tmp_path: Path) -> None:
    """One, and those of the burst; the next only after a minute."""
    needs("nginx")
    cast, port = Cast(tmp_path), free_port()
    with App() as app:
        source = tmp_path / "nginx.conf"
        source.write_text(CONFIGURATION.format(port=port, app=app.url, burst=BURST))
        translation = translate(source)
        assert not [note for note in translation.notes if "limit_req" in note]
        with (
            original(["nginx", "-p", tmp_path, "-c", "nginx.conf"], port, cast) as theirs,
            Gate(tmp_path, "", environ={}, **tables(translation.text)) as ours,
        ):
            for one in (theirs, ours.port):
                began = time.monotonic()
                found = statuses(cast, one)
                later = (time.monotonic() - began) / MINUTE
                assert set(found) == {200, 429}
                assert 1 + BURST <= found.count(200) <= 1 + BURST + later
