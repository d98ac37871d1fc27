"""Several authorities of one name, and authorities that were renewed: every one of them is tried."""

import ssl
from collections.abc import Callable

import pytest
from cryptography import x509

from gatekeeper.errors import BindingError
from gatekeeper.gate.certificate import read_certificate
from gatekeeper.gate.verdict import Peer
from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.context import ServerContext
from gatekeeper.tls.openssl import OpenSSL
from tests.certificates import DAY, NOW, SERVER, Holder, as_v1, make, make_authority, make_client, named, new_key
from tests.tls.scene import VERSIONS, Scene, Visitor

FIRST, SECOND, FOREIGN = make_authority("Home CA"), make_authority("Home CA"), make_authority("Home CA")
CONSTRAINTS = (x509.BasicConstraints(ca=True, path_length=None), True)


def seen(gate: ServerContext, holder: Holder, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> Peer:
    """What a handshake tells of this visitor; without a handshake it is the same."""
    server = TLSConnection(gate)
    Visitor(holder, version).shake_hands(server)
    assert gate.verify(holder.der, server.peer.sent) == server.peer
    return server.peer


def authority_named(issuer: Holder, serial: int) -> x509.AuthorityKeyIdentifier:
    """As easy-rsa writes it: the issuer's name and serial number beside its key."""
    key = x509.SubjectKeyIdentifier.from_public_key(issuer.key.public_key()).digest
    return x509.AuthorityKeyIdentifier(key, [x509.DirectoryName(issuer.certificate.subject)], serial)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("issuer", [FIRST, SECOND])
def test_each_authority_of_a_name_is_tried(scene: Scene, version: ssl.TLSVersion, issuer: Holder) -> None:
    """A v1 certificate does not say which key signed it: OpenSSL alone takes the first of the name, and no other."""
    visitor = as_v1(make(named("alice"), issuer), issuer)
    assert seen(scene.gate(FIRST, SECOND), visitor, version) == Peer(visitor.der, verified=(issuer.der,))


def test_an_authority_of_the_same_name_that_is_not_trusted_admits_nobody(scene: Scene) -> None:
    """The signature decides, however many have that name."""
    gate = scene.gate(FIRST, SECOND)
    for visitor in (
        as_v1(make(named("eve"), FOREIGN), FOREIGN),
        make_client("eve", FOREIGN, chain=(FOREIGN.certificate,)),
    ):
        peer = seen(gate, visitor)
        assert peer.verified == ()
        assert peer.errors


def test_a_visitor_who_is_called_like_the_authority_admits_nobody(scene: Scene) -> None:
    """A certificate that signed itself under the authority's name; with the real one sent along, too."""
    eve = make(named("Home CA"), extensions=[CONSTRAINTS])
    for chain in ((), (FIRST.certificate,)):
        peer = seen(scene.gate(FIRST, SECOND), Holder(eve.key, eve.certificate, chain))
        assert (peer.verified, bool(peer.errors)) == ((), True)


def test_a_certificate_below_the_second_authority(scene: Scene) -> None:
    """The one in between, which came along, does not say either which key signed it."""
    between = make_authority("Between CA", SECOND)
    visitor = make_client("alice", between, chain=(between.certificate,))
    assert seen(scene.gate(FIRST, SECOND), visitor).verified == (between.der, SECOND.der)


def test_an_authority_that_was_renewed_with_the_same_key(scene: Scene) -> None:
    """Its certificates name the serial number that the authority had before, which RFC 5280, 6.1, does not ask for."""
    old = make_authority("Home CA", serial=1)
    renewed = make_authority("Home CA", key=old.key, serial=2)
    visitor = make(named("alice"), old, extensions=[(authority_named(old, 1), False)])
    assert seen(scene.gate(renewed), visitor) == Peer(visitor.der, verified=(renewed.der,))
    assert seen(scene.gate(make_authority("Home CA", serial=2)), visitor).errors


def test_an_authority_that_ended_and_was_renewed(scene: Scene) -> None:
    """OpenSSL alone takes the certificate that the identifier means, and says that it has expired."""
    old = make_authority("Home CA", serial=1, starts=NOW - 9 * DAY, ends=NOW - DAY)
    renewed = make_authority("Home CA", key=old.key, serial=2)
    visitor = make(named("alice"), old, extensions=[(authority_named(old, 1), False)])
    assert seen(scene.gate(old, renewed), visitor) == Peer(visitor.der, verified=(renewed.der,))
    assert [error.code for error in seen(scene.gate(old), visitor).errors] == [10]


def test_an_identifier_of_another_key(scene: Scene) -> None:
    """The identifier is a hint for finding the issuer (RFC 5280, 4.2.1.1); the signature is what counts."""
    identifier = x509.AuthorityKeyIdentifier(b"x" * 20, None, None)
    home = make(named("Home CA"), extensions=[CONSTRAINTS, (x509.SubjectKeyIdentifier(b"y" * 20), False)])
    visitor = make(named("alice"), home, extensions=[(identifier, False)])
    assert seen(scene.gate(home), visitor).verified == (home.der,)


BAD: dict[str, tuple[Callable[[], Holder], int]] = {
    "expired": (lambda: make_client("a", SECOND, starts=NOW - 9 * DAY, ends=NOW - DAY), 10),
    "made for servers": (lambda: make_client("a", SECOND, [SERVER]), 26),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_wrong_with_the_certificate_itself_is_said(scene: Scene, kind: str) -> None:
    """Not "unknown issuer", which is true of the first authority of the name only."""
    make_it, code = BAD[kind]
    assert {error.code for error in seen(scene.gate(FIRST, SECOND), make_it()).errors} == {code}


def test_an_authority_that_must_not_sign_certificates(scene: Scene) -> None:
    """RFC 5280, 6.1.4 (n): its key fits, its key usage does not. It stands in the bundle only because of the test."""
    usage = x509.KeyUsage(True, False, False, False, False, False, True, False, False)
    unable = make(named("Home CA"), extensions=[CONSTRAINTS, (usage, True)])
    gate = scene.gate(FIRST)
    gate.ssl_context.load_verify_locations(cadata=unable.der)
    authorities = (*gate.authorities, read_certificate(unable.der))
    trusting = ServerContext(gate.ssl_context, gate.openssl, gate.names, authorities)
    assert trusting.verify(make(named("alice"), unable).der).errors
    assert not trusting.verify(make(named("alice"), FIRST).der).errors


def test_names_above_the_authority_are_no_reason_to_try(scene: Scene) -> None:
    """A stranger of another name costs nothing more: the second verification is not begun."""

    class Counting(OpenSSL):
        tries = 0

        def verify_by_keys(self, *arguments: object) -> Peer:
            type(self).tries += 1
            return super().verify_by_keys(*arguments)  # type: ignore[arg-type]

    gate = scene.gate(FIRST, SECOND, binding=Counting)
    seen(gate, make_client("eve", make_authority("Other CA")))
    seen(gate, make_client("alice", FIRST))
    assert Counting.tries == 0
    seen(gate, make_client("alice", SECOND))
    assert Counting.tries == 2


def test_only_keys_of_authorities_are_tried(scene: Scene) -> None:
    """Hundreds of certificates of one name, sent along, would otherwise cost hundreds of signatures a handshake."""

    class Counting(OpenSSL):
        tries = 0

        def __init__(self) -> None:
            super().__init__()
            verify = self._call["X509_verify"]

            def counted(subject: int, key: int) -> int:
                Counting.tries += 1
                return int(verify(subject, key))

            self._call["X509_verify"] = counted

    key = new_key()
    crowd = tuple(make_authority("Home CA", key=key, serial=number).certificate for number in range(20, 40))
    gate = scene.gate(FIRST, SECOND, binding=Counting, certificate_size=1 << 20)
    Counting.tries = 0
    assert seen(gate, make_client("eve", FOREIGN, chain=crowd)).errors
    assert Counting.tries <= 2 * len((FIRST, SECOND)) * 6  # two verifications; six look-ups, whatever came along


@pytest.mark.parametrize("version", VERSIONS)
def test_a_gate_that_refuses_in_the_handshake_tries_too(scene: Scene, version: ssl.TLSVersion) -> None:
    """``on_refusal = "handshake"``: the question is asked about the path that was found in the end."""
    between = make_authority("Between CA", SECOND)
    visitor = make_client("alice", between, chain=(between.certificate,))
    asked: list[Peer] = []

    def refuse(peer: Peer) -> int:
        asked.append(peer)
        return 28 if peer.errors else 0

    server = TLSConnection(scene.gate(FIRST, SECOND), refuse)
    Visitor(visitor, version).shake_hands(server)
    assert server.peer.verified == (between.der, SECOND.der)
    assert {peer.verified for peer in asked} == {(between.der, SECOND.der)}


def test_without_the_binding_namesakes_are_pointed_out(scene: Scene) -> None:
    """OpenSSL then judges alone, and takes the first by name where a certificate does not say which key signed it."""

    def unreachable() -> OpenSSL:
        raise BindingError("this Python hides its OpenSSL")

    (warning,) = scene.gate(FIRST, make_authority("home  CA"), binding=unreachable).warnings
    assert "2 authorities with the name CN=" in warning
    renewed = make_authority("Home CA", key=FIRST.key)
    assert scene.gate(FIRST, renewed, binding=unreachable).warnings == ()
    assert scene.gate(FIRST, SECOND).warnings == ()
