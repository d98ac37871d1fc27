"""The traefik preset, byte for byte, against Traefik itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app import App
from tests.e2e.originals import VISITORS_OF_GO, Cast, asked, gate, original
from tests.ports import free_port
from tests.tools import needs

STATIC = """\
global: {{checkNewVersion: false, sendAnonymousUsage: false}}
entryPoints: {{gate: {{address: "127.0.0.1:{port}"}}}}
providers: {{file: {{filename: dynamic.yaml, watch: false}}}}
log: {{level: ERROR}}
"""
DYNAMIC = """\
http:
  routers:
    all: {{rule: "PathPrefix(`/`)", entryPoints: [gate], service: app, middlewares: [identity], tls: {{}}}}
  services:
    app: {{loadBalancer: {{servers: [{{url: "{app}"}}]}}}}
  middlewares:
    identity:
      passTLSClientCert:
        pem: true
        info:
          notAfter: true
          notBefore: true
          sans: true
          serialNumber: true
          subject: &parts
            {{country: true, province: true, locality: true, organization: true, organizationalUnit: true,
              commonName: true, serialNumber: true, domainComponent: true}}
          issuer:
            {{country: true, province: true, locality: true, organization: true,
              commonName: true, serialNumber: true, domainComponent: true}}
tls:
  certificates: [{{certFile: server.crt, keyFile: server.key}}]
  options:
    default: {{clientAuth: {{caFiles: [ca.crt], clientAuthType: RequireAndVerifyClientCert}}}}
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cast, App, int, int]]:
    needs("traefik")
    folder: Path = tmp_path_factory.mktemp("traefik")
    cast, port = Cast(folder), free_port()
    with App() as app, gate(cast, app) as ours:
        (folder / "traefik.yaml").write_text(STATIC.format(port=port))
        (folder / "dynamic.yaml").write_text(DYNAMIC.format(app=app.url))
        with original(["traefik", "--configFile=traefik.yaml"], port, cast) as theirs:
            yield cast, app, ours, theirs


@pytest.mark.parametrize("visitor", VISITORS_OF_GO)
def test_both_headers_are_the_same(stage: tuple[Cast, App, int, int], visitor: str) -> None:
    """The cut PEM of every certificate that was sent, and what Traefik writes about each."""
    cast, app, ours, theirs = stage
    mine, original = asked(cast, app, ours, visitor), asked(cast, app, theirs, visitor)
    for name in ("X-Forwarded-Tls-Client-Cert", "X-Forwarded-Tls-Client-Cert-Info"):
        assert mine.header(name) == original.header(name)
        assert mine.header(name)
