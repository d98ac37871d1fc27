"""Headers that Caddy can make too, byte for byte, against Caddy itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app import App
from tests.e2e.originals import VISITORS_OF_GO, Cast, asked, gate, original
from tests.ports import free_port
from tests.tools import needs

CONFIGURATION = """\
{{
    admin off
    auto_https off
    persist_config off
    log {{
        level ERROR
    }}
}}
https://localhost:{port} {{
    bind 127.0.0.1
    tls server.crt server.key {{
        client_auth {{
            mode require_and_verify
            trust_pool file ca.crt
        }}
    }}
    reverse_proxy {app} {{
        header_up Client-Cert ":{{http.request.tls.client.certificate_der_base64}}:"
        header_up X-Hash {{http.request.tls.client.fingerprint}}
        header_up X-Serial {{http.request.tls.client.serial}}
    }}
}}
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cast, App, int, int]]:
    needs("caddy")
    folder: Path = tmp_path_factory.mktemp("caddy")
    cast, port = Cast(folder), free_port()
    with App() as app, gate(cast, app) as ours:
        (folder / "Caddyfile").write_text(CONFIGURATION.format(port=port, app=app.url))
        with original(["caddy", "run", "--config", "Caddyfile"], port, cast) as theirs:
            yield cast, app, ours, theirs


@pytest.mark.parametrize("visitor", VISITORS_OF_GO)
def test_certificate_fingerprint_and_serial(stage: tuple[Cast, App, int, int], visitor: str) -> None:
    """RFC 9440's header, the hash that Envoy's holds, and the serial in Caddy's decimal."""
    cast, app, ours, theirs = stage
    mine, original = asked(cast, app, ours, visitor), asked(cast, app, theirs, visitor)
    assert mine.header("Client-Cert") == original.header("Client-Cert")
    assert f"Hash={original.header('X-Hash')};" in (mine.header("X-Forwarded-Client-Cert") or "")
    assert int(mine.header("X-SSL-Client-Serial") or "", 16) == int(original.header("X-Serial") or "")
