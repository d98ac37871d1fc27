"""The edge to OpenSSL's C side."""

import ctypes
import ctypes.util
import ssl
from contextlib import suppress
from dataclasses import replace
from typing import NoReturn

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from gatekeeper.errors import BindingError, TLSError
from gatekeeper.gate.verdict import Peer, VerifyError
from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.context import ServerContext
from gatekeeper.tls.openssl import OpenSSL, load_libssl
from gatekeeper.tls.verifier import Recall, Refuse
from tests.certificates import make, make_authority, make_client, named
from tests.tls.scene import VERSIONS, Scene, Visitor

both = pytest.mark.parametrize("version", VERSIONS)


class Exploding(list[VerifyError]):
    """A collector that cannot collect."""

    def append(self, error: VerifyError) -> NoReturn:
        raise MemoryError


class Collecting(OpenSSL):
    """OpenSSL whose verify callback collects into a list of the class, not into that of the connection."""

    collector: type[list[VerifyError]] = list

    def handshake(
        self,
        connection: ssl.SSLObject,
        found: list[VerifyError],
        refuse: Refuse | None = None,
        recall: Recall | None = None,
    ) -> bool:
        return super().handshake(connection, self.collector())


class ExplodingCallback(Collecting):
    """OpenSSL whose verify callback raises at the first error."""

    collector = Exploding


class NoCollector(OpenSSL):
    """OpenSSL whose handshakes run without a verify callback of ours."""

    def handshake(self, connection: ssl.SSLObject, *_: object, **__: object) -> bool:
        connection.do_handshake()
        return True


@both
def test_a_callback_that_blows_up_admits_nobody(scene: Scene, version: ssl.TLSVersion) -> None:
    """The exception does not get lost in ctypes as an undefined answer: the handshake ends, with an alert."""
    server = TLSConnection(scene.gate(binding=ExplodingCallback))
    visitor = Visitor(make_client("mallory", make_authority("Other CA")), version)
    with pytest.raises(TLSError, match="certificate verify failed"):
        visitor.shake_hands(server)
    assert (server.established, server.peer) == (False, Peer())
    with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
        visitor.hear(b"")


class Broken(OpenSSL):
    """OpenSSL whose verification fails without a word: no error, no callback."""

    def __init__(self) -> None:
        super().__init__()
        self._call["X509_verify_cert"] = lambda _store: 0


@both
def test_a_verification_that_fails_without_an_error_admits_nobody(scene: Scene, version: ssl.TLSVersion) -> None:
    """The handshake goes on, since no certificate ends it; but that nothing was found does not count as good."""
    server = TLSConnection(scene.gate(binding=Broken))
    Visitor(make_client("mallory", make_authority("Other CA")), version).shake_hands(server)
    assert [error.words for error in server.peer.errors] == ["unspecified certificate verification error"]


@both
@pytest.mark.parametrize("binding", [Collecting, NoCollector])
def test_an_error_that_nobody_collected_is_not_lost(
    scene: Scene, version: ssl.TLSVersion, binding: type[OpenSSL]
) -> None:
    """SSL_get_verify_result is the second witness: where the callback's list is empty, it still speaks."""
    server = TLSConnection(scene.gate(binding=binding))
    Visitor(make_client("mallory", make_authority("Other CA")), version).shake_hands(server)
    assert [error.code for error in server.peer.errors] == [20]


def test_no_errors_are_left_in_the_thread(scene: Scene, gate: ServerContext) -> None:
    """A foreign signature must not make another connection of the same thread fail at its next "want read"."""
    bystander, server = Visitor(), TLSConnection(gate)
    bystander.shake_hands(server)
    for version in VERSIONS:
        Visitor(make_client("mallory", make_authority("Home CA")), version).shake_hands(TLSConnection(gate))
        ciphertext = bystander.say(b"hello")
        assert server.receive(ciphertext[:-1]) == b""
        assert server.receive(ciphertext[-1:]) == b"hello"


def test_interleaved_handshakes_keep_their_errors_apart(scene: Scene, gate: ServerContext) -> None:
    """Two handshakes of one thread that take turns, a good and a foreign one: neither gets the other's errors."""
    good, foreign = make_client("alice", scene.authority), make_client("mallory", make_authority("Home CA"))
    pairs = [(Visitor(holder, version), TLSConnection(gate)) for holder in (good, foreign) for version in VERSIONS]
    for _ in range(6):
        for visitor, server in pairs:
            with suppress(ssl.SSLWantReadError):
                visitor.tls.do_handshake()
            server.receive(visitor.outgoing.read())
            visitor.incoming.write(server.pending_output())
    assert [bool(server.peer.errors) for _, server in pairs] == [False, False, True, True]


def test_nothing_is_collected_after_the_handshake(scene: Scene, gate: ServerContext) -> None:
    """A handshake that has to wait does not go on collecting what others in its thread find."""
    found: list[VerifyError] = []
    waiting = gate.ssl_context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
    assert not load_libssl().handshake(waiting, found)
    elsewhere = TLSConnection(replace(gate, openssl=NoCollector()))
    Visitor(make_client("mallory", make_authority("Other CA"))).shake_hands(elsewhere)
    assert elsewhere.peer.errors
    assert found == []


@both
@pytest.mark.parametrize("step", [None, 1])
def test_a_malformed_extension_does_no_harm(
    scene: Scene, gate: ServerContext, step: int | None, version: ssl.TLSVersion
) -> None:
    """What OpenSSL only puts into its error queue stops neither this connection nor another one of the thread."""
    bystander, server = Visitor(), TLSConnection(gate)
    bystander.shake_hands(server)
    broken = x509.UnrecognizedExtension(ExtensionOID.BASIC_CONSTRAINTS, b"\x30\x05nonsense")
    issuer = make_authority("Intermediate", scene.authority)
    decoy = make(named("Intermediate"), extensions=[(broken, False)])
    alice = make_client("alice", issuer, chain=(decoy.certificate, issuer.certificate))
    Visitor(alice, version).shake_hands(visited := TLSConnection(gate), step)
    assert not visited.peer.errors
    assert server.receive(bystander.say(b"hello")[:-1]) == b""


class Inner:
    """Python's part of a connection, with OpenSSL's part of another."""

    __slots__ = ("socket", "ssl")


class Impostor:
    def __init__(self) -> None:
        self._sslobj = Inner()


def test_the_address_of_another_connection_is_found_out(gate: ServerContext) -> None:
    """A pointer that leads to a connection, but not to the one that is asked about, is not used."""
    other = gate.ssl_context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
    offset = object.__basicsize__ + ctypes.sizeof(ctypes.c_void_p)
    impostor = Impostor()
    slot = ctypes.c_void_p.from_address(id(impostor._sslobj) + offset)
    slot.value = ctypes.c_void_p.from_address(id(other._sslobj) + offset).value  # type: ignore[attr-defined]
    try:
        with pytest.raises(BindingError, match="does not lead"):
            load_libssl().verify_result(impostor, [])  # type: ignore[arg-type]
    finally:
        slot.value = None


@pytest.mark.parametrize(
    ("path", "why"), [("/nowhere/_ssl.so", "cannot be opened"), (ctypes.util.find_library("c"), "hides its OpenSSL")]
)
def test_a_python_that_hides_its_openssl(path: str, why: str) -> None:
    """No library, or one without the functions that are needed: both are said, neither is a crash."""
    with pytest.raises(BindingError, match=why):
        OpenSSL(path)


def test_another_layout_is_recognized() -> None:
    """A Python that keeps something else where the context should be is noticed before an address is followed."""
    own, other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    class Lying(ssl.SSLObject):
        @property
        def context(self) -> ssl.SSLContext:  # type: ignore[override]
            return other

    own.sslobject_class = Lying
    with pytest.raises(BindingError):
        load_libssl().complete_every_handshake(own)


def test_names_that_are_no_certificates_are_refused() -> None:
    """What OpenSSL cannot parse is an error of the binding, not a silent gap in the list."""
    with pytest.raises(BindingError, match="cannot read"):
        load_libssl().advertise(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), [b"\x30\x00"])


def test_another_openssl_than_pythons_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its structures may be laid out otherwise: the fallback is safe, a guess is not."""
    monkeypatch.setattr(ssl, "OPENSSL_VERSION_NUMBER", ssl.OPENSSL_VERSION_NUMBER + 0x10)
    with pytest.raises(BindingError, match="but Python's ssl runs on"):
        OpenSSL()
