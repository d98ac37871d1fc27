"""Rules: what a certificate must say.

Attributes are compared whole and as they were parsed; nothing is searched for in a distinguished name's text. Where a
certificate repeats an attribute, one that fits suffices. Letters count as they are, but for host names and the domain
of an e-mail address, whose case means nothing (RFC 5280, 7.2 and 7.5).

``*`` has a meaning in three places and no other: ``*@example.com`` is any address there, ``*.example.com`` is any
host name with one label more, ``spiffe://example.com/*`` is any URI that goes on behind the slash.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gatekeeper.gate.certificate import Certificate
from gatekeeper.settings import RuleSettings

Fits = Callable[[Certificate], bool]


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A table of ``allow`` or ``deny``: every key in it must fit. ``text`` is the table as it could be written."""

    text: str
    conditions: tuple[Fits, ...]
    names_issuer: bool

    def fits(self, certificate: Certificate) -> bool:
        """Whether the certificate says all of it. Who signed it, and whether it is good, is not asked here."""
        return all(condition(certificate) for condition in self.conditions)


def compile_rule(settings: RuleSettings, where: str) -> Rule:
    """The rule of one table; ``where`` says which it is, for people: ``allow[0]``."""
    written = {name: value for name in _CONDITIONS if (value := getattr(settings, name)) is not None}
    if not written:
        raise ValueError("a rule without a condition would fit everybody")
    pairs = ", ".join(f'{name} = "{value}"' for name, value in written.items())
    return Rule(
        text=f"{where}: {pairs}",
        conditions=tuple(_CONDITIONS[name](value) for name, value in written.items()),
        names_issuer=bool(written.keys() & {"issuer", "sha256", "spki"}),
    )


def _email(wanted: str) -> Fits:
    wanted = _domain_in_lower_case(wanted)
    if wanted.startswith("*@"):
        domain = wanted[1:]
        return lambda certificate: any(_domain_in_lower_case(one).endswith(domain) for one in certificate.emails)
    return lambda certificate: any(_domain_in_lower_case(one) == wanted for one in certificate.emails)


def _domain_in_lower_case(address: str) -> str:
    local, at, domain = address.rpartition("@")
    return local + at + domain.lower()


def _dns(wanted: str) -> Fits:
    wanted = wanted.lower()
    if wanted.startswith("*."):
        above = wanted[2:]
        return lambda certificate: any(one.lower().partition(".")[2] == above for one in certificate.dns_names)
    return lambda certificate: any(one.lower() == wanted for one in certificate.dns_names)


def _uri(wanted: str) -> Fits:
    if wanted.endswith("/*"):
        start = wanted[:-1]
        return lambda certificate: any(one.startswith(start) and one != start for one in certificate.uris)
    return lambda certificate: wanted in certificate.uris


_CONDITIONS: dict[str, Callable[[str], Fits]] = {
    "cn": lambda wanted: lambda certificate: wanted in certificate.common_names,
    "o": lambda wanted: lambda certificate: wanted in certificate.organizations,
    "ou": lambda wanted: lambda certificate: wanted in certificate.organizational_units,
    "email": _email,
    "dns": _dns,
    "uri": _uri,
    "issuer": lambda wanted: lambda certificate: wanted in certificate.issuer_common_names,
    "serial": lambda wanted: lambda certificate: wanted == certificate.serial,
    "sha256": lambda wanted: lambda certificate: wanted == certificate.sha256,
    "spki": lambda wanted: lambda certificate: wanted == certificate.spki_sha256,
}
