"""Rules: what a certificate must contain.

Attributes are compared whole, as they were parsed; a rule never searches the text of a distinguished name. If a
certificate repeats an attribute, one match is enough. Comparison is case-sensitive, except for host names and the
domain of an e-mail address (RFC 5280, 7.2 and 7.5).

``*`` has a meaning in three places only: ``*@example.com`` matches any address (or user principal name) there,
``*.example.com`` any host name with one more label, ``spiffe://example.com/*`` any URI that continues after the slash.
Settings refuse a star anywhere else (`settings.certificate_types`).
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.verdict import Identity

if TYPE_CHECKING:
    from gatekeeper.settings.access import RuleSettings

Fits = Callable[[Certificate], bool]


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A table of ``allow`` or ``deny``: every key in it must match. ``text`` is the table as TOML would write it.

    ``issuer`` is the common name that the issuer must have, ``issuer_sha256`` the fingerprint of its certificate; None
    if the rule does not say. ``pinned``: whether the rule names one certificate, key or authority's certificate.
    """

    text: str
    conditions: tuple[Fits, ...]
    issuer: str | None
    pinned: bool
    issuer_sha256: str | None = None

    def fits(self, identity: Identity) -> bool:
        """Whether the certificate matches. Not checked: whether another authority may have taken the issuer's name."""
        by = self.issuer_sha256 is None or self.issuer_sha256 == identity.issuer_sha256
        return by and all(condition(identity.certificate) for condition in self.conditions)

    def vouches_for(self, identity: Identity) -> bool:
        """Whether the certificate matches, and nobody else could have signed under the name of the rule's issuer:
        whoever holds the key of a trusted authority can create another one below it, with any name.
        """
        return self.fits(identity) and (self.issuer is None or identity.issuer_is_known)


def compile_rule(settings: "RuleSettings", where: str) -> Rule:
    """The rule of one table; ``where`` says which it is, for people: ``allow[0]``."""
    written = {name: value for name in _KEYS if (value := getattr(settings, name)) is not None}
    if not written:
        raise ValueError("a rule without a condition would match everybody")
    pairs = ", ".join(f'{name} = "{value}"' for name, value in written.items())
    return Rule(
        text=f"{where}: {pairs}",
        conditions=tuple(_CONDITIONS[name](value) for name, value in written.items() if name in _CONDITIONS),
        issuer=settings.issuer,
        pinned=bool(written.keys() & {"sha256", "spki", "issuer_sha256"}),
        issuer_sha256=settings.issuer_sha256,
    )


def _address(wanted: str, values: Callable[[Certificate], tuple[str, ...]]) -> Fits:
    local, domain = _mailbox(wanted)
    if local == "*":
        return lambda certificate: any(mine and at == domain for mine, at in map(_mailbox, values(certificate)))
    return lambda certificate: (local, domain) in map(_mailbox, values(certificate))


def _mailbox(address: str) -> tuple[str, str]:
    """Local part and domain. With a second ``@``, programs disagree on where the domain begins: it then stays in the
    domain, and no rule matches, because settings refuse one there.
    """
    local, _, domain = address.partition("@")
    return local, _lower(domain)


def _dns(wanted: str) -> Fits:
    wanted = _lower(wanted)
    label, _, above = wanted.partition(".")
    if label == "*":
        return lambda certificate: any(
            mine and at == above for mine, _, at in (_lower(one).partition(".") for one in certificate.dns_names)
        )
    return lambda certificate: wanted in map(_lower, certificate.dns_names)


def _lower(name: str) -> str:
    """In lower case if it is ASCII; beyond ASCII, letters would turn into others (the Kelvin sign K into k)."""
    return name.lower() if name.isascii() else name


def _uri(wanted: str) -> Fits:
    if wanted.endswith("/*"):
        start = wanted[:-1]
        return lambda certificate: any(one.startswith(start) and one != start for one in certificate.uris)
    return lambda certificate: wanted in certificate.uris


def _among(values: Callable[[Certificate], Collection[str]]) -> Callable[[str], Fits]:
    """A condition that the wanted value is one of ``values``."""

    def condition(wanted: str) -> Fits:
        return lambda certificate: wanted in values(certificate)

    return condition


def _equal(value: Callable[[Certificate], str]) -> Callable[[str], Fits]:
    """A condition that the wanted value is ``value``."""

    def condition(wanted: str) -> Fits:
        return lambda certificate: wanted == value(certificate)

    return condition


def _mailbox_in(values: Callable[[Certificate], tuple[str, ...]]) -> Callable[[str], Fits]:
    """A condition that the wanted mailbox is one of ``values``."""

    def condition(wanted: str) -> Fits:
        return _address(wanted, values)

    return condition


_CONDITIONS: dict[str, Callable[[str], Fits]] = {
    "cn": _among(lambda certificate: certificate.common_names),
    "o": _among(lambda certificate: certificate.organizations),
    "ou": _among(lambda certificate: certificate.organizational_units),
    "email": _mailbox_in(lambda certificate: certificate.emails),
    "dns": _dns,
    "uri": _uri,
    "upn": _mailbox_in(lambda certificate: certificate.upns),
    "subject_serial": _among(lambda certificate: certificate.subject_serials),
    "uid": _among(lambda certificate: certificate.uids),
    "dn": _equal(lambda certificate: certificate.dn),
    "policy": _among(lambda certificate: certificate.policies),
    "eku": _among(lambda certificate: certificate.purposes),
    "issuer": _among(lambda certificate: certificate.issuer_common_names),
    "serial": _equal(lambda certificate: certificate.serial),
    "sha256": _equal(lambda certificate: certificate.sha256),
    "spki": _equal(lambda certificate: certificate.spki_sha256),
}
_KEYS = (*_CONDITIONS, "issuer_sha256")
