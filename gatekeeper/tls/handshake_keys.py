"""Which keys can sign a TLS handshake: a certificate with any other may be valid, but no client can use it."""

import ssl

from gatekeeper.x509.der import OID, children, content, dotted, only
from gatekeeper.x509.signatures import ML_DSA

_EC = "1.2.840.10045.2.1"
_NAMED_CURVES = frozenset({"1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35"})
# Brainpool P256r1, P384r1 and P512r1 in TLS 1.3 (RFC 8734), which OpenSSL knows since 3.2.
_LATER_CURVES = frozenset({f"1.3.36.3.3.2.8.1.1.{number}" for number in (7, 11, 13)})
# RSA, RSASSA-PSS, DSA (in TLS 1.2), Ed25519, Ed448.
_SIGNING = frozenset(
    {"1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10", "1.2.840.10040.4.1", "1.3.101.112", "1.3.101.113"}
)


def unusable_in_handshakes(spki: bytes) -> str | None:
    """Why the holder of this key (SubjectPublicKeyInfo) cannot sign a handshake, as half a sentence; None if it may be.

    OpenSSL ends such a handshake with "wrong curve", or the client sends no certificate (RFC 8446, 4.2.3; RFC 8422,
    5.1.1). Not looked at: how long an RSA key is, which OpenSSL tells when it verifies the certificate.
    """
    try:
        algorithm, *parameters = children(spki, only(spki)[0])
        kind = dotted(content(spki, algorithm))
        named = kind == _EC and parameters[0].tag == OID
        curve = dotted(content(spki, parameters[0])) if named else "explicit parameters"
    except (ValueError, IndexError):
        return "its key cannot be read"
    if kind == _EC:
        if curve in _NAMED_CURVES or (curve in _LATER_CURVES and ssl.OPENSSL_VERSION_INFO >= (3, 2)):
            return None
        return f"TLS clients sign with P-256, P-384 and P-521, not with {curve}"
    if kind in ML_DSA:
        return None if ssl.OPENSSL_VERSION_INFO >= (3, 5) else f"{ssl.OPENSSL_VERSION} does not know ML-DSA; 3.5 does"
    return None if kind in _SIGNING else f"TLS clients do not sign with keys of the kind {kind}"
