"""Which certificate a visitor is shown, by the host name that it asks for (SNI, RFC 6066, 3).

The name is unverified, and nothing is allowed because of it: it chooses a certificate, and whether the handshake asks
for one of the visitor's. Who may do what is decided for each request, by its Host.
"""

import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.paths import read_host


@dataclass(frozen=True, slots=True, eq=False)
class NamedCertificate:
    """A server certificate for the names that it carries. ``ask`` is whether the handshake asks for the visitor's.
    ``ordered`` are the names that the configuration has for it, if the gate orders it: what the last order was for may
    be something else, and must not take a name from another certificate.

    ``key`` is the configuration's key of its file, for messages; ``context`` has its chain, its key, and the
    authorities of all others.
    """

    key: str
    context: ssl.SSLContext
    certificate: Certificate
    ask: bool = True
    ordered: tuple[str, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The DNS names of its subjectAltName in lower case, wildcards among them. The common name counts for no
        client (RFC 9110, 4.3.4).
        """
        names = self.certificate.dns_names if self.ordered is None else self.ordered
        return tuple(dict.fromkeys(name.lower().removesuffix(".") for name in names))


@dataclass(frozen=True, slots=True)
class ServerNames:
    """All server certificates by name. The first is the default: for visitors that name no host, or an unknown one."""

    all: tuple[NamedCertificate, ...]
    _by_name: Mapping[str, NamedCertificate] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {name: one for one in reversed(self.all) for name in one.names})

    def find(self, name: str | None) -> NamedCertificate:
        """The certificate for a host: one that carries exactly this name, else one with a wildcard in place of its
        first label (RFC 9525, 6.3), else the default.
        """
        return self.match(name) or self.all[0]

    def match(self, name: str | None) -> NamedCertificate | None:
        """As `find`, but None where no certificate carries the name."""
        if not name:
            return None
        name = name.lower().removesuffix(".")
        label, _, parent = name.partition(".")
        return self._by_name.get(name) or (self._by_name.get(f"*.{parent}") if label else None)

    def carries(self, host: bytes) -> bool:
        """Whether a certificate carries the name or the address in a Host header."""
        name = read_host(host)
        return self.match(name) is not None or any(name in one.certificate.ips for one in self.all)

    def asks(self, name: str) -> bool:
        """Whether visitors that ask for this host are asked for a certificate."""
        return self.find(name).ask

    @property
    def unasked(self) -> Iterator[str]:
        """The names whose visitors are never asked for a certificate."""
        return (name for one in self.all if not one.ask for name in one.names)


def shared_names(certificates: Iterable[NamedCertificate]) -> Iterator[tuple[NamedCertificate, NamedCertificate, str]]:
    """Each name that two certificates carry: the later one, the earlier one, the name. Which of them a visitor got
    would depend on the order in the file alone.
    """
    first: dict[str, NamedCertificate] = {}
    for one in certificates:
        for name in one.names:
            if first.setdefault(name, one) is not one:
                yield one, first[name], name
