"""OCSP (RFC 6960): builds requests about a certificate, and verifies responses. No sockets, no clock."""

from collections.abc import Iterator
from contextlib import suppress

from gatekeeper.gate.revocation import RevocationStatus, Standing
from gatekeeper.x509 import ocsp
from gatekeeper.x509.certificate import (
    AUTHORITY_INFORMATION_ACCESS,
    EXTENDED_KEY_USAGE,
    RawCertificate,
    parse_certificate,
)
from gatekeeper.x509.extensions import object_identifiers, ocsp_responders, read
from gatekeeper.x509.names import canonical
from gatekeeper.x509.signatures import broken_digest, has_signed

CLOCK_SKEW = 300.0
"""Seconds that the responder's clock may be ahead."""

WITHOUT_NEXT_UPDATE = 60.0
"""Seconds for which a response without nextUpdate counts. Newer information may be there at any time (RFC 6960,
4.2.2.1), but not every request can wait for it."""

MOST_DELEGATES = 8
"""How many certificates of a response are examined: one delegate is usual, and each costs a signature check."""

_OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"


def responder_of(leaf: bytes) -> str | None:
    """The URL of the responder that the certificate names (RFC 5280, 4.2.2.1), None if it names none by HTTP."""
    access = parse_certificate(leaf).extensions.get(AUTHORITY_INFORMATION_ACCESS)
    urls = (read(ocsp_responders, access.value) if access else None) or ()
    return next((url for url in urls if url.startswith(("http://", "https://"))), None)


def make_request(leaf: bytes, issuer: bytes) -> bytes:
    """The request about ``leaf``, which ``issuer`` signed; all DER."""
    return ocsp.make_request(parse_certificate(leaf), parse_certificate(issuer))


def read_response(content: bytes, leaf: bytes, issuer: bytes, now: float) -> RevocationStatus:
    """The status that a responder reports for ``leaf``; ValueError with a sentence if the response is not acceptable.

    RFC 6960, 3.2: it must be about this certificate, signed by the issuer or by a delegate that the issuer itself
    certified for it (4.2.2.2), and current. Not checked: whether the delegate was revoked.
    """
    certificate, authority = parse_certificate(leaf), parse_certificate(issuer)
    response = ocsp.parse_response(content)
    _check_signature(response, authority, now)
    for single in response.singles:
        if single.is_about(certificate, authority):
            return _answer(single, now)
    raise ValueError("it is about another certificate")


def _answer(single: ocsp.SingleResponse, now: float) -> RevocationStatus:
    if single.this_update > now + CLOCK_SKEW:
        raise ValueError("it is from the future; is the clock right?")
    until = single.next_update if single.next_update is not None else now + WITHOUT_NEXT_UPDATE
    if until <= now:
        raise ValueError("it is out of date")
    if single.good is None:
        return RevocationStatus(Standing.UNKNOWN, until, "The OCSP responder does not know it")
    return RevocationStatus(Standing.GOOD if single.good else Standing.REVOKED, until)


def _check_signature(response: ocsp.Response, authority: RawCertificate, now: float) -> None:
    digest = broken_digest(response.algorithm)
    if digest is not None:
        raise ValueError(f"it is signed with {digest}, which is broken")
    # The signer's name in the response (RFC 6960, 4.2.2.3) only helps to find the key; the signature proves it.
    for signer in (authority, *_delegates(response, authority, now)):
        if has_signed(signer.spki, response.algorithm, response.signed, response.signature):
            return
    raise ValueError("it is signed neither by the authority nor by anybody that the authority lets sign")


def _delegates(response: ocsp.Response, authority: RawCertificate, now: float) -> Iterator[RawCertificate]:
    """RFC 6960, 4.2.2.2: certificates for OCSP signing, valid, and signed by the authority that was asked about."""
    for der in response.certificates[:MOST_DELEGATES]:
        with suppress(ValueError):
            certificate = parse_certificate(der)
            if _may_answer(certificate, now) and _is_by(authority, certificate):
                yield certificate


def _may_answer(certificate: RawCertificate, now: float) -> bool:
    usage = certificate.extensions.get(EXTENDED_KEY_USAGE)
    purposes = (read(object_identifiers, usage.value) if usage else None) or ()
    return certificate.not_before <= now <= certificate.not_after and _OCSP_SIGNING in purposes


def _is_by(authority: RawCertificate, certificate: RawCertificate) -> bool:
    if broken_digest(certificate.algorithm) is not None or canonical(certificate.issuer) != canonical(
        authority.subject
    ):
        return False
    return has_signed(authority.spki, certificate.algorithm, certificate.signed, certificate.signature)
