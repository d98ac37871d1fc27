"""Is a certificate revoked? CRLs (RFC 5280, 5), as sets of serials, and statuses that expire.

A status is never a bool: it may be `Standing.UNKNOWN`, and the configuration decides what follows. A list that covers
only some certificates (its issuing distribution point says which) makes no other certificate good, but a certificate on
any list of its issuer is revoked. A delta adds to the lists of its issuer, and removes entries from its base.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from math import inf

from gatekeeper.gate.certificate import Certificate
from gatekeeper.x509 import pem
from gatekeeper.x509.certificate import (
    AUTHORITY_KEY_IDENTIFIER,
    KEY_USAGE,
    RawCertificate,
    parse_certificate,
)
from gatekeeper.x509.crl import (
    ALL_REASONS,
    CRL_NUMBER,
    DELTA_CRL_INDICATOR,
    EVERYTHING,
    ISSUING_DISTRIBUTION_POINT,
    NotUnderstoodError,
    RawList,
    Scope,
    not_understood,
    parse_list,
    read_number,
    read_scope,
)
from gatekeeper.x509.extensions import CRL_SIGN, bits, read
from gatekeeper.x509.names import canonical, rfc2253

# How many days before an end the warning about it is repeated.
_STAGES = (30, 7, 1)


class Standing(Enum):
    """Whether a certificate is revoked."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RevocationStatus:
    """A certificate's revocation status, valid while the time (seconds since the epoch) is before ``until``.

    ``detail`` is a sentence for the visitor if it is unknown; ``stale``: a list that covers the certificate does not
    name it, but is past its nextUpdate or before its thisUpdate.
    """

    standing: Standing
    until: float = inf
    detail: str = ""
    stale: bool = False


Issuer = tuple[str, str]
"""Who signs lists and certificates: the name (RFC 2253) and the SHA-256 of the public key. A renewed authority with the
same key is the same issuer; another key under the same name is not."""


def issuer_of(authority: Certificate) -> Issuer:
    """The issuer that an authority's certificate stands for."""
    return authority.subject, authority.spki_sha256


@dataclass(frozen=True, slots=True)
class RevocationList:
    """One CRL whose signature was checked. Times are seconds since the epoch.

    ``scope`` says which certificates it covers. ``number`` is its CRLNumber. A delta has a ``base``, the number of the
    oldest list that it may be added to; ``removed`` are the serials that it removes from that. A complete list removes
    none, whatever its entries say (RFC 5280, 5.3.1), as with OpenSSL.

    ``serials`` is a set of numbers: a million serials of 128 bits take 80 MB, and a lookup takes 0.05 µs.
    """

    issuer: Issuer
    this_update: float
    next_update: float
    serials: frozenset[int]
    scope: Scope = EVERYTHING
    number: int | None = None
    base: int | None = None
    removed: frozenset[int] = frozenset()

    def fresh(self, now: float) -> bool:
        """Whether it is current."""
        return self.this_update <= now < self.next_update

    def covers(self, certificate: Certificate) -> bool:
        """RFC 5280, 6.3.3 (b) (2): whether it would name the certificate if that were revoked."""
        scope = self.scope
        kind = scope.authorities if certificate.is_authority else scope.users
        return kind and self.base is None and (scope.points is None or not scope.points.isdisjoint(certificate.points))

    def adds_to(self, one: "RevocationList") -> bool:
        """RFC 5280, 5.2.4: whether this is a delta that may be combined with a complete list."""
        if self.base is None or one.base is not None or self.number is None or one.number is None:
            return False
        return self.base <= one.number < self.number and self.scope == one.scope


@dataclass(frozen=True, slots=True)
class Revocations:
    """All lists that were loaded, by issuer."""

    lists: Mapping[Issuer, tuple[RevocationList, ...]]

    @classmethod
    def of(cls, lists: Iterable[RevocationList]) -> "Revocations":
        """Group lists by issuer. A certificate on any list of its issuer is revoked."""
        found: dict[Issuer, tuple[RevocationList, ...]] = {}
        for one in lists:
            found[one.issuer] = (*found.get(one.issuer, ()), one)
        return cls(found)

    @property
    def every(self) -> list[RevocationList]:
        """All lists, grouped by issuer, in the order in which they were loaded."""
        return [one for lists in self.lists.values() for one in lists]

    def status(self, certificate: Certificate, issuer: Certificate, now: float) -> RevocationStatus:
        """The status of a certificate that ``issuer`` signed. A revoked one stays revoked when the list is stale."""
        lists = self.lists.get(issuer_of(issuer), ())
        if not lists:
            return RevocationStatus(
                Standing.UNKNOWN, detail="There is no revocation list from the authority that issued it"
            )
        serial, end = int(certificate.serial, 16), inf
        for one in lists:
            if serial in one.serials:
                until = _removed_until(serial, one, lists, now)
                if until is None:
                    return RevocationStatus(Standing.REVOKED)
                end = min(end, until)
        return _status_of_unlisted([one for one in lists if one.covers(certificate)], now, end)


def _removed_until(serial: int, one: RevocationList, lists: Iterable[RevocationList], now: float) -> float | None:
    """Until when a delta removes a serial from this list; None if no delta does (removeFromCRL, RFC 5280, 5.3.1)."""
    found = [each.next_update for each in lists if serial in each.removed and each.fresh(now) and each.adds_to(one)]
    return max(found, default=None)


def _status_of_unlisted(lists: list[RevocationList], now: float, end: float) -> RevocationStatus:
    """The status of a certificate that none of the ``lists`` names, which are those that cover it."""
    if not lists:
        return RevocationStatus(
            Standing.UNKNOWN, detail="No revocation list speaks of such certificates of its authority"
        )
    fresh = [one for one in lists if one.fresh(now)]
    if not fresh:
        early = all(now < one.this_update for one in lists)
        why = "is not valid yet; check the gate's clock" if early else "has not been renewed in time"
        return RevocationStatus(Standing.UNKNOWN, detail=f"The revocation list {why}", stale=_cover_all_reasons(lists))
    if not _cover_all_reasons(fresh):
        return RevocationStatus(
            Standing.UNKNOWN, detail="The revocation lists are for some reasons only", stale=_cover_all_reasons(lists)
        )
    whole = [one.next_update for one in fresh if one.scope.reasons == ALL_REASONS]
    return RevocationStatus(
        Standing.GOOD, until=min(end, max(whole) if whole else min(one.next_update for one in fresh))
    )


def _cover_all_reasons(lists: list[RevocationList]) -> bool:
    """Whether the lists together cover every reason for a revocation (RFC 5280, 6.3.3, the end)."""
    return frozenset().union(*(one.scope.reasons for one in lists)) >= ALL_REASONS


def replay(new: Iterable[RevocationList], old: Iterable[RevocationList]) -> str:
    """Why fetched lists must not replace the previous ones, as a sentence; "" if they may.

    An attacker on the network could otherwise send a list from before a revocation, which has a valid signature too
    (RFC 5280, 5.2.3: the number increases with each list; 5.1.2.4: so does thisUpdate).
    """
    new = tuple(new)
    for one in old:
        same = [each for each in new if (each.issuer, each.scope, each.base is None) == _kind_of(one)]
        if not same:
            return f"the new list is not of {one.issuer[0]}, or of other certificates than the one before it"
        if all(_is_older(each, one) for each in same):
            return f"the list of {one.issuer[0]} is older than the one before it"
    return ""


def _kind_of(one: RevocationList) -> tuple[Issuer, Scope, bool]:
    return one.issuer, one.scope, one.base is None


def _is_older(new: RevocationList, old: RevocationList) -> bool:
    numbered = new.number is not None and old.number is not None and new.number < old.number
    return numbered or new.this_update < old.this_update


def alarms(
    revocations: Revocations,
    authorities: Iterable[Certificate],
    now: float,
    *,
    stale_counts: bool = False,
    learns: bool = False,
) -> Iterator[str]:
    """Sentences about lists that end soon or have ended, and about authorities without a list.

    Each names the consequence and the remedy. ``stale_counts`` is the policy's: then an old list locks nobody out.
    ``learns`` is whether visitors' certificates tell from where to fetch one.
    """
    refused = "everyone with a certificate from it is refused"
    then = "a revocation made after that is not known here" if stale_counts else refused
    for one in revocations.every:
        if now < one.this_update:
            yield f"the CRL of {one.issuer[0]} is not valid yet; check the gate's clock"
        elif when := urgency(one.this_update, one.next_update, now):
            remedy = "sign it anew (gatekeeper ca crl) and put it where the gate reads it"
            yield f"the CRL of {one.issuer[0]} {when}, and from then on {then}; {remedy}"
    for authority in authorities:
        if all(one.base is not None for one in revocations.lists.get(issuer_of(authority), ())):
            if learns:
                yield (
                    f"there is no CRL of {authority.subject} yet: it is fetched once a certificate from it says from "
                    f"where, and until then {refused}"
                )
            else:
                yield f"there is no CRL of {authority.subject}, so {refused}"


def urgency(begins: float, ends: float, now: float) -> str:
    """How near an end is, in words that change whenever the warning has to be repeated; "" while there is time.

    The warning comes 30, 7 and 1 days before the end, but only in the last quarter of a shorter life (a timer should
    have renewed it by then), and every hour after the end. Times are seconds since the epoch.
    """
    day = f"{datetime.fromtimestamp(ends, UTC):%Y-%m-%d %H:%M} UTC"
    if now >= ends:
        hours = int((now - ends) // 3600)
        return f"ended on {day}" + (f", {hours} hours ago" if hours > 1 else ", an hour ago" if hours else "")
    near = [days for days in _STAGES if now >= ends - days * 86400.0]
    if not near or now < ends - (ends - begins) / 4:
        return ""
    return f"ends on {day}, in less than {_days(min(near))}"


def _days(number: int) -> str:
    return "a day" if number == 1 else f"{number} days"


# -- reading

_DAMAGED = "cannot be read as a CRL; it is damaged, or something else"
_UNDERSTOOD = frozenset((CRL_NUMBER, DELTA_CRL_INDICATOR, ISSUING_DISTRIBUTION_POINT, AUTHORITY_KEY_IDENTIFIER))


def read_lists(content: bytes, authorities: Iterable[Certificate]) -> list[RevocationList]:
    """The lists in a file, PEM (one or several) or DER; ValueError with the reason if one is not acceptable.

    Each must be signed by one of the ``authorities``, with a hash that is not broken, and have a nextUpdate. Not
    checked: whether that has passed.
    """
    authorities = tuple(authorities)
    if b"-----BEGIN" not in content:
        return [_read(content, authorities)]
    try:
        found = pem.blocks(content, pem.CRL_LABELS)
    except ValueError as error:
        raise ValueError(_DAMAGED) from error
    if not found:
        raise ValueError("holds no CRL")
    return [_read(der, authorities) for der in found]


def _read(der: bytes, authorities: tuple[Certificate, ...]) -> RevocationList:
    from gatekeeper.x509.signatures import broken_digest  # cryptography takes 9 MiB

    try:
        crl = parse_list(der)
        digest = broken_digest(crl.algorithm)
    except NotUnderstoodError:
        raise
    except ValueError as error:
        raise ValueError(_DAMAGED) from error
    name = rfc2253(crl.issuer)
    if digest is not None:
        raise ValueError(f"the CRL of {name} is signed with {digest}, which is broken")
    signer = _signer(crl, name, authorities)
    scope, number, base = _scope(crl), read_number(crl.extensions.get(CRL_NUMBER)), None
    if (delta := crl.extensions.get(DELTA_CRL_INDICATOR)) is not None:
        base = read_number(delta)
        if base is None or number is None:
            raise ValueError("is a delta CRL without the number of its base or its own")
    if crl.next_update is None:
        raise ValueError(f"the CRL of {name} does not say when the next one comes (nextUpdate)")
    return RevocationList(
        issuer_of(signer), crl.this_update, crl.next_update, crl.revoked, scope, number, base, crl.removed
    )


def _scope(crl: RawList) -> Scope:
    """RFC 5280, 5.2: a list with a critical extension that is not understood must not be used."""
    for oid, extension in crl.extensions.items():
        if extension.critical and oid not in _UNDERSTOOD:
            raise not_understood(oid)
    point = crl.extensions.get(ISSUING_DISTRIBUTION_POINT)
    if point is None:
        return EVERYTHING
    scope = read(read_scope, point.value)
    if scope is None:
        raise ValueError("is a CRL whose issuing distribution point cannot be read")
    if scope.indirect:
        raise ValueError("is an indirect CRL, which is not supported")
    return scope


def _signer(crl: RawList, name: str, authorities: tuple[Certificate, ...]) -> Certificate:
    """RFC 5280, 6.3.3 (f), (g): the authority whose key verifies the list, and that may sign lists.

    Names are compared by the rules of RFC 5280, 7.1.
    """
    from gatekeeper.x509.signatures import has_signed

    issuer = canonical(crl.issuer)
    parsed = [(one, parse_certificate(one.der)) for one in authorities]
    namesakes = [(one, raw) for one, raw in parsed if canonical(raw.subject) == issuer]
    if not namesakes:
        raise ValueError(f"is a CRL of {name}, which is not in client_auth.ca")
    for authority, raw in namesakes:
        if has_signed(raw.spki, crl.algorithm, crl.signed, crl.signature):
            if not _may_sign_lists(raw):
                raise ValueError(f"is signed by {name}, which must not sign CRLs (its key usage lacks cRLSign)")
            return authority
    raise ValueError(f"the signature on the CRL of {name} is not by the authority of that name in client_auth.ca")


def _may_sign_lists(authority: RawCertificate) -> bool:
    usage = authority.extensions.get(KEY_USAGE)
    return usage is None or CRL_SIGN in (read(bits, usage.value) or ())
