"""Which public keys are strong enough to be certified, and whether a requester holds the key."""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gatekeeper.x509.request import RawRequest
from gatekeeper.x509.signatures import SIGNING_NO_HASH, algorithm_name, digest_of, has_signed, key_algorithm

try:
    from cryptography.hazmat.primitives.asymmetric import mldsa

    _ML_DSA_KEYS: tuple[type, ...] = (mldsa.MLDSA44PublicKey, mldsa.MLDSA65PublicKey, mldsa.MLDSA87PublicKey)
except ImportError:  # an older cryptography
    _ML_DSA_KEYS = ()

# NIST SP 800-57 part 1, 5.6.2: RSA keys below 2048 bits are not acceptable any more.
MINIMUM_RSA_BITS = 2048
# Larger keys cost seconds in a handshake and protect nobody better; some clients reject them.
MAXIMUM_RSA_BITS = 8192

_RSASSA_PSS = "1.2.840.113549.1.1.10"
_STRONG_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_STRONG_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512, hashes.SHA3_256, hashes.SHA3_384, hashes.SHA3_512)


def key_weakness(key: object) -> str | None:
    """Why a public key must not be certified, as half a sentence; None if it may be."""
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < MINIMUM_RSA_BITS:
            return f"its RSA key has {key.key_size} bits, {MINIMUM_RSA_BITS} is the least"
        if key.key_size > 2 * MAXIMUM_RSA_BITS:
            return f"its RSA key has {key.key_size} bits, which only slows every handshake"
        # An exponent of 1 makes every signature fit; 3 is old and forgeable by sloppy verifiers (CVE-2006-4339).
        return None if key.public_numbers().e >= 65537 else "its RSA exponent is smaller than 65537"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return (
            None
            if isinstance(key.curve, _STRONG_CURVES)
            else f"its curve {key.curve.name} is not one of p256, p384, p521"
        )
    if isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey, *_ML_DSA_KEYS)):
        return None
    return "its key is of a kind that TLS clients do not use"


def public_key_of(request: RawRequest) -> CertificatePublicKeyTypes | None:
    """The key in a request; None if it is of a kind that cannot be checked."""
    try:
        return load_der_public_key(request.spki)  # type: ignore[return-value]
    except (UnsupportedAlgorithm, ValueError, TypeError):
        return None


def request_weakness(request: RawRequest) -> str | None:
    """Why a request (PKCS #10) must not be signed, as half a sentence: its key, its hash, or a signature that is not
    by its key; None if it may be signed. Not checked: the names in it.
    """
    try:
        algorithm, digest = algorithm_name(request.algorithm), digest_of(request.algorithm)
        restricted = key_algorithm(request.spki) == _RSASSA_PSS
    except ValueError:
        return _UNKNOWN
    if digest is not None and not isinstance(digest, _STRONG_HASHES):
        return f"it is signed with {digest.name.upper()}, which can be forged"
    if restricted:
        # RFC 4055, 1.2: the key is for RSASSA-PSS only. The certificate would say that it may be used for anything.
        return "its key is restricted to RSA-PSS, which would be lost"
    key = public_key_of(request)
    if key is None or (digest is None and algorithm not in SIGNING_NO_HASH):
        return _UNKNOWN
    if weakness := key_weakness(key):
        return weakness
    if has_signed(request.spki, request.algorithm, request.signed, request.signature):
        return None
    return "its signature does not fit its key, so it was changed on the way"


_UNKNOWN = "its key or its signature is of a kind that cannot be checked"
