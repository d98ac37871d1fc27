"""The start-up proof, and what happens where it fails."""

import ssl
import time

import pytest

from gatekeeper.errors import BindingError, StartError, TLSError
from gatekeeper.gate.verdict import Admit, Peer, Policy, VerifyError, judge
from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.context import Mode, ServerContext
from gatekeeper.tls.openssl import OpenSSL, load_libssl
from gatekeeper.tls.proof import load_and_prove, prove, prove_service
from tests.certificates import DAY, NOW, SERVER, make_authority, make_client
from tests.tls.scene import VERSIONS, Scene, Visitor

both = pytest.mark.parametrize("version", VERSIONS)


class Strict(OpenSSL):
    """OpenSSL that does not let the handshake complete."""

    def complete_every_handshake(self, context: ssl.SSLContext) -> None:
        pass


class Blind(OpenSSL):
    """OpenSSL that finds nothing wrong with anybody."""

    def verify_result(self, connection: ssl.SSLObject, found: list[VerifyError]) -> tuple[VerifyError, ...]:
        return ()


class Suspicious(OpenSSL):
    """OpenSSL that finds something wrong with everybody."""

    def verify_result(self, connection: ssl.SSLObject, found: list[VerifyError]) -> tuple[VerifyError, ...]:
        return (VerifyError(1, 0, "no"),)


class Lost(OpenSSL):
    """OpenSSL whose connections are not where they are looked for."""

    def verify_result(self, connection: ssl.SSLObject, found: list[VerifyError]) -> tuple[VerifyError, ...]:
        raise BindingError("not there")


def unproved() -> OpenSSL:
    """A binding that is reached but fails its proof."""
    return load_and_prove(Blind)


def unreachable() -> OpenSSL:
    """A Python that hides its OpenSSL."""
    raise BindingError("this Python hides its OpenSSL")


@pytest.fixture(scope="module")
def fallback(scene: Scene) -> ServerContext:
    return scene.gate(binding=unreachable)


def test_this_python_passes() -> None:
    """On every Python that the tests run on, the binding is reached and proved."""
    assert load_and_prove() is load_libssl()


@pytest.mark.parametrize("broken", [Strict, Blind, Suspicious, Lost])
def test_a_broken_binding_fails_the_proof(broken: type[OpenSSL]) -> None:
    """Too strict, too trusting, too suspicious or lost: each is noticed."""
    with pytest.raises(BindingError, match="proof failed"):
        prove(broken())


@pytest.mark.parametrize(("binding", "why"), [(unproved, "proof failed"), (unreachable, "hides its OpenSSL")])
def test_without_proof_the_gate_falls_back(scene: Scene, binding: type[OpenSSL], why: str) -> None:
    """The context is then a plain one, and says why."""
    gate = scene.gate(binding=binding)
    assert gate.mode is Mode.ALERTS_ONLY
    assert gate.openssl is None
    assert why in gate.reason


def test_with_proof_there_is_nothing_to_explain(gate: ServerContext) -> None:
    """The usual case."""
    assert (gate.mode, gate.reason) == (Mode.EVERY_CERTIFICATE, "")


@both
def test_the_fallback_lets_good_certificates_in(scene: Scene, fallback: ServerContext, version: ssl.TLSVersion) -> None:
    """A finished handshake with a certificate is OpenSSL's word that it is good; bulk works as well."""
    visitor, server = Visitor(make_client("alice", scene.authority), version), TLSConnection(fallback)
    visitor.shake_hands(server)
    assert isinstance(judge(server.peer, time.time(), Policy()), Admit)
    assert server.peer.verified == (scene.authority.der,)
    assert visitor.hear(server.send(bytes(300_000))) == bytes(300_000)


@both
def test_the_fallback_knows_who_sent_none(fallback: ServerContext, version: ssl.TLSVersion) -> None:
    """Without a certificate the handshake completes, for a peer that nobody lets in."""
    visitor, server = Visitor(version=version), TLSConnection(fallback)
    visitor.shake_hands(server)
    assert (server.established, server.peer) == (True, Peer())


BAD = {
    "expired": (
        lambda s: make_client("alice", s.authority, starts=NOW - 9 * DAY, ends=NOW - DAY),
        "certificate expired",
    ),
    "foreign": (lambda _: make_client("mallory", make_authority("Other CA")), "unknown ca"),
    "foreign of the same name": (lambda _: make_client("mallory", make_authority("Home CA")), "decrypt error"),
    "wrong purpose": (lambda s: make_client("alice", s.authority, [SERVER]), "unsupported certificate"),
    "self-signed": (lambda _: make_client("mallory", None), "unknown ca"),
}


@both
@pytest.mark.parametrize("bad", BAD)
def test_the_fallback_answers_bad_certificates_with_an_alert(
    scene: Scene, fallback: ServerContext, bad: str, version: ssl.TLSVersion
) -> None:
    """The handshake fails, nobody is known, and the visitor's TLS library is told what is wrong."""
    make_holder, alert = BAD[bad]
    visitor, server = Visitor(make_holder(scene), version), TLSConnection(fallback)
    with pytest.raises(TLSError, match="certificate verify failed: "):
        visitor.shake_hands(server)
    assert (server.established, server.peer) == (False, Peer())
    with pytest.raises(ssl.SSLError, match=rf"(?i)alert {alert}"):
        visitor.hear(b"")


def test_a_session_resumed_in_the_fallback_is_still_the_same_visitor(scene: Scene, fallback: ServerContext) -> None:
    """Python alone cannot switch off the session ids of TLS 1.2; who comes back with one was verified before."""
    visitor, server = Visitor(make_client("alice", scene.authority), VERSIONS[0]), TLSConnection(fallback)
    visitor.shake_hands(server)
    visitor.connect(visitor.tls.session)
    again = TLSConnection(fallback)
    visitor.shake_hands(again)
    assert visitor.tls.session_reused
    assert again.peer.leaf == server.peer.leaf
    assert isinstance(judge(again.peer, time.time(), Policy()), Admit)


@both
def test_a_blind_binding_admits_no_foreign_certificate(scene: Scene, version: ssl.TLSVersion) -> None:
    """Even where both witnesses were silent, a path that does not end at a trusted authority lets nobody in."""
    server = TLSConnection(scene.gate(binding=Blind))
    Visitor(make_client("mallory", make_authority("Other CA")), version).shake_hands(server)
    assert not isinstance(judge(server.peer, time.time(), Policy()), Admit)


def test_a_gate_that_visitors_can_connect_to_passes(scene: Scene, fallback: ServerContext) -> None:
    """Both with the binding and without it; the client has no certificate."""
    prove_service(scene.gate())
    prove_service(fallback)


def test_a_gate_that_can_complete_no_handshake_does_not_start(scene: Scene) -> None:
    """Whatever the reason is: here the suites need a key of another kind than the certificate has."""
    context = scene.gate()
    context.ssl_context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.ssl_context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    with pytest.raises(StartError, match="no handshake with this configuration can be completed: no shared cipher"):
        prove_service(context)
