"""Whether a gate that trusts this authority would admit a certificate: judged by OpenSSL and by the gate's own code."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.errors import AuthorityError, BindingError
from gatekeeper.gate.certificate import read_certificate
from gatekeeper.gate.revocation import Revocations, read_lists
from gatekeeper.gate.verdict import Peer, Policy, Reason, Refuse, judge
from gatekeeper.tls.context import ServerContext, new_ssl_context
from gatekeeper.tls.handshake_keys import unusable_in_handshakes
from gatekeeper.tls.openssl import OpenSSL
from gatekeeper.tls.proof import load_and_prove
from gatekeeper.tls.server_names import ServerNames
from gatekeeper.x509.certificate import parse_certificate

# X509_V_FLAG_NO_CHECK_TIME: `gate.verdict` checks the dates, for any given time.
_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)


@dataclass(frozen=True, slots=True)
class Trust:
    """What a gate would trust at the moment ``now``: this authority and, during a rollover, the old one beside it."""

    authority: x509.Certificate
    tls: ServerContext
    policy: Policy
    now: datetime


@dataclass(frozen=True, slots=True)
class Admission:
    """The result: ``reason`` is the gate's reason for refusing, None if it admits; ``detail`` is one sentence."""

    reason: Reason | None
    detail: str


def make_trust(
    authority: x509.Certificate,
    crl: x509.CertificateRevocationList | bytes | None,
    *,
    also: Sequence[x509.Certificate] = (),
    now: datetime,
) -> Trust:
    """The trust in an authority. Without a CRL, or with one that a gate does not accept, nobody is admitted.

    ``crl`` may be the content of a file with several CRLs; ``also`` are further trusted authorities.
    """
    authorities = tuple(read_certificate(one.public_bytes(Encoding.DER)) for one in (authority, *also))
    context = new_ssl_context()
    context.verify_flags |= _NO_CHECK_TIME
    for one in authorities:
        try:
            context.load_verify_locations(cadata=one.der)
        except ssl.SSLError as error:
            raise AuthorityError(f"OpenSSL cannot read the certificate of {one.subject}, so no gate can") from error
    openssl, reason = _openssl()
    tls = ServerContext(context, openssl, names=ServerNames(()), authorities=authorities, reason=reason)
    content = crl.public_bytes(Encoding.DER) if isinstance(crl, x509.CertificateRevocationList) else crl
    try:
        lists = read_lists(content, authorities) if content is not None else []
    except ValueError:
        lists = []
    return Trust(authority, tls, Policy(revocations=Revocations.of(lists)), now)


def admission(certificate: x509.Certificate, trust: Trust, sent: Sequence[x509.Certificate] = ()) -> Admission:
    """What the gate decides about a client that sends this certificate and the ``sent`` ones with it.

    Not checked: the rules of routes, which may still refuse it. BindingError if OpenSSL cannot be asked.
    """
    leaf, *chain = (one.public_bytes(Encoding.DER) for one in (certificate, *sent))
    return admission_of(leaf, trust, chain)


def admission_of(leaf: bytes, trust: Trust, chain: Sequence[bytes] = ()) -> Admission:
    """The same for certificates in DER, which `cryptography` need not be able to read."""
    if why := unusable_in_handshakes(parse_certificate(leaf).spki):
        return Admission(Reason.INVALID_CERTIFICATE, f"No handshake can be done with its key: {why}.")
    peer = trust.tls.verify(leaf, chain)
    verdict = judge(peer, trust.now.timestamp(), trust.policy)
    if isinstance(verdict, Refuse):
        return Admission(verdict.reason, verdict.detail)
    until = datetime.fromtimestamp(min(read_certificate(one).not_after for one in (leaf, *peer.verified)), UTC)
    return Admission(None, f"Until {until:%Y-%m-%d %H:%M} UTC, unless it is revoked or a route says otherwise.")


def must_be_let_in(certificate: x509.Certificate, authorities: Sequence[x509.Certificate], now: datetime) -> None:
    """AuthorityError if no gate that trusts these authorities would let in a certificate that they are about to issue.

    OpenSSL and the gate's own code are asked: an adopted authority may have name constraints or a path length, and
    names may contain line ends or escape sequences. Not checked: revocation.
    """
    leaf = certificate.public_bytes(Encoding.DER)
    for one in (leaf, authorities[0].public_bytes(Encoding.DER)):
        if why := unusable_in_handshakes(parse_certificate(one).spki):
            raise AuthorityError(f"no gate on this computer would let it in, so nothing was signed: {why}")
    trust = make_trust(authorities[0], None, also=authorities[1:], now=now)
    try:
        peer = trust.tls.verify(leaf)
    except BindingError:  # this Python hides its OpenSSL
        peer = Peer(leaf, verified=(authorities[0].public_bytes(Encoding.DER),))
    verdict = judge(peer, now.timestamp(), Policy())
    if isinstance(verdict, Refuse):
        raise AuthorityError(f"no gate would admit it, so nothing was signed. {verdict.detail.rstrip('.')}")


def _openssl() -> tuple[OpenSSL | None, str]:
    try:
        return load_and_prove(), ""
    except BindingError as error:
        return None, str(error)
