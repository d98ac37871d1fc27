"""Private keys: generated, written and read."""

import re
from collections.abc import Container
from typing import Any, cast

from cryptography import __version__ as version
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

from gatekeeper.errors import AuthorityError, UsageError
from gatekeeper.gate.keys import MAXIMUM_RSA_BITS, MINIMUM_RSA_BITS

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

# As in the documentation's openssl commands: `openssl genrsa 4096`.
DEFAULT_KEY_TYPE = "rsa:4096"

# openssl requires at least four characters.
MINIMUM_PASSPHRASE = 4
# For a passphrase that is chosen here: NIST SP 800-63B, 5.1.1.2.
MINIMUM_NEW_PASSPHRASE = 8
# zxcvbn's scale from 0 to 4 (Wheeler, USENIX Security 2016): below 2, a million guesses or fewer find it. Whoever has a
# copy of the key needs minutes for these, as each costs 2,048 rounds of PBKDF2.
_LEAST_SCORE = 2
# The part that zxcvbn gets: its running time is quadratic in the length.
_LOOKED_AT = 72

_CURVES: dict[str, type[ec.EllipticCurve]] = {"p256": ec.SECP256R1, "p384": ec.SECP384R1, "p521": ec.SECP521R1}

# EncryptedPrivateKeyInfo begins with a SEQUENCE, a key in clear with the INTEGER of its version (RFC 5958, 2 and 3).
_ENCRYPTED_DER = re.compile(rb"\x30(?:[\x00-\x80]|\x81.|\x82..)\x30", re.DOTALL)

_RSA = re.compile(r"rsa:([0-9]{1,5})", re.ASCII)
_KINDS = "rsa:2048, rsa:3072, rsa:4096, ec:p256, ec:p384, ec:p521, ed25519, ml-dsa-44, ml-dsa-65 or ml-dsa-87"

# Post-quantum signatures (FIPS 204, RFC 9881).
ML_DSA = ("ml-dsa-44", "ml-dsa-65", "ml-dsa-87")


def _ml_dsa_keys() -> dict[str, Any]:
    """The classes of private keys by their kind; none for a cryptography that lacks them, or whose OpenSSL does."""
    try:
        from cryptography.hazmat.primitives.asymmetric import mldsa

        mldsa.MLDSA44PrivateKey.generate()  # 0.1 ms; the classes are there without an OpenSSL that knows them
    except (ImportError, UnsupportedAlgorithm):
        return {}
    kinds = (mldsa.MLDSA44PrivateKey, mldsa.MLDSA65PrivateKey, mldsa.MLDSA87PrivateKey)
    return dict(zip(ML_DSA, kinds, strict=True))


_ML_DSA_KEYS = _ml_dsa_keys()


def check_key_type(key_type: str, ml_dsa: Container[str] = _ML_DSA_KEYS) -> str:
    """Return ``key_type`` if `make_key` supports it; UsageError otherwise. ``ml_dsa`` are the kinds of ML-DSA keys that
    `cryptography` makes.
    """
    size = _RSA.fullmatch(key_type)
    if size and not MINIMUM_RSA_BITS <= int(size[1]) <= MAXIMUM_RSA_BITS:
        raise UsageError(f"an RSA key has {MINIMUM_RSA_BITS} to {MAXIMUM_RSA_BITS} bits, not {size[1]}")
    if size or key_type == "ed25519" or (key_type[:3] == "ec:" and key_type[3:] in _CURVES):
        return key_type
    if key_type in ml_dsa:
        return key_type
    if key_type in ML_DSA:
        raise UsageError(f"the Python library cryptography {version} makes no {key_type} keys; a later one does")
    raise UsageError(f"no such key type: {key_type!r}; there are {_KINDS}")


def check_new_passphrase(passphrase: bytes) -> None:
    """AuthorityError for a passphrase that is too short, or among the first million that an attacker tries.

    Not checked: whether it is a strong one. Four random words are.
    """
    text = passphrase.strip().decode("utf-8", "replace")
    if len(text) < MINIMUM_NEW_PASSPHRASE:
        raise AuthorityError(f"a passphrase has at least {MINIMUM_NEW_PASSPHRASE} characters; take four random words")
    from zxcvbn import zxcvbn  # imported here, because its word lists take a megabyte and one command needs them

    found = zxcvbn(text[:_LOOKED_AT], user_inputs=["gatekeeper"])
    if found["score"] < _LEAST_SCORE:
        why = found["feedback"]["warning"].rstrip(".") or "A program finds it in minutes"
        raise AuthorityError(f"this passphrase is easy to guess ({why[:1].lower()}{why[1:]}); take four random words")


def make_key(key_type: str = DEFAULT_KEY_TYPE) -> PrivateKey:
    """Generate a private key: ``rsa:BITS``, ``ec:p256``, ``ec:p384``, ``ec:p521`` or ``ed25519``; UsageError otherwise.

    ``rsa:4096`` takes seconds.
    """
    kind, _, size = check_key_type(key_type).partition(":")
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=int(size))
    if kind == "ec":
        return ec.generate_private_key(_CURVES[size]())
    if kind in _ML_DSA_KEYS:
        made: PrivateKey = _ML_DSA_KEYS[kind].generate()
        return made
    return ed25519.Ed25519PrivateKey.generate()


def key_pem(key: PrivateKey, passphrase: bytes | None = None) -> bytes:
    """The key as PKCS #8 PEM; with a passphrase AES-256-CBC under PBKDF2, as ``openssl genrsa -aes256`` writes it."""
    encryption: KeySerializationEncryption = (
        NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    )
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def key_is_encrypted(content: bytes) -> bool:
    """Whether a private key needs a passphrase: PKCS #8 in PEM or DER, or the older PEM form (RFC 1421)."""
    if b"-----BEGIN" not in content:
        return bool(_ENCRYPTED_DER.match(content))
    return b"BEGIN ENCRYPTED PRIVATE KEY" in content or b"Proc-Type: 4,ENCRYPTED" in content


def load_key(content: bytes, passphrase: bytes | None, source: str) -> PrivateKey:
    """Read a private key, PEM or DER; AuthorityError if the passphrase is wrong or the file is damaged.

    ``source`` names the file in the error. The passphrase is ignored for a key that is not encrypted. Not checked:
    whether the key is strong enough, see `gatekeeper.gate.keys.key_weakness`.
    """
    encrypted = key_is_encrypted(content)
    load = load_pem_private_key if b"-----BEGIN" in content else load_der_private_key
    if encrypted and passphrase is None:
        raise AuthorityError(f"{source} is encrypted: its passphrase is needed")
    try:
        key = load(content, passphrase if encrypted else None)
    except (ValueError, TypeError) as error:
        if encrypted:
            raise AuthorityError(f"wrong passphrase for {source}, or the file is damaged") from error
        raise AuthorityError(f"{source} holds no private key that can be read") from error
    except UnsupportedAlgorithm as error:
        raise AuthorityError(f"{source} holds a private key of a kind that cannot be used; take {_KINDS}") from error
    return usable_key(key, source)


def usable_key(key: PrivateKeyTypes | None, source: str) -> PrivateKey:
    """Narrow a key that *cryptography* read to the types that can sign certificates here; AuthorityError for others."""
    if is_ml_dsa(key):
        return cast(PrivateKey, key)
    if not isinstance(key, PrivateKey):
        raise AuthorityError(f"{source} holds a private key of a kind that cannot be used; take {_KINDS}")
    return key


def is_ml_dsa(key: object) -> bool:
    """Whether this is a private key for ML-DSA, which few other programs support."""
    return isinstance(key, tuple(_ML_DSA_KEYS.values()))


def describe_key(key: object) -> str:
    """The type of a public or private key in words: ``RSA, 4096 bits``."""
    if isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey):
        return f"RSA, {key.key_size} bits"
    if isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        return f"elliptic curve {key.curve.name}"
    name = type(key).__name__.lstrip("_").removesuffix("PublicKey").removesuffix("PrivateKey")
    return name.replace("MLDSA", "ML-DSA-", 1)


def signature_hash(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    """The hash that a key signs with: None for Ed25519 (RFC 8410), one of the curve's strength for EC, else SHA-256."""
    if isinstance(key, ed25519.Ed25519PrivateKey) or is_ml_dsa(key):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size > 256:
        return hashes.SHA512() if key.curve.key_size > 384 else hashes.SHA384()
    return hashes.SHA256()
