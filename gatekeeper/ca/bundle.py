"""PKCS #12 bundles (RFC 7292): a key, its certificate and the authority's, in one file under one password."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12

from gatekeeper.ca.keys import PrivateKey, is_ml_dsa, usable_key
from gatekeeper.errors import AuthorityError

# Rounds of key derivation. They protect passwords that people choose; a generated one has 100 bits. NSS accepts at most
# 600,000; phones that need the old form are slow.
_ROUNDS = 100_000
_COMPAT_ROUNDS = 20_000

# Easy to type and to read aloud: lower-case letters and digits without l, o, 0 and 1. 32 characters: five bits each.
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 4, 5


# PFX ::= SEQUENCE { version INTEGER {v3(3)} … } (RFC 7292, 4), the SEQUENCE's length in any form.
_PFX = re.compile(rb"\x30(?:[\x00-\x80]|\x81.|\x82..|\x83...|\x84....)\x02\x01\x03", re.DOTALL)


def is_bundle(content: bytes) -> bool:
    """Whether this is a PKCS #12, by how it begins."""
    return _PFX.match(content) is not None


def make_password() -> str:
    """A password of 100 random bits, in groups that can be typed on a phone: ``k7m2p-…``."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))


def make_bundle(
    key: PrivateKey,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    password: str,
    *,
    friendly_name: str,
    compat: bool = False,
) -> bytes:
    """The bytes of a ``.p12``; AuthorityError for an empty password. ``chain`` are the authorities that go along.

    Encrypted with AES-256-CBC and PBKDF2, authenticated with HMAC-SHA-256. ``compat`` uses 3DES and SHA-1 instead, for
    importers of Apple, Android and older Windows, which report a wrong password for the modern form.
    """
    if not password.strip():
        raise AuthorityError("an empty password protects nothing: the bundle holds the private key")
    if is_ml_dsa(key):
        raise AuthorityError(
            "a .p12 with an ML-DSA key cannot be made, and no browser would import it; keep the key where it is used "
            "(gatekeeper ca csr, gatekeeper ca sign), or take another kind"
        )
    builder = PrivateFormat.PKCS12.encryption_builder()
    if compat:
        builder = (
            builder.kdf_rounds(_COMPAT_ROUNDS)
            .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
            .hmac_hash(hashes.SHA1())  # noqa: S303 — what compatibility means here
        )
    else:
        builder = (
            builder.kdf_rounds(_ROUNDS)
            .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
            .hmac_hash(hashes.SHA256())
        )
    return pkcs12.serialize_key_and_certificates(
        friendly_name.encode(), key, certificate, list(chain) or None, builder.build(password.encode())
    )


@dataclass(frozen=True, slots=True)
class Bundle:
    """The content of a ``.p12``: the key, its certificate, and the other certificates."""

    key: PrivateKey | None
    certificate: x509.Certificate | None
    others: tuple[x509.Certificate, ...]


def read_bundle(content: bytes, password: str, source: str) -> Bundle:
    """Open a ``.p12``; AuthorityError if the password is wrong or the file is damaged. ``source`` names it in the
    error.
    """
    try:
        opened = pkcs12.load_pkcs12(content, password.encode())
    except ValueError as error:
        raise AuthorityError(f"wrong password for {source}, or it is not a PKCS #12 bundle") from error
    return Bundle(
        usable_key(opened.key, source) if opened.key else None,
        opened.cert.certificate if opened.cert else None,
        tuple(other.certificate for other in opened.additional_certs),
    )
