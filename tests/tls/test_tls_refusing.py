"""Certificates that end the handshake: who is asked, about what, and which alert the visitor gets."""

import ssl
from collections.abc import Callable

import pytest

from gatekeeper.errors import TLSError
from gatekeeper.gate.verdict import Peer
from gatekeeper.tls.connection import TLSConnection
from tests.certificates import DAY, NOW, Holder, make_authority, make_client
from tests.tls.scene import VERSIONS, Scene, Visitor

REVOKED, REJECTED = 23, 28


def refused(scene: Scene, version: ssl.TLSVersion, holder: Holder, code: int) -> tuple[list[Peer], str]:
    """What was asked, and the alert that the visitor got."""
    asked: list[Peer] = []

    def refuse(peer: Peer) -> int:
        asked.append(peer)
        return code

    server, visitor = TLSConnection(scene.gate(), refuse), Visitor(holder, version)
    with pytest.raises((TLSError, ssl.SSLError)):
        visitor.shake_hands(server)
    visitor.incoming.write(server.pending_output())
    assert not server.established
    assert server.peer == Peer()
    with pytest.raises(ssl.SSLError) as caught:
        visitor.tls.do_handshake() or visitor.tls.read(1)
    return asked, str(caught.value.reason)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("code", "alert"), [(REVOKED, "SSLV3_ALERT_CERTIFICATE_REVOKED"), (REJECTED, "SSLV3_ALERT_BAD_CERTIFICATE")]
)
def test_a_good_certificate_may_be_refused(scene: Scene, version: ssl.TLSVersion, code: int, alert: str) -> None:
    """Asked once, with the path that OpenSSL built; the number decides the alert."""
    alice = make_client("alice", scene.authority)
    asked, got = refused(scene, version, alice, code)
    assert asked == [Peer(alice.der, verified=(scene.authority.der,))]
    assert got == alert


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("make", "alert"),
    [
        (lambda _: make_client("eve", make_authority("Other CA")), "TLSV1_ALERT_UNKNOWN_CA"),
        (lambda home: make_client("old", home, ends=NOW - DAY), "SSLV3_ALERT_CERTIFICATE_EXPIRED"),
    ],
)
def test_a_bad_certificate_gets_openssls_own_alert(
    scene: Scene, version: ssl.TLSVersion, make: Callable[[Holder], Holder], alert: str
) -> None:
    """Asked when the first thing is found wrong; what is found decides, not the number. No path counts as verified."""
    holder = make(scene.authority)
    asked, got = refused(scene, version, holder, REJECTED)
    assert len(asked) == 1
    assert asked[0].leaf == holder.der
    assert asked[0].errors
    assert asked[0].verified == ()
    assert got == alert


@pytest.mark.parametrize("version", VERSIONS)
def test_who_is_not_refused_gets_in(scene: Scene, version: ssl.TLSVersion) -> None:
    """0 lets the handshake go on, also for a bad certificate, which is then judged at each request."""
    for holder in (make_client("alice", scene.authority), make_client("eve", make_authority("Other CA"))):
        server = TLSConnection(scene.gate(), lambda _: 0)
        Visitor(holder, version).shake_hands(server)
        assert server.established
        assert server.peer.leaf == holder.der
        assert bool(server.peer.errors) is (holder.certificate.issuer != scene.authority.certificate.subject)


@pytest.mark.parametrize("version", VERSIONS)
def test_without_a_certificate_nobody_asks(scene: Scene, version: ssl.TLSVersion) -> None:
    """Such a visitor is told over HTTP."""
    server = TLSConnection(scene.gate(), lambda _: REJECTED)
    Visitor(None, version).shake_hands(server)
    assert server.established


def test_an_exception_refuses(scene: Scene) -> None:
    """Fails closed: a fault in the judging lets nobody in."""

    def broken(peer: Peer) -> int:
        raise RuntimeError

    server = TLSConnection(scene.gate(), broken)
    with pytest.raises(TLSError):
        Visitor(make_client("alice", scene.authority), VERSIONS[0]).shake_hands(server)
    assert not server.established


def test_another_handshake_is_not_asked_about(scene: Scene) -> None:
    """One visitor's strictness ends with its own step of the handshake."""
    alice = make_client("alice", scene.authority)
    gate = scene.gate()
    with pytest.raises(TLSError):
        Visitor(alice, VERSIONS[0]).shake_hands(TLSConnection(gate, lambda _: REJECTED))
    assert gate.verify(alice.der).errors == ()
