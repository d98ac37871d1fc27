"""How much of certificates a visitor may send, how long a path may be, and which names of authorities are sent."""

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from gatekeeper.errors import TLSError
from gatekeeper.gate.verdict import Peer
from gatekeeper.tls.connection import TLSConnection
from tests.certificates import Holder, make, make_authority, make_client, named, new_key
from tests.tls.scene import VERSIONS, Scene, Visitor


def peer(scene: Scene, holder: Holder, certificate_size: int = 16 * 1024) -> Peer:
    server = TLSConnection(scene.gate(certificate_size=certificate_size))
    Visitor(holder).shake_hands(server)
    return server.peer


def large(scene: Scene, size: int) -> Holder:
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier("urn:" + "x" * size)])
    return make(named("alice"), scene.authority, extensions=[(names, False)])


def test_a_list_of_certificates_has_a_size(scene: Scene) -> None:
    """Above it the handshake ends: OpenSSL alone takes 100 KiB, which cost a connection 1.6 MiB."""
    assert peer(scene, large(scene, 15 * 1024)).errors == ()
    assert peer(scene, large(scene, 30 * 1024), certificate_size=40 * 1024).errors == ()
    with pytest.raises(TLSError, match="excessive message size"):
        peer(scene, large(scene, 30 * 1024))


def below(scene: Scene, count: int) -> Holder:
    issuer = scene.authority
    chain: tuple[x509.Certificate, ...] = ()
    for number in range(count):
        issuer = make_authority(f"CA {number}", issuer)
        chain = (issuer.certificate, *chain)
    return make_client("alice", issuer, chain=chain)


@pytest.mark.parametrize(("count", "errors"), [(5, 0), (6, 1)])
def test_a_path_has_a_length(scene: Scene, count: int, errors: int) -> None:
    """Five authorities between; the default of the setting. Without a handshake it is the same."""
    holder = below(scene, count)
    found = peer(scene, holder)
    assert bool(found.errors) == errors
    assert scene.gate().verify(holder.der, found.sent).errors == found.errors


def authorities(count: int) -> list[Holder]:
    """With names of some 150 bytes and one key, which costs less time."""
    key, constraints = new_key(), [(x509.BasicConstraints(ca=True, path_length=None), True)]
    unit = x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "x" * 60)
    names = ([unit, unit, x509.NameAttribute(NameOID.COMMON_NAME, f"CA {number}")] for number in range(count))
    return [make(x509.Name(name), key=key, extensions=constraints) for name in names]


@pytest.mark.parametrize("version", VERSIONS)
def test_more_names_than_a_handshake_can_carry(scene: Scene, version: int) -> None:
    """RFC 5246, 7.4.4: 65,535 bytes. With one more no handshake would work, for anybody; so none is sent."""
    many = authorities(480)
    gate = scene.gate(scene.authority, *many)
    (warning,) = gate.warnings
    assert "more than a handshake can carry" in warning
    server = TLSConnection(gate)
    flight = Visitor(make_client("alice", scene.authority), version).shake_hands(server)  # type: ignore[arg-type]
    assert server.peer.errors == ()
    assert b"x" * 60 not in flight


def test_names_just_below_the_limit_are_sent(scene: Scene) -> None:
    """The near miss: 380 of them. Some clients cannot read so many: a warning says so."""
    gate = scene.gate(scene.authority, *authorities(380))
    (warning,) = gate.warnings
    assert "above 16 KiB some clients cannot connect" in warning
    server = TLSConnection(gate)
    Visitor(make_client("alice", scene.authority), VERSIONS[0]).shake_hands(server)
    assert server.peer.errors == ()


def test_names_that_every_client_can_read_are_no_matter(scene: Scene) -> None:
    """Below 16 KiB: with the list of algorithms in front of them they fit into one record of TLS 1.2."""
    assert scene.gate(scene.authority, *authorities(95)).warnings == ()
    assert len(scene.gate(scene.authority, *authorities(105)).warnings) == 1
