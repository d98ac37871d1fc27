"""Renewals: certificate requests sent over TLS with the certificate that they are to replace.

A renewal is stored in the folder of invitations like the request of an invited computer, but it was not invited and has
no link. The gate could have written it, so the authority relies on what the keys prove: the new key signed the request,
and it is either the old key, or the old key signed a statement about it.
"""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from gatekeeper.invitations.request import read_csr
from gatekeeper.x509.certificate import SUBJECT_ALTERNATIVE_NAME, parse_certificate
from gatekeeper.x509.names import Name, text_of
from gatekeeper.x509.request import RawRequest

SignatureKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

# The context string of the signature. No other signature by the same key starts with it, TLS handshakes included (RFC
# 8446, 4.4.3).
_CONTEXT = b"gatekeeper renewal 1\n"
_PSS = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)


@dataclass(frozen=True, slots=True)
class SignedRenewal:
    """What a client sends: the request, and the signature by the old key (`prove`), base64, "" for none."""

    request: RawRequest
    proof: str = ""


def read_signed_renewal(body: bytes) -> SignedRenewal:
    """Read what `write_signed_renewal` wrote; ValueError for anything else, or for a request with a weak key or a wrong
    signature.
    """
    try:
        fields = json.loads(body)
        pem, proof = fields["request"], fields.get("proof", "")
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ValueError('there is no JSON with "request" and "proof"') from None
    if not isinstance(pem, str) or not isinstance(proof, str):
        raise ValueError('"request" and "proof" must be strings')
    return SignedRenewal(read_csr(pem.encode("utf-8", "replace")), proof)


def write_signed_renewal(pem: bytes, proof: bytes) -> bytes:
    """As JSON: the request in PEM, and the old key's signature."""
    return json.dumps({"request": pem.decode(), "proof": base64.b64encode(proof).decode()}).encode()


def digest_of_renewal(certificate_sha256: str, spki: str) -> str:
    """The value that a renewal has in place of a token's hash: the same for the same two keys, so a client may ask
    again.

    It is the hash of more than 43 characters, so no token has it.
    """
    return hashlib.sha256(f"renewal {certificate_sha256} {spki}".encode()).hexdigest()


def prove(key: SignatureKey, certificate_sha256: str, spki: str) -> bytes:
    """A signature by the old key over the new one: proof that the holder of the certificate made the request."""
    statement = _statement(certificate_sha256, spki)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(statement, _PSS, hashes.SHA256())
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(statement, ec.ECDSA(hashes.SHA256()))
    return key.sign(statement)


def is_proven(certificate: x509.Certificate, certificate_sha256: str, spki: str, proof: str) -> bool:
    """Whether the certificate's key made this proof. Never raises."""
    key, statement = certificate.public_key(), _statement(certificate_sha256, spki)
    try:
        signature = base64.b64decode(proof, validate=True)
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, statement, _PSS, hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, statement, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, statement)
        else:
            return False
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True


def asks_for_the_same(request: RawRequest, certificate: bytes) -> bool:
    """Whether a request has the subject and the alternative names of the certificate (DER), as RFC 7030, 4.2.2
    requires.

    String types may differ, and the request may have no alternative names. A value that cannot be decoded is compared
    by its bytes; a certificate or extensions that cannot be parsed are never the same.
    """
    try:
        shown = parse_certificate(certificate)
    except ValueError:
        return False
    if request.extensions is None or _texts(request.subject) != _texts(shown.subject):
        return False
    asked, has = (one.get(SUBJECT_ALTERNATIVE_NAME) for one in (request.extensions, shown.extensions or {}))
    return asked is None or (has is not None and asked.value == has.value)


def _texts(name: Name) -> list[tuple[int, bytes, str | bytes]]:
    """The attributes of a name: the text of each, or its bytes if it cannot be decoded."""
    return [
        (one.rdn, one.oid, one.value if text is None else text)
        for one in name
        for text in [text_of(one.tag, one.value)]
    ]


def _statement(certificate_sha256: str, spki: str) -> bytes:
    return _CONTEXT + f"{certificate_sha256}\n{spki}\n".encode()
