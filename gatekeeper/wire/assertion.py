"""A signed assertion of who is there, for apps that do not want to trust the network: a JWT (RFC 7519) by ES256.

It is bound to the certificate by its thumbprint (RFC 8705, 3.1), so that it says the same as the headers beside it. An
app takes the public key from the JWKS (RFC 7517) and must compare ``aud``; it need not trust whoever can connect to it.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.verdict import Identity

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

HEADER = "Gatekeeper-Assertion"
ISSUER = "gatekeeper"
JWKS_PATH = b"/.well-known/gatekeeper/jwks.json"
# How many certificates' assertions are kept; each is about 1 KiB, and none is of a larger certificate than this.
CACHED_ASSERTIONS = 4096
CACHED_CERTIFICATE_BYTES = 8 * 1024


def read_signing_key(pem: bytes) -> "EllipticCurvePrivateKey":
    """A P-256 private key; ValueError with a sentence that goes on from the file's name."""
    from cryptography.exceptions import UnsupportedAlgorithm  # cryptography takes 9 MiB
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, None)
    except TypeError:
        raise ValueError("is encrypted; the key must be without a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("holds no PEM private key") from None
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("is not an EC key on the curve P-256, which ES256 signs with")
    return key


@dataclass(frozen=True, slots=True)
class Assertion:
    """A token, good until ``expires``; from ``renew`` on, a new one is to be asked for (seconds since the epoch)."""

    token: str
    renew: float
    expires: float


class Assertions:
    """Signs, and remembers for each certificate what it signed; ``lifetime`` is in seconds.

    The first of the keys signs. The others are published beside it: the next one before it signs, so that apps know it
    by then, and the last one while what it signed is still good.
    A token is sent during the first half of its life, so whoever gets one has the other half to look at it.
    """

    def __init__(self, keys: Sequence["EllipticCurvePrivateKey"], audience: str, lifetime: float) -> None:
        self._key = keys[0]
        self._audience = audience
        self._lifetime = lifetime
        self._jwks = [_public_jwk(key) for key in keys]
        self._made: dict[str, Assertion] = {}  # by the certificate's fingerprint

    def assertion(self, identity: Identity, now: float) -> Assertion:
        """The assertion to send at the moment ``now``; it never outlives the certificate."""
        certificate = identity.certificate
        known = self._made.get(certificate.sha256)
        if known is None or now >= known.renew:
            known = self._sign(certificate, now)
            if len(certificate.der) <= CACHED_CERTIFICATE_BYTES:
                if len(self._made) >= CACHED_ASSERTIONS:
                    self._made.clear()
                self._made[certificate.sha256] = known
        return known

    def jwks(self) -> bytes:
        """The public keys, as an app fetches them (RFC 7517, 5)."""
        return json.dumps({"keys": self._jwks}, separators=(",", ":")).encode("ascii")

    def _sign(self, certificate: Certificate, now: float) -> Assertion:
        issued = int(now)
        expires = int(min(issued + self._lifetime, certificate.not_after + 1))
        claims = {
            "iss": ISSUER,
            "aud": self._audience,
            "iat": issued,
            "exp": expires,
            **_claims(certificate),
            "cnf": {"x5t#S256": _base64url(sha256(certificate.der).digest())},
        }
        import jwt  # takes 5 MiB, so only where assertions are signed

        token = jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": self._jwks[0]["kid"]})
        return Assertion(token, min(issued + self._lifetime / 2, expires), expires)


def _claims(certificate: Certificate) -> dict[str, Any]:
    """What the certificate says; left out where it says nothing."""
    said = {
        "sub": certificate.common_name,
        "email": next(iter(certificate.emails), ""),
        "groups": list(certificate.organizational_units),
        "organizations": list(certificate.organizations),
        "dns": list(certificate.dns_names),
        "uri": list(certificate.uris),
        "subject_dn": certificate.subject,
        "issuer_dn": certificate.issuer,
        "serial": certificate.serial,
    }
    return {name: value for name, value in said.items() if value}


def _public_jwk(key: "EllipticCurvePrivateKey") -> dict[str, str]:
    """The public key with its thumbprint (RFC 7638, 3) as its id, so that the same key has the same id everywhere."""
    from jwt.algorithms import ECAlgorithm

    members = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    needed = {name: members[name] for name in ("crv", "kty", "x", "y")}
    thumbprint = sha256(json.dumps(needed, sort_keys=True, separators=(",", ":")).encode("ascii")).digest()
    return {**needed, "use": "sig", "alg": "ES256", "kid": _base64url(thumbprint)}


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
