"""TLS towards others."""

import ssl
from pathlib import Path

import pytest

from gatekeeper.proxy.upstream.endpoints import upstream_tls
from gatekeeper.settings.upstream import UpstreamSettings
from gatekeeper.tls.client import client_context
from tests.tls.scene import Scene


def test_the_server_is_verified(scene: Scene) -> None:
    """By the authorities in the file and no others, and by its name."""
    authority, _ = scene.authority.write(scene.folder, "authority")
    context = client_context(str(authority))
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.get_ca_certs(binary_form=True) == [scene.authority.der]


def test_a_connection_that_is_cut_off_has_not_closed() -> None:
    """Whatever Python begins with: up to 3.11.2 it does not tell the two apart."""
    assert not client_context().options & ssl.OP_IGNORE_UNEXPECTED_EOF


def test_a_chain_ends_at_whoever_is_trusted() -> None:
    """On each version of Python alike: neither a root above it nor the extensions of RFC 5280 are asked for."""
    flags = client_context().verify_flags
    assert flags & ssl.VERIFY_X509_PARTIAL_CHAIN
    assert not flags & ssl.VERIFY_X509_STRICT


def test_no_key_is_logged_whatever_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With $SSLKEYLOGFILE, whoever records the traffic to an app could read what admitted people send."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    assert ssl.create_default_context().keylog_filename == str(tmp_path / "keys")  # which Python does
    (tmp_path / "keys").unlink()
    app = UpstreamSettings.model_validate({"url": "https://10.0.0.1"})
    for context in (client_context(), upstream_tls("default", app)):
        assert context.keylog_filename is None
    assert not (tmp_path / "keys").exists()
