"""Limits how often an address may send an unknown token. Each process counts separately."""

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address

# People mistype or truncate a link once or twice; a guess is right once in 2**256.
MOST_GUESSES = 10
WINDOW_SECONDS = 600
# Addresses remembered. An attacker with more addresses than this is not limited, and is as far from 2**256 guesses.
MOST_ADDRESSES = 4096


class TokenRateLimit:
    """Wrong guesses by address; times are seconds on any monotonic clock."""

    def __init__(self) -> None:
        self._counted: OrderedDict[str, tuple[float, int]] = OrderedDict()  # since when, how many

    def wait(self, address: str, now: float) -> int:
        """How many whole seconds the address must wait before it may try again; 0 if it may try now."""
        since, count = self._counted.get(_network(address), (now, 0))
        left = since + WINDOW_SECONDS - now
        return int(left) + 1 if count >= MOST_GUESSES and left > 0 else 0

    def wrong(self, address: str, now: float) -> None:
        """Count an unknown token from this address."""
        network = _network(address)
        since, count = self._counted.pop(network, (now, 0))
        if now >= since + WINDOW_SECONDS:
            since, count = now, 0
        self._counted[network] = since, count + 1
        if len(self._counted) > MOST_ADDRESSES:
            self._counted.popitem(last=False)


def _network(address: str) -> str:
    """What counts as one address: an IPv4 address, or a /64 of IPv6, which one customer has at least (RFC 6177)."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    return str(int(ip) >> 64) if isinstance(ip, IPv6Address) else address
