"""``on_refusal = "handshake"``: a bad certificate gets a TLS alert, and is logged and counted all the same."""

import logging
import ssl
from collections.abc import Callable

import pytest

from gatekeeper.gate.certificate import read_certificate
from tests.certificates import DAY, NOW, Holder, make_authority, make_client
from tests.proxy.reloading import renew, revoking
from tests.proxy.scene import Scene, get

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    return make_scene(client_auth={"ca": "ca.crt", "on_refusal": "handshake"})


def revoked(scene: Scene) -> Holder:
    lost = make_client("lost", scene.files.authority)
    renew(scene, revoking(scene, lost))
    return lost


CASES: dict[str, tuple[Callable[[Scene], Holder], str]] = {
    "revoked": (revoked, "certificate revoked"),
    "expired": (lambda scene: make_client("old", scene.files.authority, ends=NOW - DAY / 2), "certificate expired"),
    "untrusted_issuer": (lambda _: make_client("eve", make_authority("Other CA")), "unknown ca"),
    "blank_name": (lambda scene: make_client(" ", scene.files.authority), "bad certificate"),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("reason", CASES)
def test_a_bad_certificate_gets_an_alert(
    scene: Scene, reason: str, version: ssl.TLSVersion, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the certificate and the reason; nobody reached HTTP."""
    caplog.set_level(logging.INFO)
    make, words = CASES[reason]
    holder = make(scene)
    with pytest.raises(ssl.SSLError, match=words):
        scene.visitor(holder, version=version).tls.read(1)
    assert scene.proxy.metrics.refusals == {reason: 1}
    assert scene.proxy.metrics.handshakes == {"refused": 1}
    shown = read_certificate(holder.der)
    line = caplog.messages[-1]
    assert f": {reason}: " in line
    assert f"subject {shown.subject}, issuer {shown.issuer}, serial {shown.serial}" in line
    assert scene.statuses == []


def test_who_has_no_certificate_still_gets_the_page(scene: Scene) -> None:
    """Nothing was shown that could be bad, and a route may be public."""
    nobody = scene.visitor(None)
    nobody.send(get())
    assert b"Gatekeeper-Reason: no_certificate\r\n" in nobody.read()


def test_who_is_let_in_notices_nothing(scene: Scene) -> None:
    """Judged in the handshake and at each request."""
    alice = scene.alice()
    alice.send(get())
    scene.loop.settle()
    assert scene.serve(alice).startswith(b"HTTP/1.1 200 ")


def test_an_open_connection_that_is_revoked_gets_the_page(scene: Scene) -> None:
    """Its handshake is long over."""
    lost = make_client("lost", scene.files.authority)
    visitor = scene.visitor(lost)
    renew(scene, revoking(scene, lost))
    visitor.send(get())
    assert b"Gatekeeper-Reason: revoked\r\n" in visitor.read()
