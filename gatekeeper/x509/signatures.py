"""Verification of signatures on certificates, CRLs, OCSP responses and requests.

Key and algorithm are passed as DER. A key of a type or encoding that `cryptography` does not support makes the
signature "not verified"; it raises no exception.
"""

from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gatekeeper.x509.der import SEQUENCE, Element, children, dotted, element, integer, only, raw

_PKCS1, _ECDSA, _NIST = "1.2.840.113549.1.1.", "1.2.840.10045.4.", "2.16.840.1.101.3.4."
# RFC 8017, A.2.4; RFC 5758; RFC 8702 and the register of NIST (csrc.nist.gov, Computer Security Objects Register).
_DIGESTS: Mapping[str, hashes.HashAlgorithm] = {
    _PKCS1 + "4": hashes.MD5(),  # noqa: S303
    _PKCS1 + "5": hashes.SHA1(),  # noqa: S303
    _PKCS1 + "14": hashes.SHA224(),
    _PKCS1 + "11": hashes.SHA256(),
    _PKCS1 + "12": hashes.SHA384(),
    _PKCS1 + "13": hashes.SHA512(),
    _ECDSA + "1": hashes.SHA1(),  # noqa: S303
    _ECDSA + "3.1": hashes.SHA224(),
    _ECDSA + "3.2": hashes.SHA256(),
    _ECDSA + "3.3": hashes.SHA384(),
    _ECDSA + "3.4": hashes.SHA512(),
    "1.2.840.10040.4.3": hashes.SHA1(),  # noqa: S303
    _NIST + "3.1": hashes.SHA224(),  # DSA
    _NIST + "3.2": hashes.SHA256(),
    _NIST + "3.10": hashes.SHA3_256(),  # ECDSA
    _NIST + "3.11": hashes.SHA3_384(),
    _NIST + "3.12": hashes.SHA3_512(),
    _NIST + "3.14": hashes.SHA3_256(),  # RSA
    _NIST + "3.15": hashes.SHA3_384(),
    _NIST + "3.16": hashes.SHA3_512(),
}
_PSS = _PKCS1 + "10"
_HASHES: Mapping[str, hashes.HashAlgorithm] = {
    "1.3.14.3.2.26": hashes.SHA1(),  # noqa: S303
    _NIST + "2.4": hashes.SHA224(),
    _NIST + "2.1": hashes.SHA256(),
    _NIST + "2.2": hashes.SHA384(),
    _NIST + "2.3": hashes.SHA512(),
    _NIST + "2.8": hashes.SHA3_256(),
    _NIST + "2.9": hashes.SHA3_384(),
    _NIST + "2.10": hashes.SHA3_512(),
}
_BROKEN = (hashes.MD5, hashes.SHA1)


def algorithm_name(algorithm: bytes) -> str:
    """The dotted OID of an AlgorithmIdentifier (RFC 5280, 4.1.1.2); ValueError if it is malformed."""
    oid, *_ = only(algorithm)
    return dotted(algorithm[oid.start : oid.stop])


def key_algorithm(spki: bytes) -> str:
    """The dotted OID of a key's type (RFC 5280, 4.1.2.7); ValueError if it is malformed."""
    algorithm, *_ = only(spki)
    return algorithm_name(raw(spki, algorithm))


def digest_of(algorithm: bytes) -> hashes.HashAlgorithm | None:
    """The hash of a signature algorithm; None if it has none (Ed25519) or is unknown.

    ValueError if the AlgorithmIdentifier is malformed, or RSASSA-PSS with parameters that are not supported.
    """
    return _pss(algorithm)[0] if algorithm_name(algorithm) == _PSS else _DIGESTS.get(algorithm_name(algorithm))


def broken_digest(algorithm: bytes) -> str | None:
    """The name of the algorithm's hash if collisions can be computed (RFC 6194, RFC 6151), None otherwise; ValueError
    as `digest_of`.
    """
    digest = digest_of(algorithm)
    return digest.name if isinstance(digest, _BROKEN) else None


def has_signed(spki: bytes, algorithm: bytes, signed: bytes, signature: bytes) -> bool:
    """Whether the private key of ``spki`` made ``signature`` over ``signed``. Never raises."""
    try:
        _verify(load_der_public_key(spki), algorithm, signed, signature)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _verify(key: Any, algorithm: bytes, signed: bytes, signature: bytes) -> None:
    name = algorithm_name(algorithm)
    digest = _DIGESTS.get(name)
    if name == _PSS and isinstance(key, rsa.RSAPublicKey):
        digest, salt = _pss(algorithm)
        key.verify(signature, signed, padding.PSS(padding.MGF1(digest), salt), digest)
    elif digest is not None and isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, signed, padding.PKCS1v15(), digest)
    elif digest is not None and isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, signed, ec.ECDSA(digest))
    elif digest is not None and isinstance(key, dsa.DSAPublicKey):
        key.verify(signature, signed, digest)
    elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey) or name in ML_DSA:
        key.verify(signature, signed)
    else:
        raise UnsupportedAlgorithm(f"a signature by {name}")


ML_DSA = frozenset(f"{_NIST}3.{number}" for number in (17, 18, 19))
"""RFC 9881: `cryptography` has keys of these kinds where its OpenSSL is 3.5 or later."""

SIGNING_NO_HASH = frozenset({"1.3.101.112", "1.3.101.113", *ML_DSA})
"""Ed25519, Ed448 (RFC 8410) and ML-DSA sign the message itself."""


def _pss(algorithm: bytes) -> tuple[hashes.HashAlgorithm, int]:
    """Hash and salt length of RSASSA-PSS-params (RFC 4055, 3.1). A different hash for MGF1 is not supported: not
    verified.
    """
    digest: hashes.HashAlgorithm = hashes.SHA1()  # noqa: S303
    mask, salt = digest, 20
    _, *parameters = only(algorithm)
    for one in children(algorithm, parameters[0]) if parameters else ():
        inner = element(algorithm, one.start, one.stop)
        if one.tag == 0xA0:
            digest = _hash(algorithm, inner)
        elif one.tag == 0xA1:
            _, parameter, *_ = children(algorithm, inner)
            mask = _hash(algorithm, parameter)
        elif one.tag == 0xA2:
            salt = integer(algorithm, inner)
    if mask.name != digest.name:
        raise ValueError("RSASSA-PSS with two hashes")
    return digest, salt


def _hash(data: bytes, identifier: Element) -> hashes.HashAlgorithm:
    oid, *_ = children(data, identifier, SEQUENCE)
    name = dotted(data[oid.start : oid.stop])
    if name not in _HASHES:
        raise ValueError(f"RSASSA-PSS with {name}")
    return _HASHES[name]
