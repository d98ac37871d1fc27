"""Keys that may be certified, and requests that may be signed."""

from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gatekeeper.gate.keys import MAXIMUM_RSA_BITS, key_weakness, public_key_of, request_weakness
from gatekeeper.x509.request import RawRequest, parse_request

# AlgorithmIdentifier (RFC 5280, 4.1.1.2) with an object identifier and no parameters.
SHA1_WITH_RSA = bytes.fromhex("300b06092a864886f70d010105")
MD5_WITH_RSA = bytes.fromhex("300b06092a864886f70d010104")
ED25519 = bytes.fromhex("300506032b6570")
X25519 = bytes.fromhex("300506032b656e")
RSA_KEY, PSS_KEY = bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06092a864886f70d01010a")

CANNOT_BE_CHECKED = "of a kind that cannot be checked"


def request(key: Any, digest: Any = None) -> RawRequest:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "alice")])
    signed = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, digest)
    return parse_request(signed.public_bytes(Encoding.DER))


@pytest.fixture(scope="module")
def strong() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def good(strong: rsa.RSAPrivateKey) -> RawRequest:
    return request(strong, hashes.SHA256())


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_the_curves_of_tls_are_strong(curve: ec.EllipticCurve) -> None:
    """Those that clients have (RFC 8446, 4.2.3)."""
    assert key_weakness(ec.generate_private_key(curve).public_key()) is None


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.SECP192R1(), ec.BrainpoolP256R1()], ids=lambda curve: curve.name)
def test_other_curves_are_not(curve: ec.EllipticCurve) -> None:
    """No handshake of TLS 1.3 can use them."""
    weakness = key_weakness(ec.generate_private_key(curve).public_key())
    assert weakness == f"its curve {curve.name} is not one of p256, p384, p521"


def test_edwards_keys_are_strong() -> None:
    """RFC 8410."""
    for key in (ed25519.Ed25519PrivateKey.generate(), ed448.Ed448PrivateKey.generate()):
        assert key_weakness(key.public_key()) is None


@pytest.mark.parametrize(
    ("bits", "exponent", "weakness"),
    [
        (2048, 65537, None),
        (2 * MAXIMUM_RSA_BITS, 65537, None),
        (2047, 65537, "has 2047 bits, 2048 is the least"),
        (2 * MAXIMUM_RSA_BITS + 1, 65537, "which only slows every handshake"),
        (2048, 3, "exponent is smaller than 65537"),
        (2048, 65535, "exponent is smaller than 65537"),
    ],
)
def test_rsa_keys_have_a_size_and_an_exponent(bits: int, exponent: int, weakness: str | None) -> None:
    """To the bit. Nobody knows the factors of these, and nobody has to."""
    found = key_weakness(rsa.RSAPublicNumbers(exponent, (1 << (bits - 1)) + 1).public_key())
    assert found == weakness or (found is not None and weakness is not None and weakness in found)


def test_keys_that_no_client_certificate_has() -> None:
    """DSA was never in TLS 1.3, and X25519 cannot sign."""
    for key in (dsa.generate_private_key(1024).public_key(), x25519.X25519PrivateKey.generate().public_key()):
        assert key_weakness(key) == "its key is of a kind that TLS clients do not use"


def test_requests_that_may_be_signed(good: RawRequest) -> None:
    """Signed by the key that is in them, with a hash that nobody forges; Ed25519 takes none."""
    assert request_weakness(good) is None
    assert request_weakness(request(ec.generate_private_key(ec.SECP384R1()), hashes.SHA3_384())) is None
    assert request_weakness(request(ed25519.Ed25519PrivateKey.generate())) is None


def test_a_request_with_a_weak_key_is_not_signed() -> None:
    """The signature is fine."""
    weak = request(rsa.generate_private_key(65537, 1024), hashes.SHA256())
    assert request_weakness(weak) == "its RSA key has 1024 bits, 2048 is the least"


@pytest.mark.parametrize(("algorithm", "name"), [(SHA1_WITH_RSA, "SHA1"), (MD5_WITH_RSA, "MD5")])
def test_hashes_that_can_be_forged(good: RawRequest, algorithm: bytes, name: str) -> None:
    """RFC 6194, RFC 6151: another request could have the same signature."""
    assert request_weakness(replace(good, algorithm=algorithm)) == f"it is signed with {name}, which can be forged"


def test_a_request_that_was_changed(good: RawRequest) -> None:
    """One bit of what was signed: somebody else's name, perhaps."""
    changed = bytes((good.signed[0], *good.signed[1:-1], good.signed[-1] ^ 1))
    assert "does not fit its key" in (request_weakness(replace(good, signed=changed)) or "")


def test_a_request_by_another_key(good: RawRequest) -> None:
    """Whoever sends somebody else's key would get a certificate for it (RFC 2986, 3)."""
    other = request(rsa.generate_private_key(65537, 2048), hashes.SHA256())
    assert "does not fit its key" in (request_weakness(replace(good, spki=other.spki)) or "")


def test_a_key_for_pss_alone_is_not_signed(good: RawRequest) -> None:
    """RFC 4055, 1.2: the certificate would lift the restriction."""
    assert RSA_KEY in good.spki
    restricted = replace(good, spki=good.spki.replace(RSA_KEY, PSS_KEY))
    assert request_weakness(restricted) == "its key is restricted to RSA-PSS, which would be lost"


def test_what_cannot_be_read_cannot_be_checked(good: RawRequest) -> None:
    """Fails closed, and without an exception: strangers send these."""
    assert CANNOT_BE_CHECKED in (request_weakness(replace(good, algorithm=b"\x30\x00")) or "")
    assert CANNOT_BE_CHECKED in (request_weakness(replace(good, spki=b"\x30\x00")) or "")
    broken = replace(good, spki=good.spki[:-1] + b"", algorithm=good.algorithm)
    assert public_key_of(broken) is None
    assert CANNOT_BE_CHECKED in (request_weakness(broken) or "")


@pytest.mark.parametrize("algorithm", [X25519, bytes.fromhex("300406022a03")])
def test_a_signature_of_an_unknown_kind(good: RawRequest, algorithm: bytes) -> None:
    """It has no hash, and is none of those that need none."""
    assert CANNOT_BE_CHECKED in (request_weakness(replace(good, algorithm=algorithm)) or "")


def test_a_signature_of_another_kind_than_the_key(good: RawRequest) -> None:
    """The algorithm says Ed25519, the key is RSA."""
    assert "does not fit its key" in (request_weakness(replace(good, algorithm=ED25519)) or "")
