"""OCSP (RFC 6960): what to ask about a certificate, and whether an answer can be relied on. No socket, no clock."""

from collections.abc import Iterator
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from gatekeeper.gate.certificate import ODDITIES
from gatekeeper.gate.revocation import RevocationStatus, Standing

CLOCK_SKEW = 300.0
"""Seconds that the responder's clock may be ahead."""

WITHOUT_NEXT_UPDATE = 60.0
"""Seconds for which an answer counts that does not say when the next one comes: news may come at any time (RFC 6960,
4.2.2.1), but not each request can wait for them."""

_WEAK = (hashes.MD5, hashes.SHA1)


def responder_of(leaf: bytes) -> str | None:
    """The URL of the responder that the certificate names (RFC 5280, 4.2.2.1), None if it names none by HTTP."""
    try:
        access = x509.load_der_x509_certificate(leaf).extensions.get_extension_for_class(
            x509.AuthorityInformationAccess
        )
    except (ValueError, x509.ExtensionNotFound, *ODDITIES):
        return None
    for description in access.value:
        url = description.access_location.value
        asks = description.access_method == AuthorityInformationAccessOID.OCSP
        if asks and isinstance(url, str) and url.startswith(("http://", "https://")):
            return url
    return None


def make_request(leaf: bytes, issuer: bytes) -> bytes:
    """The question about ``leaf``, which ``issuer`` signed; all DER. Without a nonce: most responders prepare answers.

    SHA-1 only finds the issuer here, and is the one hash that every responder knows (RFC 5019, 2.1.1).
    """
    return _request(leaf, issuer, hashes.SHA1()).public_bytes(Encoding.DER)  # noqa: S303


def _request(leaf: bytes, issuer: bytes, algorithm: hashes.HashAlgorithm) -> ocsp.OCSPRequest:
    certificates = (x509.load_der_x509_certificate(leaf), x509.load_der_x509_certificate(issuer))
    return ocsp.OCSPRequestBuilder().add_certificate(*certificates, algorithm).build()


def read_response(content: bytes, leaf: bytes, issuer: bytes, now: float) -> RevocationStatus:
    """What a responder says about ``leaf``; ValueError with a sentence if its answer cannot be relied on.

    RFC 6960, 3.2: it is about this certificate, signed by the issuer or by a delegate that the issuer itself certified
    for it (4.2.2.2), and speaks for this moment. Not checked: whether the delegate was revoked.
    """
    try:
        response = ocsp.load_der_ocsp_response(content)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise ValueError(f"it says {response.response_status.name.lower().replace('_', ' ')}")
        _check_signature(response, x509.load_der_x509_certificate(issuer), now)
        for single in response.responses:
            if _identified(single) == _identified(_request(leaf, issuer, single.hash_algorithm)):
                return _answer(single, now)
    except ODDITIES as error:
        raise ValueError(f"it cannot be read: {error}") from error
    raise ValueError("it is about another certificate")


def _identified(asked: ocsp.OCSPRequest | ocsp.OCSPSingleResponse) -> tuple[bytes, bytes, int]:
    """RFC 6960, 4.1.1: a serial means something only together with its issuer."""
    return asked.issuer_name_hash, asked.issuer_key_hash, asked.serial_number


def _answer(single: ocsp.OCSPSingleResponse, now: float) -> RevocationStatus:
    if single.this_update_utc.timestamp() > now + CLOCK_SKEW:
        raise ValueError("it is from the future; is the clock right?")
    following = single.next_update_utc
    until = following.timestamp() if following is not None else now + WITHOUT_NEXT_UPDATE
    if until <= now:
        raise ValueError("it is out of date")
    match single.certificate_status:
        case ocsp.OCSPCertStatus.GOOD:
            return RevocationStatus(Standing.GOOD, until)
        case ocsp.OCSPCertStatus.REVOKED:
            return RevocationStatus(Standing.REVOKED, until)
        case _:
            return RevocationStatus(Standing.UNKNOWN, until, "The OCSP responder does not know it")


def _check_signature(response: ocsp.OCSPResponse, authority: x509.Certificate, now: float) -> None:
    if isinstance(response.signature_hash_algorithm, _WEAK):
        raise ValueError(f"it is signed with {response.signature_hash_algorithm.name}, which is broken")
    # The name of the signer in the answer (RFC 6960, 4.2.2.3) only helps to find the key; the signature proves it.
    for signer in (authority, *_delegates(response, authority, now)):
        if _verifies(response, signer):
            return
    raise ValueError("it is signed neither by the authority nor by anybody that the authority lets sign")


def _delegates(response: ocsp.OCSPResponse, authority: x509.Certificate, now: float) -> Iterator[x509.Certificate]:
    """RFC 6960, 4.2.2.2: signed by the very authority that the answer is about, for OCSP signing, and valid."""
    moment = datetime.fromtimestamp(now, UTC)
    for certificate in response.certificates:
        try:
            certificate.verify_directly_issued_by(authority)
            purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            continue
        valid = certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc
        if valid and ExtendedKeyUsageOID.OCSP_SIGNING in purposes:
            yield certificate


def _verifies(response: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    key, signed, signature = signer.public_key(), response.tbs_response_bytes, response.signature
    digest = response.signature_hash_algorithm
    try:
        if isinstance(key, rsa.RSAPublicKey) and digest is not None:
            key.verify(signature, signed, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey) and digest is not None:
            key.verify(signature, signed, ec.ECDSA(digest))
        elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            key.verify(signature, signed)
        else:
            return False
    except InvalidSignature:
        return False
    return True
