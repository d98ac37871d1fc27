"""``limits.rate`` and ``limits.concurrent``: how many requests a client may send, in a second and at once.

A client is a certificate, or an address: of whoever sends none that is good, and on public routes.
"""

import math
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from gatekeeper.gate.decision import Authorizer, Decision, Forward
from gatekeeper.telemetry.request_rates import RequestRates

if TYPE_CHECKING:
    from gatekeeper.settings.server import LimitsSettings

AT_ONCE_SECONDS = 1
"""When to come back (Retry-After) where too many requests are under way: nobody knows when one of them ends."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The limits of a configuration; ``rate`` is requests a second, and 0 in one of them is no limit."""

    rate: float
    burst: int
    concurrent: int


def request_limits(settings: "LimitsSettings") -> RequestLimits | None:
    """None if there are none, so that a request costs nothing more."""
    if settings.rate is None and not settings.concurrent:
        return None
    return RequestLimits(settings.rate or 0.0, settings.rate_burst, settings.concurrent)


class RequestCounts:
    """What is counted for the limits: ``rates`` in all workers, what is under way in this one.

    ``counted`` holds the exchanges under way that were counted, each with its client.
    """

    __slots__ = ("_at_once", "_rates", "counted")

    def __init__(self, rates: RequestRates) -> None:
        self._rates = rates
        self._at_once: Counter[str] = Counter()
        self.counted: dict[object, str] = {}

    def wait(self, limits: RequestLimits, client: str, now: float) -> int:
        """0 if a request may go on, else in how many seconds to try again; ``now`` is monotonic seconds."""
        if limits.concurrent and self._at_once[client] >= limits.concurrent:
            return AT_ONCE_SECONDS
        return math.ceil(self._rates.wait(client, limits.rate, limits.burst, now)) if limits.rate else 0

    def begin(self, exchange: object, client: str) -> None:
        """An exchange is under way."""
        self.counted[exchange] = client
        self._at_once[client] += 1

    def end(self, exchange: object) -> None:
        """It is over."""
        client = self.counted.pop(exchange, None)
        if client is not None:
            self._at_once[client] -= 1
            if not self._at_once[client]:
                del self._at_once[client]


def client_of(authorizer: Authorizer, decision: Decision, address: str) -> str:
    """Who is counted: the certificate that was let in for it, else the address."""
    identity = authorizer.identity
    if identity is None or (isinstance(decision, Forward) and decision.route.public):
        return _network(address)
    return identity.certificate.sha256


@lru_cache(1024)
def _network(address: str) -> str:
    """The address; of IPv6 the /64, since a client chooses the rest itself (RFC 8981)."""
    try:
        node = ip_address(address)
    except ValueError:
        return address
    return f"{int(node) >> 64:x}::/64" if isinstance(node, IPv6Address) else address
