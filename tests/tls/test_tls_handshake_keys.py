"""gatekeeper.tls.handshake_keys, compared with handshakes."""

import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

from gatekeeper.errors import TLSError
from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.handshake_keys import unusable_in_handshakes
from tests.certificates import Holder, make_authority, make_server, new_key
from tests.der import bits, certificate, number, oid, seq, spki, tlv
from tests.tls.scene import VERSIONS, Scene, Visitor

USABLE = {
    "RSA": rsa.generate_private_key(65537, 2048),
    "DSA": dsa.generate_private_key(2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    "Ed448": ed448.Ed448PrivateKey.generate(),
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "P-521": ec.generate_private_key(ec.SECP521R1()),
}
CURVES = (ec.SECP224R1, ec.SECP256K1, ec.BrainpoolP256R1, ec.BrainpoolP384R1, ec.BrainpoolP512R1)


def signs(scene: Scene, key: object, version: ssl.TLSVersion) -> bool:
    """Whether a client with this key can show its certificate."""
    der = certificate(scene.authority, key)  # type: ignore[arg-type]
    server = TLSConnection(scene.gate())
    try:
        Visitor(Holder(key, x509.load_der_x509_certificate(der)), version).shake_hands(server)  # type: ignore[arg-type]
    except TLSError:
        return False
    return server.peer.leaf is not None


@pytest.mark.parametrize("kind", USABLE)
def test_keys_that_can_sign(scene: Scene, kind: str) -> None:
    """In one of the two versions at least."""
    key = USABLE[kind]
    assert any(signs(scene, key, version) for version in VERSIONS)
    assert unusable_in_handshakes(spki(key)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("curve", CURVES)
def test_curves_that_clients_may_not_sign_with(scene: Scene, curve: type[ec.EllipticCurve]) -> None:
    """RFC 8446, 4.2.3, has P-256, P-384 and P-521. OpenSSL calls the certificate good. Since 3.2 it takes Brainpool
    curves in TLS 1.3 (RFC 8734)."""
    key = ec.generate_private_key(curve())
    assert not scene.gate().verify(certificate(scene.authority, key)).errors
    usable = curve.__name__.startswith("Brainpool") and ssl.OPENSSL_VERSION_INFO >= (3, 2)
    assert any(signs(scene, key, version) for version in VERSIONS) is usable
    assert ("P-256, P-384 and P-521" in str(unusable_in_handshakes(spki(key)))) is not usable


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (seq(seq(oid("1.3.101.110")), bits(b"x" * 32)), "do not sign with keys of the kind 1.3.101.110"),
        (seq(seq(oid("1.2.840.10045.2.1"), seq(number(1))), bits(b"")), "not with explicit parameters"),
        (seq(seq(oid("1.2.840.10045.2.1")), bits(b"")), "cannot be read"),
        (seq(tlv(0x05), bits(b"")), "cannot be read"),
        (b"", "cannot be read"),
    ],
    ids=["X25519", "explicit parameters", "no parameters", "no kind", "nothing"],
)
def test_keys_of_other_kinds(key: bytes, words: str) -> None:
    """Half a sentence for each, and no exception."""
    assert words in str(unusable_in_handshakes(key))


def test_ml_dsa_is_usable_where_openssl_knows_it() -> None:
    """RFC 9881; since OpenSSL 3.5."""
    found = unusable_in_handshakes(seq(seq(oid("2.16.840.1.101.3.4.3.18")), bits(b"x")))
    assert (found is None) == (ssl.OPENSSL_VERSION_INFO >= (3, 5))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    authority = make_authority("Home CA", key=new_key())
    return Scene(tmp_path_factory.mktemp("keys"), authority, make_server("localhost", authority))
