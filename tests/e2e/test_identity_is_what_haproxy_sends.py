"""Headers that HAProxy can make too, byte for byte, against HAProxy itself."""

from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app import App
from tests.e2e.originals import VISITORS, Cast, asked, gate, original
from tests.ports import free_port
from tests.tools import needs

CONFIGURATION = """\
global
    tune.bufsize 131072
    ssl-server-verify none
defaults
    mode http
    timeout client 20s
    timeout server 20s
    timeout connect 5s
frontend gate
    bind 127.0.0.1:{port} ssl crt server.pem ca-file ca.crt verify required
    http-request set-header Client-Cert :%[ssl_c_der,base64]:
    http-request set-header X-Chain %[ssl_c_chain_der,base64]
    http-request set-header Remote-User %[ssl_c_s_dn(CN)]
    http-request set-header X-SSL-Client-S-DN %[ssl_c_s_dn(,0,rfc2253)]
    http-request set-header X-SSL-Client-Serial %[ssl_c_serial,hex]
    http-request set-header X-SSL-Client-Fingerprint %[ssl_c_sha1,hex,lower]
    default_backend app
backend app
    server app {app}
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cast, App, int, int]]:
    needs("haproxy")
    folder: Path = tmp_path_factory.mktemp("haproxy")
    cast, port = Cast(folder), free_port()
    with App() as app, gate(cast, app) as ours:
        configuration = CONFIGURATION.format(port=port, app=app.url.removeprefix("http://"))
        (folder / "haproxy.cfg").write_text(configuration)
        with original(["haproxy", "-f", "haproxy.cfg"], port, cast) as theirs:
            yield cast, app, ours, theirs


@pytest.mark.parametrize("visitor", VISITORS)
def test_the_certificate_and_its_chain(stage: tuple[Cast, App, int, int], visitor: str) -> None:
    """RFC 9440: HAProxy gives the chain in one piece, so its parts are compared as a whole."""
    cast, app, ours, theirs = stage
    mine, original = asked(cast, app, ours, visitor), asked(cast, app, theirs, visitor)
    assert mine.header("Client-Cert") == original.header("Client-Cert")
    chain = (mine.header("Client-Cert-Chain") or "").replace(" ", "").split(",")
    assert b"".join(b64decode(one.strip(":")) for one in chain) == b64decode(original.header("X-Chain") or "")


@pytest.mark.parametrize("visitor", VISITORS)
def test_fingerprint_and_serial(stage: tuple[Cast, App, int, int], visitor: str) -> None:
    """HAProxy writes a serial as DER holds it, with a zero byte in front where the first bit is set."""
    cast, app, ours, theirs = stage
    mine, original = asked(cast, app, ours, visitor), asked(cast, app, theirs, visitor)
    assert mine.header("X-SSL-Client-Fingerprint") == original.header("X-SSL-Client-Fingerprint")
    serial = original.header("X-SSL-Client-Serial") or ""
    assert mine.header("X-SSL-Client-Serial") == serial


@pytest.mark.parametrize("visitor", [one for one in VISITORS if one not in ("spaces and a hash", "percent")])
def test_the_user_is_the_common_name_in_utf_8(stage: tuple[Cast, App, int, int], visitor: str) -> None:
    """As HAProxy sends it, whatever the name holds; only what a reader would lose or misread is encoded here."""
    cast, app, ours, theirs = stage
    mine, original = asked(cast, app, ours, visitor), asked(cast, app, theirs, visitor)
    assert mine.header("Remote-User") == original.header("Remote-User")
    assert mine.header("X-Forwarded-User") == original.header("Remote-User")


def test_names_that_would_be_misread(stage: tuple[Cast, App, int, int]) -> None:
    """White space at the ends would be dropped, so that " alice " would be alice; here it is encoded."""
    cast, app, ours, theirs = stage
    assert asked(cast, app, theirs, "spaces and a hash").header("Remote-User") == "alice"
    assert asked(cast, app, ours, "spaces and a hash").header("Remote-User") == "%20alice%20"
    assert asked(cast, app, ours, "percent").header("Remote-User") == "100%2525 %zz %252c"
