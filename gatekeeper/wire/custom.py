"""Custom headers: ``custom = { "X-Device" = "{cn}" }``."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from string import punctuation

from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.verdict import Identity
from gatekeeper.wire.presets.encoding import encoded, listed

_PLACEHOLDER = re.compile(r"\{([a-z0-9_]+)\}")

_ISSUER_SHA256 = "issuer_sha256"  # of the authority, not in the certificate itself


def fill(template: str, identity: Identity) -> str:
    """The template with what the certificate says; "" if the certificate says nothing of what is asked for.

    A punctuation mark that the template itself holds is ``%XX`` in the values, so that no name can forge what follows
    it. Letters and spaces are not: they separate nothing.
    """
    special = "".join(sorted({char for char in _PLACEHOLDER.sub("", template) if char in punctuation}))
    names = _PLACEHOLDER.findall(template)
    values = {name: _value(name, identity, special) for name in names}
    if names and not any(values.values()):
        return ""
    # RFC 9110, 5.5: no field value begins or ends with a blank, which the template may put beside an empty value.
    # A value's own blanks at either end are encoded, so that no name becomes another one here.
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template).strip(" ")


def _value(name: str, identity: Identity, special: str) -> str:
    if name == _ISSUER_SHA256:
        return identity.issuer_sha256
    return _VALUES[name](identity.certificate, special)


def _not_after(certificate: Certificate, _special: str) -> str:
    return f"{datetime.fromtimestamp(certificate.not_after, UTC):%Y-%m-%dT%H:%M:%SZ}"


_VALUES: dict[str, Callable[[Certificate, str], str]] = {
    "cn": lambda certificate, special: encoded(certificate.common_name, special),
    "o": lambda certificate, special: listed(certificate.organizations, special),
    "ou": lambda certificate, special: listed(certificate.organizational_units, special),
    "email": lambda certificate, special: encoded(next(iter(certificate.emails), ""), special),
    "dns": lambda certificate, special: listed(certificate.dns_names, special),
    "uri": lambda certificate, special: listed(certificate.uris, special),
    "upn": lambda certificate, special: encoded(next(iter(certificate.upns), ""), special),
    "subject_serial": lambda certificate, special: encoded(next(iter(certificate.subject_serials), ""), special),
    "uid": lambda certificate, special: encoded(next(iter(certificate.uids), ""), special),
    "dn": lambda certificate, special: encoded(certificate.dn, special),
    "policy": lambda certificate, special: listed(certificate.policies, special),
    "eku": lambda certificate, special: listed(certificate.purposes, special),
    "serial": lambda certificate, special: certificate.serial,
    "sha256": lambda certificate, special: certificate.sha256,
    "issuer": lambda certificate, special: encoded(next(iter(certificate.issuer_common_names), ""), special),
    "not_after": _not_after,
}
