"""The nginx preset, byte for byte, against nginx itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app import App
from tests.e2e.originals import VISITORS, Cast, asked, gate, original
from tests.ports import free_port
from tests.tools import needs

NAMES = {
    "X-SSL-Client-Verify": "$ssl_client_verify",
    "X-SSL-Client-S-DN": "$ssl_client_s_dn",
    "X-SSL-Client-I-DN": "$ssl_client_i_dn",
    "X-SSL-Client-Serial": "$ssl_client_serial",
    "X-SSL-Client-Fingerprint": "$ssl_client_fingerprint",
    "X-SSL-Client-V-Start": "$ssl_client_v_start",
    "X-SSL-Client-V-End": "$ssl_client_v_end",
    "X-SSL-Client-Escaped-Cert": "$ssl_client_escaped_cert",
}
CONFIGURATION = """\
daemon off; pid nginx.pid; error_log stderr; worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    server {{
        listen 127.0.0.1:{port} ssl; ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate server.crt; ssl_certificate_key server.key;
        ssl_client_certificate ca.crt; ssl_verify_client on; ssl_verify_depth 3;
        location / {{
            proxy_pass {app};
            {headers}
        }}
    }}
}}
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cast, App, int, int]]:
    needs("nginx")
    folder: Path = tmp_path_factory.mktemp("nginx")
    cast, port = Cast(folder), free_port()
    with App() as app, gate(cast, app) as ours:
        headers = " ".join(f"proxy_set_header {name} {value};" for name, value in NAMES.items())
        (folder / "nginx.conf").write_text(CONFIGURATION.format(port=port, app=app.url, headers=headers))
        with original(["nginx", "-p", folder, "-c", "nginx.conf"], port, cast) as theirs:
            yield cast, app, ours, theirs


@pytest.mark.parametrize("visitor", VISITORS)
def test_every_header_is_the_same(stage: tuple[Cast, App, int, int], visitor: str) -> None:
    """Names, dates, serial, fingerprint and certificate, whatever the subject holds."""
    cast, app, ours, theirs = stage
    mine, original = asked(cast, app, ours, visitor), asked(cast, app, theirs, visitor)
    for name in NAMES:
        assert mine.header(name) == original.header(name)
        assert mine.header(name)
