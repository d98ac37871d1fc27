"""Judging a certificate against the trusted authorities without a handshake."""

import gc
import resource
import ssl
from collections.abc import Callable, Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from gatekeeper.errors import BindingError
from gatekeeper.gate.verdict import Peer
from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.context import ServerContext
from gatekeeper.tls.libssl import VerifyCallback
from gatekeeper.tls.openssl import OpenSSL, load_libssl
from tests.certificates import DAY, NOW, SERVER, Holder, as_v1, make, make_authority, make_client, named
from tests.tls.scene import Scene, Visitor


def _below_intermediate(scene: Scene, *, sent: bool) -> Holder:
    between = make_authority("Between CA", scene.authority)
    return make_client("alice", between, chain=(between.certificate,) if sent else ())


HOLDERS: dict[str, Callable[[Scene], Holder]] = {
    "good": lambda s: make_client("alice", s.authority),
    "v1": lambda s: as_v1(make(named("alice"), s.authority), s.authority),
    "with its intermediate": lambda s: _below_intermediate(s, sent=True),
    "without its intermediate": lambda s: _below_intermediate(s, sent=False),
    "expired": lambda s: make_client("alice", s.authority, starts=NOW - 9 * DAY, ends=NOW - DAY),
    "not yet valid": lambda s: make_client("alice", s.authority, starts=NOW + DAY),
    "foreign": lambda _: make_client("mallory", make_authority("Other CA")),
    "foreign of the same name": lambda _: make_client("mallory", make_authority("Home CA")),
    "self-signed": lambda _: make_client("mallory", None),
    "made for servers": lambda s: make_client("alice", s.authority, [SERVER]),
    "expired and made for servers": lambda s: make_client(
        "alice", s.authority, [SERVER], starts=NOW - 9 * DAY, ends=NOW - DAY
    ),
    "with a weak key": lambda s: make_client("alice", s.authority, key=rsa.generate_private_key(65537, 1024)),
    "the authority itself": lambda s: s.authority,
}


@pytest.mark.parametrize("kind", HOLDERS)
def test_it_finds_what_a_handshake_finds(scene: Scene, gate: ServerContext, kind: str) -> None:
    """The same peer, error by error and certificate by certificate, as the handshake of such a visitor gives."""
    holder = HOLDERS[kind](scene)
    server = TLSConnection(gate)
    Visitor(holder).shake_hands(server)
    assert gate.verify(holder.der, server.peer.sent) == server.peer


def test_a_good_certificate_comes_with_its_path(scene: Scene, gate: ServerContext) -> None:
    """Leaf excluded, the trusted authority last, whatever else came along."""
    between = make_authority("Between CA", scene.authority)
    holder = make_client("alice", between)
    stranger = make_authority("Other CA")
    peer = gate.verify(holder.der, (stranger.der, between.der))
    assert peer == Peer(holder.der, (stranger.der, between.der), (between.der, scene.authority.der))


def test_an_authority_that_came_along_is_not_trusted(gate: ServerContext) -> None:
    """What a visitor sends helps to find a path, but never ends one."""
    stranger = make_authority("Other CA")
    peer = gate.verify(make_client("mallory", stranger).der, (stranger.der,))
    assert (peer.verified, [error.code for error in peer.errors]) == ((), [19])


def test_the_authorities_are_those_of_the_context(scene: Scene, gate: ServerContext) -> None:
    """The question for open connections after a reload: another context, another answer."""
    other = make_authority("Other CA")
    holder = make_client("alice", other)
    assert gate.verify(holder.der).errors
    assert not scene.gate(other).verify(holder.der).errors


def test_a_verification_that_openssl_breaks_off_admits_nobody(scene: Scene) -> None:
    """X509_verify_cert(3) that fails without saying why is an error, not a pass; so is a success without a path."""
    verify = load_libssl().libssl.call["X509_verify_cert"]

    class Failing(OpenSSL):
        def __init__(self) -> None:
            super().__init__()
            self._call["X509_verify_cert"] = lambda store: verify(store) - 2

    class Pathless(OpenSSL):
        def __init__(self) -> None:
            super().__init__()
            self._call["X509_STORE_CTX_get0_chain"] = lambda _: None

    context, holder = scene.gate().ssl_context, make_client("alice", scene.authority)
    for binding in (Failing(), Pathless()):
        assert [error.code for error in binding.verify(context, holder.der, ()).errors] == [1]


def test_an_error_that_nobody_collected_is_not_lost(scene: Scene) -> None:
    """The error that is left in the verification is the second witness beside the callback."""

    class Deaf(OpenSSL):
        def __init__(self) -> None:
            super().__init__()
            self._callback = VerifyCallback(lambda ok, _store: ok)

    holder = make_client("mallory", make_authority("Other CA"))
    assert [error.code for error in Deaf().verify(scene.gate().ssl_context, holder.der, ()).errors] == [20]


def test_a_path_that_leads_elsewhere_admits_nobody(scene: Scene) -> None:
    """The third witness: where both others were silent, the path must still end at an authority of the gate."""

    class Blind(OpenSSL):
        def verify(self, context: ssl.SSLContext, leaf: bytes, chain: Sequence[bytes]) -> Peer:
            return Peer(leaf, tuple(chain), verified=(make_authority("Other CA").der,))

    gate = scene.gate()
    blind = ServerContext(gate.ssl_context, Blind(), gate.names, gate.authorities)
    assert [error.words for error in blind.verify(make_client("alice", scene.authority).der).errors] == [
        "no path leads to a trusted authority"
    ]


def test_a_path_must_begin_with_the_leaf(scene: Scene, gate: ServerContext) -> None:
    """No path at all, and one that is somebody else's, lead nobody in."""
    alice, home = make_client("alice", scene.authority).der, scene.authority.der
    peer = Peer(alice, verified=(home,))
    assert gate.require_path(peer, (alice, home)) == peer
    for path in ((), (home,), (make_client("bob", scene.authority).der, home)):
        refused = gate.require_path(peer, path)
        assert (refused.verified, [error.code for error in refused.errors]) == ((), [1])


def unreachable() -> OpenSSL:
    raise BindingError("this Python hides its OpenSSL")


def test_without_the_binding_there_is_no_answer(scene: Scene) -> None:
    """In the fallback nobody can be judged outside a handshake, and the caller hears that."""

    with pytest.raises(BindingError, match="hides its OpenSSL"):
        scene.gate(binding=unreachable).verify(scene.authority.der)


def test_without_the_binding_a_change_of_the_authorities_ends_who_was_admitted(scene: Scene) -> None:
    """Fails closed: nobody can say whether the new authorities vouch for an open connection."""
    alice, server = make_client("alice", scene.authority), TLSConnection(scene.gate(binding=unreachable))
    Visitor(alice).shake_hands(server)
    assert server.peer.verified
    server.verify_anew(scene.gate(make_authority("Other CA"), binding=unreachable))
    assert server.peer.leaf == alice.der
    assert server.peer.verified == ()
    assert [error.words for error in server.peer.errors] == ["connect anew: this Python hides its OpenSSL"]


def test_a_change_of_the_authorities_is_nothing_to_who_has_no_certificate(scene: Scene) -> None:
    """A public page that is being loaded goes on."""
    nobody, server = Visitor(), TLSConnection(scene.gate())
    nobody.shake_hands(server)
    server.verify_anew(scene.gate(make_authority("Other CA")))
    assert server.peer == Peer()


def test_garbage_is_no_certificate(gate: ServerContext) -> None:
    """As a leaf or among those that came along."""
    for leaf, sent in ((b"\x30\x00", ()), (gate.certificate.der, (b"garbage",))):
        with pytest.raises(BindingError, match="cannot read"):
            gate.verify(leaf, sent)


def test_no_errors_are_left_in_the_thread(gate: ServerContext) -> None:
    """A foreign signature must not make a connection of the same thread fail at its next "want read"."""
    bystander, server = Visitor(), TLSConnection(gate)
    bystander.shake_hands(server)
    gate.verify(make_client("mallory", make_authority("Home CA")).der)
    ciphertext = bystander.say(b"hello")
    assert server.receive(ciphertext[:-1]) == b""
    assert server.receive(ciphertext[-1:]) == b"hello"


def test_nothing_is_leaked(scene: Scene, gate: ServerContext) -> None:
    """Two thousand verifications leave the process as large as it was; a certificate each would be 4 MiB more."""
    between = make_authority("Between CA", scene.authority)
    holder = make_client("alice", between)

    def run(times: int) -> int:
        for _ in range(times):
            gate.verify(holder.der, (between.der,))
        gc.collect()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = run(300)
    assert run(2000) - before < 2048  # KiB


def test_it_is_the_binding_that_handshakes_use() -> None:
    """One libssl in a process."""
    assert callable(load_libssl().verify)
