"""UTCTime and GeneralizedTime (RFC 5280, 4.1.2.5) as seconds since the epoch."""

import re
from datetime import date

from gatekeeper.x509.der import CONSTRUCTED, GENERALIZED_TIME, UTC_TIME, DERError, Element, content

# RFC 5280, 4.1.2.5: with seconds and in UTC. X509_cmp_time(3) takes nothing else either, whatever BER allows.
_FORM = re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z")
_MOST = (12, 31, 23, 59, 59)
_EPOCH = date(1970, 1, 1).toordinal()


def read_time(data: bytes, one: Element) -> float:
    """The time that an element encodes; DERError if it is malformed.

    Years before 1 are read as 1, the earliest that Python's datetime holds.
    """
    text = content(data, one)
    digits = {UTC_TIME: 2, GENERALIZED_TIME: 4}.get(one.tag & ~CONSTRUCTED, 0)
    found = _FORM.fullmatch(text, digits)
    if not digits or found is None or not text[:digits].isdigit():
        raise DERError("a time is in no form that RFC 5280 allows")
    year = int(text[:digits])
    if digits == 2:
        year += 1900 if year >= 50 else 2000
    month, day, hour, minute, second = map(int, found.groups())
    if any(part > most for part, most in zip((month, day, hour, minute, second), _MOST, strict=True)):
        raise DERError("a time of day is out of range")
    try:
        days = date(max(year, 1), month, day).toordinal() - _EPOCH
    except ValueError as error:
        raise DERError("a date is out of range") from error
    return float(((days * 24 + hour) * 60 + minute) * 60 + second)
