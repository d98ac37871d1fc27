"""gatekeeper.ca.keys"""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from gatekeeper.ca.keys import (
    DEFAULT_KEY_TYPE,
    check_key_type,
    describe_key,
    key_is_encrypted,
    key_pem,
    load_key,
    make_key,
)
from gatekeeper.errors import AuthorityError, UsageError
from gatekeeper.gate.keys import key_weakness


@pytest.mark.parametrize(
    ("key_type", "words"),
    [
        ("rsa:2048", "RSA, 2048 bits"),
        ("ec:p256", "elliptic curve secp256r1"),
        ("ec:p384", "elliptic curve secp384r1"),
        ("ec:p521", "elliptic curve secp521r1"),
        ("ed25519", "Ed25519"),
    ],
)
def test_each_key_type_makes_its_key(key_type: str, words: str) -> None:
    """A key type names kind and size of the key that is made, and such a key may be certified."""
    key = make_key(key_type)
    assert describe_key(key) == describe_key(key.public_key()) == words
    assert key_weakness(key.public_key()) is None


def test_the_default_is_the_recipes_key() -> None:
    """Without a wish the key is RSA with 4096 bits."""
    assert DEFAULT_KEY_TYPE == "rsa:4096"
    assert describe_key(make_key()) == "RSA, 4096 bits"


@pytest.mark.parametrize(
    "key_type", ["rsa", "rsa:", "rsa:1024", "rsa:99999", "rsa:-1", "rsa:２０４８", "ec:", "ec:p192", "dsa", ""]
)
def test_an_unknown_key_type_is_wrong_usage(key_type: str) -> None:
    """Key types that do not exist, or are weak or absurdly large, are refused before any key is made."""
    with pytest.raises(UsageError):
        check_key_type(key_type)


@pytest.mark.parametrize("key_type", ["rsa:2048", "ec:p256", "ed25519"])
def test_openssl_reads_the_encrypted_key(key_type: str, openssl: Any) -> None:
    """A key with a passphrase is PKCS #8 under AES-256, and openssl opens it."""
    pem = key_pem(make_key(key_type), b"open sesame")
    assert pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert "aes-256-cbc" in openssl("asn1parse", stdin=pem)
    openssl("pkey", "-passin", "pass:open sesame", "-noout", stdin=pem)


@pytest.mark.parametrize(
    "arguments", [("genrsa", "-aes256"), ("genrsa", "-aes256", "-traditional"), ("genrsa", "-des3")]
)
def test_openssls_encrypted_keys_are_read(arguments: tuple[str, ...], openssl: Any) -> None:
    """`openssl genrsa -aes256` is read in its PKCS #8 form and in the older one with Proc-Type."""
    pem = openssl(*arguments, "-passout", "pass:open sesame", "2048").encode()
    assert key_is_encrypted(pem)
    assert describe_key(load_key(pem, b"open sesame", "ca.key")) == "RSA, 2048 bits"


def test_a_wrong_passphrase_is_a_sentence() -> None:
    """A wrong passphrase says so and names the file."""
    pem = key_pem(make_key("ec:p256"), b"right")
    with pytest.raises(AuthorityError, match=r"^wrong passphrase for ca\.key, or the file is damaged$"):
        load_key(pem, b"wrong", "ca.key")


@pytest.mark.parametrize("passphrase", [None, b"open sesame"])
def test_der_is_read_too(passphrase: bytes | None) -> None:
    """`openssl pkcs8 -outform DER`, in clear and encrypted."""
    key = make_key("rsa:2048")
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, encryption)
    assert key_is_encrypted(der) is bool(passphrase)
    assert load_key(der, passphrase, "a.key").private_numbers() == key.private_numbers()


def test_a_missing_passphrase_is_a_sentence() -> None:
    """An encrypted key without a passphrase says what is needed."""
    with pytest.raises(AuthorityError, match="its passphrase is needed"):
        load_key(key_pem(make_key("ec:p256"), b"right"), None, "ca.key")


@pytest.mark.parametrize("pem", [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_is_a_sentence(pem: bytes) -> None:
    """A file that holds no key is named, without a traceback."""
    with pytest.raises(AuthorityError, match=r"x\.key holds no private key"):
        load_key(pem, b"any", "x.key")


def test_a_key_that_cannot_sign_here_is_refused() -> None:
    """DSA is a private key, but not one of ours."""
    pem = dsa.generate_private_key(2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(AuthorityError, match="of a kind that cannot be used"):
        load_key(pem, None, "x.key")


def test_a_passphrase_that_is_not_needed_is_not_used() -> None:
    """An unencrypted key opens whatever passphrase is given along."""
    pem = key_pem(make_key("ec:p256"))
    assert not key_is_encrypted(pem)
    assert load_key(pem, b"any", "x.key")


def test_weak_keys_are_named() -> None:
    """RSA below 2048 bits, an exponent of 3, other curves and other kinds are not certified."""
    weak = rsa.generate_private_key(65537, 1024).public_key()
    assert "1024 bits, 2048 is the least" in (key_weakness(weak) or "")
    three = rsa.generate_private_key(3, 2048).public_key()
    assert "exponent" in (key_weakness(three) or "")
    assert "secp256k1" in (key_weakness(ec.generate_private_key(ec.SECP256K1()).public_key()) or "")
    assert "of a kind" in (key_weakness(dsa.generate_private_key(2048).public_key()) or "")
