"""Would a gate that trusts this authority let a certificate in? Asked without a handshake, answered by its judge."""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gatekeeper.ca.certificates import is_signed_by
from gatekeeper.ca.keys import key_weakness
from gatekeeper.gate.verdict import Peer, Policy, Reason, Refuse, VerifyError, judge

# X509_V_ERR_… of openssl/x509_vfy.h, with OpenSSL's words.
_SIGNATURE_FAILURE = VerifyError(7, 0, "certificate signature failure")
_SELF_SIGNED = VerifyError(18, 0, "self-signed certificate")
_NO_LOCAL_ISSUER = VerifyError(20, 0, "unable to get local issuer certificate")
_INVALID_PURPOSE = VerifyError(26, 0, "unsuitable certificate purpose")
_UNKNOWN_CRITICAL = VerifyError(34, 0, "unhandled critical extension")
_KEY_TOO_SMALL = VerifyError(66, 0, "EE certificate key too weak")
_HASH_TOO_WEAK = VerifyError(68, 0, "CA signature digest algorithm too weak")


@dataclass(frozen=True, slots=True)
class Trust:
    """What a gate goes by: the authority it trusts, the serials that are revoked, and the time."""

    authority: x509.Certificate
    revoked: frozenset[int]
    now: datetime


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer. ``reason`` is the gate's word for a refusal, None where it lets in; ``detail`` a sentence."""

    reason: Reason | None
    detail: str


def admission(certificate: x509.Certificate, trust: Trust) -> Admission:
    """Judge a certificate as a gate would that trusts only this authority and has its latest revocation list.

    Not looked at: routes, which may still refuse it, and intermediates between it and the authority.
    """
    der = certificate.public_bytes(Encoding.DER)
    above = trust.authority.public_bytes(Encoding.DER)
    errors = _chain(certificate, trust.authority) + _strength(certificate) + _extensions(certificate)
    verdict = judge(Peer(der, verified=(above,), errors=errors), trust.now.timestamp(), Policy())
    if isinstance(verdict, Refuse):
        return Admission(verdict.reason, verdict.detail)
    if certificate.serial_number in trust.revoked:
        return Admission(Reason.REVOKED, "The certificate was revoked.")
    until = min(certificate.not_valid_after_utc, trust.authority.not_valid_after_utc)
    return Admission(None, f"Until {until:%Y-%m-%d %H:%M} UTC, unless it is revoked or a route says otherwise.")


def _chain(certificate: x509.Certificate, authority: x509.Certificate) -> tuple[VerifyError, ...]:
    if certificate == authority or is_signed_by(certificate, authority):
        return ()
    if certificate.issuer == authority.subject and _hash_is_weak(certificate):
        return ()  # cryptography does not verify such a signature; _strength refuses it
    if certificate.issuer == authority.subject and certificate.issuer != certificate.subject:
        return (_SIGNATURE_FAILURE,)
    return (_SELF_SIGNED if certificate.issuer == certificate.subject else _NO_LOCAL_ISSUER,)


def _strength(certificate: x509.Certificate) -> tuple[VerifyError, ...]:
    """What OpenSSL's security level 2 refuses, which Debian and others set."""
    try:
        weak_key = key_weakness(certificate.public_key()) is not None
    except (UnsupportedAlgorithm, ValueError):
        weak_key = True
    return (_HASH_TOO_WEAK,) * _hash_is_weak(certificate) + (_KEY_TOO_SMALL,) * weak_key


def _hash_is_weak(certificate: x509.Certificate) -> bool:
    try:
        return isinstance(certificate.signature_hash_algorithm, hashes.SHA1 | hashes.MD5)
    except UnsupportedAlgorithm:
        return True


def _extensions(certificate: x509.Certificate) -> tuple[VerifyError, ...]:
    """What is there must allow clients (OpenSSL's ``check_purpose_ssl_client``); what is not there forbids nothing.

    RFC 5280, 4.2: a critical extension that is not understood refuses the certificate.
    """
    try:
        extensions = certificate.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return (_INVALID_PURPOSE,)
    for extension in extensions:
        value = extension.value
        if extension.critical and isinstance(value, x509.UnrecognizedExtension):
            return (_UNKNOWN_CRITICAL,)
        if isinstance(value, x509.ExtendedKeyUsage) and not _allows_clients(value):
            return (_INVALID_PURPOSE,)
        if isinstance(value, x509.KeyUsage) and not (value.digital_signature or value.key_agreement):
            return (_INVALID_PURPOSE,)
    return ()


def _allows_clients(usage: x509.ExtendedKeyUsage) -> bool:
    return ExtendedKeyUsageOID.CLIENT_AUTH in usage
