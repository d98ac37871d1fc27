"""A renewal: a certificate request that came over TLS with the certificate that it is to follow.

It lies in the folder of invitations like the request of a computer that was invited, but nobody invited it and no link
leads to it. The gate could have written it, so the authority goes by what the keys prove: the request is signed by the
new key, and either that is the old key, too, or the old key has signed a statement about the new one.
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

# A statement of another kind, or a TLS handshake signed by the same key (RFC 8446, 4.4.3), never begins so.
_CONTEXT = b"gatekeeper renewal 1\n"
_PSS = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client sends: the request, and the old key's signature (`prove`), "" for none; base64."""

    request: RawRequest
    proof: str = ""


def read_wish(body: bytes) -> Wish:
    """What `write_wish` wrote; ValueError for anything else, or for a request that may not be signed."""
    try:
        fields = json.loads(body)
        pem, proof = fields["request"], fields.get("proof", "")
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ValueError('there is no JSON with "request" and "proof"') from None
    if not isinstance(pem, str) or not isinstance(proof, str):
        raise ValueError('"request" and "proof" must be strings')
    return Wish(read_csr(pem.encode("utf-8", "replace")), proof)


def write_wish(pem: bytes, proof: bytes) -> bytes:
    """As JSON: the request in PEM, and the old key's signature."""
    return json.dumps({"request": pem.decode(), "proof": base64.b64encode(proof).decode()}).encode()


def digest_of_renewal(certificate_sha256: str, spki: str) -> str:
    """What stands in an invitation's record in the place of a token's hash: the same for the same two, so that a client
    may ask again. No token has it, as a token is 43 characters and this is the hash of more.
    """
    return hashlib.sha256(f"renewal {certificate_sha256} {spki}".encode()).hexdigest()


def prove(key: SignatureKey, certificate_sha256: str, spki: str) -> bytes:
    """The old key's signature: whoever holds the certificate wants the next one for the new key."""
    statement = _statement(certificate_sha256, spki)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(statement, _PSS, hashes.SHA256())
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(statement, ec.ECDSA(hashes.SHA256()))
    return key.sign(statement)


def is_proven(certificate: x509.Certificate, certificate_sha256: str, spki: str, proof: str) -> bool:
    """Whether the key of the certificate made this proof; never raises, whatever the proof is."""
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
    """RFC 7030, 4.2.2: subject and alternative names of the request are those of the certificate (DER).

    String types may differ. A request without alternative names asks for no others. What cannot be read is not the
    same.
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
    """The attributes of a name: the text of each, or its bytes where it is none."""
    return [
        (one.rdn, one.oid, one.value if text is None else text)
        for one in name
        for text in [text_of(one.tag, one.value)]
    ]


def _statement(certificate_sha256: str, spki: str) -> bytes:
    return _CONTEXT + f"{certificate_sha256}\n{spki}\n".encode()
