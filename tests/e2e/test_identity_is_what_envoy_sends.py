"""The xfcc preset, byte for byte, against Envoy itself."""

from _ssl import txt2obj
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gatekeeper.x509 import pem
from tests.app import App
from tests.certificates import Holder, new_key
from tests.der import attribute, certificate, name
from tests.e2e.originals import VISITORS, Cast, asked, gate, original
from tests.ports import free_port
from tests.tools import needs

CONFIGURATION = """\
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          require_client_certificate: true
          common_tls_context:
            tls_certificates: [{{certificate_chain: {{filename: server.crt}}, private_key: {{filename: server.key}}}}]
            validation_context: {{trusted_ca: {{filename: ca.crt}}}}
      filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: gate
          forward_client_cert_details: SANITIZE_SET
          set_current_client_cert_details: {{subject: true, cert: true, dns: true, uri: true}}
          max_request_headers_kb: 1024
          route_config:
            virtual_hosts: [{{name: all, domains: ["*"], routes: [{{match: {{prefix: /}}, route: {{cluster: app}}}}]}}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: app
    load_assignment:
      cluster_name: app
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: {host}, port_value: {app}}}}}}}
"""


ARCS = {
    "2.5.4": 110,
    "0.9.2342.19200300.100.1": 70,
    "1.2.840.113549.1.9": 60,
    "1.3.6.1.4.1.311.60.2.1": 5,
    "1.3.6.1.4.1.311.17": 4,
    "1.2.643.100": 120,
    "1.2.643.3.131.1": 3,
    "1.3.6.1.5.5.7.9": 6,
    "1.3.36.8.3": 16,
}


def known(kind: str) -> bool:
    try:
        return bool(txt2obj(kind)[1])
    except ValueError:
        return False


# BoringSSL takes no Ed25519 in a handshake unless it is told to.
VISITORS_OF_ENVOY = tuple(visitor for visitor in VISITORS if visitor != "Ed25519")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cast, App, int, int]]:
    needs("envoy")
    folder: Path = tmp_path_factory.mktemp("envoy")
    cast, port = Cast(folder), free_port()
    with App() as app, gate(cast, app) as ours:
        place = urlsplit(app.url)
        (folder / "envoy.yaml").write_text(CONFIGURATION.format(port=port, host=place.hostname, app=place.port))
        command = ["envoy", "-c", "envoy.yaml", "--disable-hot-restart", "--concurrency", "1", "-l", "warning"]
        with original(command, port, cast) as theirs:
            yield cast, app, ours, theirs


@pytest.mark.parametrize("visitor", VISITORS_OF_ENVOY)
def test_the_header_is_the_same(stage: tuple[Cast, App, int, int], visitor: str) -> None:
    """One element: hash, certificate, subject, URI and DNS names, in Envoy's order and with its quotes."""
    cast, app, ours, theirs = stage
    mine, original = asked(cast, app, ours, visitor), asked(cast, app, theirs, visitor)
    assert mine.header("X-Forwarded-Client-Cert") == original.header("X-Forwarded-Client-Cert")
    assert mine.header("X-Forwarded-Client-Cert")


def test_attributes_that_boringssl_has_no_name_for(stage: tuple[Cast, App, int, int]) -> None:
    """Every kind of attribute that OpenSSL can name, in one certificate."""
    cast, app, ours, theirs = stage
    key = new_key()
    kinds = [f"{arc}.{last}" for arc, count in ARCS.items() for last in range(count) if known(f"{arc}.{last}")]
    assert len(kinds) > 100
    der = certificate(cast.home, key, subject=name(*(attribute(kind, b"x") for kind in kinds)))
    (cast.folder / "visitor every.crt").write_bytes(pem.encode(b"CERTIFICATE", der))
    (cast.folder / "visitor every.key").write_bytes(Holder(key, cast.home.certificate).key_pem())
    mine, original = asked(cast, app, ours, "every"), asked(cast, app, theirs, "every")
    assert mine.header("X-Forwarded-Client-Cert") == original.header("X-Forwarded-Client-Cert")
