"""Would a gate that trusts this authority let a certificate in? Asked of OpenSSL and of the gate's own judge."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.errors import BindingError
from gatekeeper.gate.certificate import read_certificate
from gatekeeper.gate.revocation import Revocations, read_lists
from gatekeeper.gate.verdict import Policy, Reason, Refuse, judge
from gatekeeper.tls.context import ServerContext, new_ssl_context
from gatekeeper.tls.openssl import OpenSSL
from gatekeeper.tls.proof import load_and_prove
from gatekeeper.tls.server_names import ServerNames

# X509_V_FLAG_NO_CHECK_TIME: dates are the judge's, who is told what time it is.
_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)


@dataclass(frozen=True, slots=True)
class Trust:
    """A gate that trusts this authority and, during a rollover, the one before it, at the moment ``now``."""

    authority: x509.Certificate
    tls: ServerContext
    policy: Policy
    now: datetime


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer. ``reason`` is the gate's word for a refusal, None where it lets in; ``detail`` a sentence."""

    reason: Reason | None
    detail: str


def make_trust(
    authority: x509.Certificate,
    crl: x509.CertificateRevocationList | bytes | None,
    *,
    also: Sequence[x509.Certificate] = (),
    now: datetime,
) -> Trust:
    """The trust in an authority. Without a list, or with one that a gate does not take, it lets nobody in.

    ``crl`` may be the content of a file with several lists; ``also`` are further authorities.
    """
    authorities = tuple(read_certificate(one.public_bytes(Encoding.DER)) for one in (authority, *also))
    context = new_ssl_context()
    context.verify_flags |= _NO_CHECK_TIME
    for one in authorities:
        context.load_verify_locations(cadata=one.der)
    openssl, reason = _openssl()
    tls = ServerContext(context, openssl, names=ServerNames(()), authorities=authorities, reason=reason)
    content = crl.public_bytes(Encoding.DER) if isinstance(crl, x509.CertificateRevocationList) else crl
    try:
        lists = read_lists(content, authorities) if content is not None else []
    except ValueError:
        lists = []
    return Trust(authority, tls, Policy(revocations=Revocations.of(lists)), now)


def admission(certificate: x509.Certificate, trust: Trust, sent: Sequence[x509.Certificate] = ()) -> Admission:
    """What the gate says of who shows this certificate and sends others along, as `gatekeeper explain` finds it.

    Not looked at: routes, which may still refuse it. BindingError where OpenSSL cannot be asked.
    """
    leaf, *chain = (one.public_bytes(Encoding.DER) for one in (certificate, *sent))
    return admission_of(leaf, trust, chain)


def admission_of(leaf: bytes, trust: Trust, chain: Sequence[bytes] = ()) -> Admission:
    """The same for certificates in DER, which `cryptography` need not be able to read."""
    peer = trust.tls.verify(leaf, chain)
    verdict = judge(peer, trust.now.timestamp(), trust.policy)
    if isinstance(verdict, Refuse):
        return Admission(verdict.reason, verdict.detail)
    until = datetime.fromtimestamp(min(read_certificate(one).not_after for one in (leaf, *peer.verified)), UTC)
    return Admission(None, f"Until {until:%Y-%m-%d %H:%M} UTC, unless it is revoked or a route says otherwise.")


def _openssl() -> tuple[OpenSSL | None, str]:
    try:
        return load_and_prove(), ""
    except BindingError as error:
        return None, str(error)
