"""The parts of a CRL (RFC 5280, 5.1) as bytes; only the extensions of its entries are parsed."""

from dataclasses import dataclass

from gatekeeper.x509.certificate import Extension, Extensions, read_extensions
from gatekeeper.x509.der import (
    CONSTRUCTED,
    ENUMERATED,
    GENERALIZED_TIME,
    INTEGER,
    SEQUENCE,
    UTC_TIME,
    DERError,
    Element,
    boolean,
    children,
    content,
    dotted,
    element,
    elements,
    first,
    integer,
    only,
    raw,
)
from gatekeeper.x509.extensions import bits
from gatekeeper.x509.names import Name, read_name
from gatekeeper.x509.times import read_time

CRL_NUMBER, DELTA_CRL_INDICATOR, ISSUING_DISTRIBUTION_POINT = b"\x55\x1d\x14", b"\x55\x1d\x1b", b"\x55\x1d\x1c"
_REASON, _INVALIDITY_DATE, _CERTIFICATE_ISSUER = b"\x55\x1d\x15", b"\x55\x1d\x18", b"\x55\x1d\x1d"
_REMOVE_FROM_CRL = 8
_VERSIONS = (0, 1)  # v1, v2
_TIMES = (UTC_TIME, GENERALIZED_TIME)
# The size of the cache of entry extensions, most of which repeat. A million different invalidity dates must not fill
# the memory.
_KNOWN_EXTENSIONS = 4096


@dataclass(frozen=True, slots=True)
class RawList:
    """A CRL whose signature has not been verified. Times are seconds since the epoch.

    ``revoked`` are serial numbers; ``removed`` are those with the reason removeFromCRL, which are no longer revoked.
    """

    issuer: Name
    this_update: float
    next_update: float | None
    revoked: frozenset[int]
    removed: frozenset[int]
    extensions: Extensions
    signed: bytes
    algorithm: bytes
    signature: bytes


def parse_list(der: bytes) -> RawList:
    """The parts of one CRL in DER or BER; ValueError if its structure is broken, NotUnderstoodError for an unknown
    critical entry extension.

    A million entries take about a second.
    """
    try:
        return _parse(der)
    except IndexError as error:
        raise DERError("something is missing") from error


def _parse(der: bytes) -> RawList:
    body, algorithm, signature = only(der)
    fields = children(der, body)
    if fields[0].tag == INTEGER:
        if integer(der, fields[0]) not in _VERSIONS:
            raise DERError("the list has an unknown version")
        fields = fields[1:]
    _, issuer, this_update, *more = fields
    next_update = read_time(der, more.pop(0)) if more and more[0].tag & ~CONSTRUCTED in _TIMES else None
    entries = more.pop(0) if more and more[0].tag == SEQUENCE else None
    revoked, removed = _entries(der, entries) if entries else (frozenset(), frozenset())
    wrapped = element(der, more[0].start, more[0].stop) if more else None
    return RawList(
        issuer=read_name(der, issuer),
        this_update=read_time(der, this_update),
        next_update=next_update,
        revoked=revoked,
        removed=removed,
        extensions=read_extensions(der, wrapped) if wrapped else {},
        signed=raw(der, body),
        algorithm=raw(der, algorithm),
        signature=content(der, signature)[1:],
    )


def _entries(der: bytes, entries: Element) -> tuple[frozenset[int], frozenset[int]]:
    revoked: list[int] = []
    removed: list[int] = []
    known: dict[bytes, bool] = {}
    at, stop = entries.start, entries.stop
    number = int.from_bytes
    while at < stop:
        size, width = der[at + 1], der[at + 3]
        # The usual form of an entry: short lengths, a serial, a UTCTime of 13 octets, no extensions.
        if (
            size == 17 + width < 0x80
            and der[at] == SEQUENCE
            and der[at + 2] == INTEGER
            and der[at + 4 + width : at + 6 + width] == b"\x17\x0d"
            and width
            and at + 2 + size <= stop
        ):
            revoked.append(number(der[at + 4 : at + 4 + width], "big", signed=True))
            at += 2 + size
            continue
        entry = element(der, at, stop)
        serial, _, *more = children(der, entry)
        gone = False
        if more:
            extensions = raw(der, more[0])
            found = known.get(extensions)
            if found is None:
                if len(known) >= _KNOWN_EXTENSIONS:
                    known.clear()
                found = known[extensions] = _is_removed(extensions)
            gone = found
        (removed if gone else revoked).append(integer(der, serial))
        at = entry.end
    return frozenset(revoked), frozenset(removed)


def _is_removed(extensions: bytes) -> bool:
    """Whether an entry is removed. RFC 5280, 5.3: a CRL with an unknown critical entry extension must not be used at
    all.
    """
    found = read_extensions(extensions, element(extensions, 0, len(extensions)))
    for oid, extension in found.items():
        if oid == _CERTIFICATE_ISSUER:  # 5.3.3: the entry is about another authority's certificate
            raise NotUnderstoodError("is an indirect CRL, which is not supported")
        if extension.critical and oid not in (_REASON, _INVALIDITY_DATE):
            raise not_understood(oid)
    reason = found.get(_REASON)
    return reason is not None and _reason(reason) == _REMOVE_FROM_CRL


def _reason(extension: Extension) -> int | None:
    """The reason of an entry; an unreadable one counts as none, so the certificate is revoked."""
    try:
        value = extension.value
        return integer(value, element(value, 0, len(value)), ENUMERATED)
    except (ValueError, IndexError):
        return None


class NotUnderstoodError(ValueError):
    """The CRL is well formed but must not be used; the message continues the name of its file."""


def not_understood(oid: bytes) -> NotUnderstoodError:
    """The error for an unknown critical extension."""
    return NotUnderstoodError(f"is a CRL with a critical extension that is not understood ({dotted(oid)})")


ALL_REASONS = frozenset(range(1, 9))
"""The bits of ReasonFlags (RFC 5280, 4.2.1.13); bit 0 is unused."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The certificates that a CRL covers (issuingDistributionPoint, RFC 5280, 5.2.5).

    ``points`` are the general names of its distribution point, in the form of `point_names`; None if it covers all.
    """

    points: frozenset[bytes] | None = None
    users: bool = True
    authorities: bool = True
    reasons: frozenset[int] = ALL_REASONS
    indirect: bool = False


EVERYTHING = Scope()


def read_scope(value: bytes) -> Scope:
    """The scope in the value of an issuingDistributionPoint; DERError if it cannot be read.

    Default values may be encoded, as OpenSSL accepts.
    """
    points: frozenset[bytes] | None = None
    users = authorities = attributes = True
    reasons, indirect = ALL_REASONS, False
    for one in first(value):
        match one.tag & ~CONSTRUCTED:
            case 0x80:
                points = point_names(value, one)
            case 0x81:
                authorities = not boolean(value, one, one.tag)
            case 0x82:
                users = not boolean(value, one, one.tag)
            case 0x83:
                reasons = bits(b"\x03" + value[one.begin + 1 : one.end]) & ALL_REASONS
            case 0x84:
                indirect = boolean(value, one, one.tag)
            case 0x85:
                attributes = not boolean(value, one, one.tag)
    return Scope(points, users and attributes, authorities and attributes, reasons, indirect)


def point_names(value: bytes, name: Element) -> frozenset[bytes]:
    """The general names in a DistributionPointName, each with its tag; empty for a name relative to the issuer."""
    return frozenset(
        raw(value, one)
        for choice in elements(value, name.start, name.stop)
        if choice.tag & ~CONSTRUCTED == 0x80
        for one in elements(value, choice.start, choice.stop)
    )


def certificate_points(value: bytes) -> frozenset[bytes]:
    """The names of all distribution points in a certificate's cRLDistributionPoints (RFC 5280, 4.2.1.13)."""
    return frozenset(
        name
        for point in first(value)
        for field in children(value, point)
        if field.tag & ~CONSTRUCTED == 0x80
        for name in point_names(value, field)
    )


def read_number(extension: Extension | None) -> int | None:
    """A CRLNumber or BaseCRLNumber (RFC 5280, 5.2.3 and 5.2.4); None if it is missing or unreadable."""
    if extension is None:
        return None
    try:
        return integer(extension.value, element(extension.value, 0, len(extension.value)))
    except (ValueError, IndexError):
        return None
