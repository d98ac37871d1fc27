"""The verdict: who is admitted, and the reason if not.

`judge` is the one place where a peer becomes an `Identity`. Everything it needs is an argument, the time included, so
the same call decides in the server, in ``gatekeeper explain`` and in the tests.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import assert_never

from gatekeeper.gate.certificate import Certificate, read_certificate
from gatekeeper.gate.names import is_blank
from gatekeeper.gate.revocation import Revocations, RevocationStatus, Standing


class Reason(StrEnum):
    """Why a visitor is refused. A fixed list: status 403, log word, metric label, page and docs all derive from it."""

    NO_CERTIFICATE = "no_certificate"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    REVOKED = "revoked"
    UNTRUSTED_ISSUER = "untrusted_issuer"
    WRONG_PURPOSE = "wrong_purpose"
    BLANK_NAME = "blank_name"
    NOT_ALLOWED = "not_allowed"
    REVOCATION_UNKNOWN = "revocation_unknown"
    INVALID_CERTIFICATE = "invalid_certificate"


@dataclass(frozen=True, slots=True)
class VerifyError:
    """One error that OpenSSL found: its X509_V_ERR number, the depth (0 is the visitor's certificate), its text."""

    code: int
    depth: int
    words: str


@dataclass(frozen=True, slots=True)
class Peer:
    """What TLS learned about the other side of a connection.

    ``leaf`` is the certificate that it sent and holds the key of, None if it sent none. ``sent`` are the other
    certificates that it sent, ``verified`` is the path that OpenSSL built from the leaf to a trusted CA; all of them
    are DER, both without the leaf. ``errors`` are all errors that OpenSSL found. If there are none, and there is a
    leaf, then OpenSSL vouches for chain and purpose, and for the dates at the moment of the handshake.
    """

    leaf: bytes | None = None
    sent: tuple[bytes, ...] = ()
    verified: tuple[bytes, ...] = ()
    errors: tuple[VerifyError, ...] = ()
    _path: list[Certificate] = field(init=False, default_factory=list, compare=False, repr=False)

    @property
    def is_early(self) -> bool:
        """Whether only a notBefore in the future was wrong, of the leaf or an authority: time alone mends that, and
        OpenSSL has verified all signatures of the path.
        """
        return bool(self.errors) and all(error.code == _NOT_YET_VALID for error in self.errors)

    def path(self, read: Callable[[bytes], Certificate]) -> list[Certificate]:
        """``leaf`` and ``verified``, each read once; ValueError if one of them cannot be.

        They are kept here, so that a stranger's certificate is in memory only as long as the connection.
        """
        if not self._path and self.leaf is not None:
            self._path.extend([read(self.leaf), *map(read, self.verified)])
        return self._path


NO_PEER = Peer()
"""Of a connection whose peer sent no certificate, or is not known yet."""


@dataclass(frozen=True, slots=True)
class Identity:
    """An admitted visitor: its certificate, and the chain that it sent with it (DER, without the leaf).

    ``issuer_is_known``: nobody else could have signed under the issuer's name, because the issuer is one of the trusted
    authorities itself, or there is only one. ``issuer_sha256`` is the fingerprint of the issuer's certificate.
    """

    certificate: Certificate
    chain: tuple[bytes, ...] = ()
    issuer_is_known: bool = False
    issuer_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Admit:
    """Admit as ``identity`` until ``until`` (seconds since the epoch); then judge again."""

    identity: Identity
    until: float


@dataclass(frozen=True, slots=True)
class Refuse:
    """Refuse. ``detail`` is a sentence for the visitor. ``certificate`` is the one that was presented; None if it could
    not be parsed, or is a stranger's and larger than `STRANGERS_BYTES`.

    ``pending``: an OCSP responder has to be asked, and the verdict may change with its response. ``stale``: a
    revocation list has ended, which only the administrator can fix.
    """

    reason: Reason
    detail: str
    certificate: Certificate | None = None
    pending: bool = False
    stale: bool = False


Verdict = Admit | Refuse

STRANGERS_BYTES = 2048
"""The largest certificate that is parsed without a trusted authority vouching for it: its maker chose its contents.
Once parsed, it takes up to twenty times its size in memory, as long as the connection lasts, and parsing 24 KiB
takes up to 38 ms. A client certificate with an RSA key of 4,096 bits, signed with another, is 1.7 KiB."""


@dataclass(frozen=True, slots=True)
class OCSPPolicy:
    """Which responder to ask (None: the one that the certificate names), and whether no response counts as good."""

    responder: str | None = None
    failure_counts: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """The part of ``[client_auth]`` that judging needs.

    ``revocations`` are the CRLs, None if none is configured. ``stale_counts`` (``crl_stale = "allow"``): a list counts
    after its nextUpdate too; this never admits a certificate that is on a list, or whose issuer has no list. ``ocsp``
    says how to ask about each visitor, None if OCSP is not used. ``authorities`` are those of ``client_auth.ca``.
    """

    require_common_name: bool = True
    revocations: Revocations | None = None
    stale_counts: bool = False
    ocsp: OCSPPolicy | None = None
    authorities: tuple[Certificate, ...] = ()
    _known: dict[bytes, Certificate] = field(init=False, default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        self._known.update((one.der, one) for one in self.authorities)

    def read(self, der: bytes) -> Certificate:
        """Parse a certificate of a path; authorities' certificates are parsed already. ValueError as by
        `read_certificate`.
        """
        return self._known.get(der) or read_certificate(der)

    def knows(self, issuer: Certificate) -> bool:
        """Whether nobody else can have the name of this issuer on a verified path. It is compared by name and key,
        because an authority's certificate may have been renewed.
        """
        return len(self.authorities) == 1 or any(
            (one.subject, one.spki_sha256) == (issuer.subject, issuer.spki_sha256) for one in self.authorities
        )

    def locked_out(self, now: float) -> list[str]:
        """The authorities (RFC 2253) whose visitors are all refused at this moment because their CRL is stale."""
        if self.revocations is None or self.stale_counts:
            return []
        return [
            issuer[0]
            for issuer, lists in self.revocations.lists.items()
            if not any(one.fresh(now) for one in lists if one.base is None)
        ]


def judge(peer: Peer, now: float, policy: Policy) -> Verdict:
    """Decide about a peer at the moment ``now`` (seconds since the epoch).

    Checks, in this order: a certificate was sent; it can be parsed; OpenSSL found no error in chain and purpose; the
    dates of every certificate on the path; the revocation status of the leaf; the name. Not checked here: whether the
    visitor may make a particular request, which the routes decide.
    """
    if peer.leaf is None:
        return Refuse(Reason.NO_CERTIFICATE, "No client certificate was sent.")
    if peer.errors and len(peer.leaf) > STRANGERS_BYTES:
        return _openssl_refusal(peer, None)
    try:
        path = peer.path(policy.read)
    except ValueError as error:
        return Refuse(Reason.INVALID_CERTIFICATE, f"{str(error)[:1].upper()}{str(error)[1:]}.")
    certificate = path[0]
    refusal = _openssl_refusal(peer, certificate) if peer.errors else _date_refusal(path, now)
    if refusal is not None:
        return refusal
    status = _listed_status(path, now, policy)
    # Unlike a responder that does not respond, a list that has ended does not recover by itself.
    refusal = _revocation_refusal(status, certificate, stale=status.stale) or _name_refusal(certificate, policy)
    if refusal is not None:
        return refusal
    issuer = path[min(1, len(path) - 1)]
    identity = Identity(certificate, peer.sent, policy.knows(issuer), issuer.sha256)
    return Admit(identity, until=min(status.until, *(one.not_after + 1 for one in path)))


def confirm(verdict: Verdict, status: RevocationStatus | None, policy: OCSPPolicy) -> Verdict:
    """Combine a verdict with an OCSP responder's status, None if it has not been asked yet.

    Only an admitted visitor is asked about. The status "unknown" is refused, whatever the policy says about a missing
    response: the authority does not know its own certificate.
    """
    if isinstance(verdict, Refuse):
        return verdict
    certificate = verdict.identity.certificate
    if status is None:
        detail = "The OCSP responder has not said yet whether the certificate was revoked."
        return Refuse(Reason.REVOCATION_UNKNOWN, detail, certificate, pending=True)
    if status.stale and policy.failure_counts:
        status = RevocationStatus(Standing.GOOD, status.until)
    refusal = _revocation_refusal(status, certificate)
    return refusal or Admit(verdict.identity, until=min(verdict.until, status.until))


# X509_V_ERR_… numbers (openssl/x509_vfy.h). A wrong signature (7) is how OpenSSL reports a foreign CA of the same name
# if the certificate has no authority key identifier.
_UNTRUSTED = frozenset({2, 7, 18, 19, 20, 21, 27})
_NOT_YET_VALID, _EXPIRED, _INVALID_PURPOSE = 9, 10, 26
# If OpenSSL found several errors, the first of these is reported: an untrusted visitor is not told about dates.
_PRECEDENCE = (
    Reason.UNTRUSTED_ISSUER,
    Reason.INVALID_CERTIFICATE,
    Reason.WRONG_PURPOSE,
    Reason.NOT_YET_VALID,
    Reason.EXPIRED,
)


def _openssl_refusal(peer: Peer, certificate: Certificate | None) -> Refuse:
    """The refusal for the errors that OpenSSL found."""
    found = [(_reason_of(error), error) for error in peer.errors]
    reason, error = min(found, key=lambda one: _PRECEDENCE.index(one[0]))
    return Refuse(reason, f"{_sentence(reason, error.depth)} ({error.words}).", certificate)


def _reason_of(error: VerifyError) -> Reason:
    if error.code in _UNTRUSTED:
        return Reason.UNTRUSTED_ISSUER
    if error.code == _INVALID_PURPOSE and error.depth == 0:
        return Reason.WRONG_PURPOSE
    return {_NOT_YET_VALID: Reason.NOT_YET_VALID, _EXPIRED: Reason.EXPIRED}.get(error.code, Reason.INVALID_CERTIFICATE)


def _sentence(reason: Reason, depth: int) -> str:
    whose = _OWN if depth == 0 else _AUTHORITYS
    match reason:
        case Reason.UNTRUSTED_ISSUER:
            return f"{_OWN} was not signed by an authority that this gate trusts"
        case Reason.WRONG_PURPOSE:
            return f"{_OWN} was not issued for client authentication"
        case Reason.NOT_YET_VALID:
            return f"{whose} is not valid yet"
        case Reason.EXPIRED:
            return f"{whose} has expired"
        case _:
            return f"{whose} was rejected"


_OWN = "The certificate"
_AUTHORITYS = "The certificate of the authority that signed it"


def _date_refusal(path: list[Certificate], now: float) -> Refuse | None:
    """RFC 5280, 4.1.2.5: valid from notBefore through notAfter, so until one second later."""
    whose = _OWN
    for certificate in path:
        if now < certificate.not_before:
            return Refuse(Reason.NOT_YET_VALID, f"{whose} is not valid yet.", path[0])
        if now >= certificate.not_after + 1:
            return Refuse(Reason.EXPIRED, f"{whose} has expired.", path[0])
        whose = _AUTHORITYS
    return None


def _listed_status(path: list[Certificate], now: float, policy: Policy) -> RevocationStatus:
    """RFC 5280, 6.3, for the visitor's certificate. If that is all of the path, it may have signed itself."""
    if policy.revocations is None:
        return RevocationStatus(Standing.GOOD)
    certificate, issuer = path[0], path[min(1, len(path) - 1)]
    if issuer is certificate and certificate.issuer != certificate.subject:
        return RevocationStatus(Standing.UNKNOWN, detail="The authority that issued it is not known")
    if _is_below_a_revoked_one(path, now, policy.revocations):
        return RevocationStatus(Standing.REVOKED)
    status = policy.revocations.status(certificate, issuer, now)
    return RevocationStatus(Standing.GOOD) if status.stale and policy.stale_counts else status


def _is_below_a_revoked_one(path: list[Certificate], now: float, revocations: Revocations) -> bool:
    """RFC 5280, 6.1.3 (a) (3), for the intermediate authorities: whether one is on a list that is loaded. They need not
    have a list, because ``client_auth.ca`` may contain an authority without the one above it."""
    return any(revocations.status(one, above, now).standing is Standing.REVOKED for one, above in pairwise(path[1:]))


def _revocation_refusal(status: RevocationStatus, certificate: Certificate, *, stale: bool = False) -> Refuse | None:
    match status.standing:
        case Standing.GOOD:
            return None
        case Standing.REVOKED:
            return Refuse(Reason.REVOKED, "The authority that issued the certificate has revoked it.", certificate)
        case Standing.UNKNOWN:
            detail = f"It cannot be determined whether the certificate was revoked. {status.detail}."
            return Refuse(Reason.REVOCATION_UNKNOWN, detail, certificate, stale=stale)
        case _:
            assert_never(status.standing)


def _name_refusal(certificate: Certificate, policy: Policy) -> Refuse | None:
    """A name must read the same everywhere: in C, in a log, in a header, on a screen."""
    if certificate.controls:
        detail = "The certificate's names contain control or invisible characters."
        return Refuse(Reason.INVALID_CERTIFICATE, detail, certificate)
    # A common name that cannot be decoded does not count as blank: it matches no rule, and is forwarded as by nginx.
    if policy.require_common_name and "CN" not in certificate.undecoded and is_blank(certificate.common_name):
        return Refuse(Reason.BLANK_NAME, "The certificate has no common name (CN), or a blank one.", certificate)
    return None
