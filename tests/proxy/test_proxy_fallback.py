"""Where Python's OpenSSL cannot be reached: bad certificates get a TLS alert, and still nobody is let in."""

import ssl
from collections.abc import Callable
from dataclasses import replace

import pytest

from gatekeeper.errors import BindingError
from gatekeeper.tls.context import Mode
from gatekeeper.tls.openssl import OpenSSL
from tests.certificates import DAY, NOW, SERVER, Holder, make_authority, make_client
from tests.proxy.scene import OK, Files, Scene, get, undated
from tests.tls.building import built

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def no_binding() -> OpenSSL:
    raise BindingError("this Python hides its OpenSSL")


@pytest.fixture
def fallback(make_scene: Callable[..., Scene], files: Files) -> Scene:
    scene = make_scene()
    ca = scene.snapshot.settings.client_auth.ca
    tls = built(files.folder / "server.crt", files.folder / "server.key", ca, binding=no_binding)
    assert tls.mode is Mode.ALERTS_ONLY
    scene.proxy.snapshot = scene.snapshot = replace(scene.snapshot, tls=tls)
    return scene


@pytest.mark.parametrize("version", VERSIONS)
def test_a_good_certificate_is_let_in(fallback: Scene, version: ssl.TLSVersion) -> None:
    """With large answers too."""
    alice = fallback.visitor(fallback.files.alice, version=version)
    alice.send(get("/"))
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000
    assert undated(fallback.serve(alice, large)) == large
    alice.send(get("/"))
    assert fallback.serve(alice) == OK


@pytest.mark.parametrize("version", VERSIONS)
def test_no_certificate_still_gets_the_page(fallback: Scene, version: ssl.TLSVersion) -> None:
    """None is no bad one, so the handshake is done."""
    nobody = fallback.visitor(version=version)
    nobody.send(get("/"))
    assert b"\r\nGatekeeper-Reason: no_certificate\r\n" in nobody.read()
    assert fallback.app.attempts == []


def bad_ones(files: Files) -> dict[str, Holder]:
    return {
        "foreign": make_client("alice", make_authority("Home CA")),
        "alone": make_client("alice", None),
        "expired": make_client("alice", files.authority, starts=NOW - 2 * DAY, ends=NOW - DAY),
        "early": make_client("alice", files.authority, starts=NOW + DAY),
        "server": make_client("alice", files.authority, purposes=[SERVER]),
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_bad_certificates_get_an_alert(fallback: Scene, version: ssl.TLSVersion) -> None:
    """The client's library says which; nothing reaches the app."""
    for holder in bad_ones(fallback.files).values():
        visitor = fallback.connect()
        with pytest.raises(ssl.SSLError, match="alert"):
            _ = (visitor.shake_hands(holder, version), visitor.read())
        assert visitor.is_gone
    assert fallback.app.attempts == []
    assert fallback.proxy.metrics.handshakes == {"failed": 5}


def test_what_openssl_does_not_judge_is_refused_with_the_page(fallback: Scene) -> None:
    """A blank name, and dates that pass while the connection is open."""
    blank = fallback.visitor(make_client(" ", fallback.files.authority))
    blank.send(get("/"))
    assert b"\r\nGatekeeper-Reason: blank_name\r\n" in blank.read()
    alice = fallback.visitor(make_client("alice", fallback.files.authority, ends=NOW + DAY))
    fallback.started += 2 * 86400
    alice.send(get("/"))
    assert b"\r\nGatekeeper-Reason: expired\r\n" in alice.read()
    assert fallback.app.attempts == []
