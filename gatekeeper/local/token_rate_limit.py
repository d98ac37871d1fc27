"""Limits how often an address may send an unknown token. Each process counts separately."""

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address

# A link that was typed or cut short is wrong once or twice; a guess is right once in 2**256.
MOST_GUESSES = 10
WINDOW_SECONDS = 600
# Addresses cached; whoever has more of them than this forgets one guess for another, and is as far from 2**256.
MOST_ADDRESSES = 4096


class TokenRateLimit:
    """Wrong guesses by address; times are seconds on any monotonic clock."""

    def __init__(self) -> None:
        self._counted: OrderedDict[str, tuple[float, int]] = OrderedDict()  # since when, how many

    def wait(self, address: str, now: float) -> int:
        """How many whole seconds nobody there may try again; 0 for who may."""
        since, count = self._counted.get(_network(address), (now, 0))
        left = since + WINDOW_SECONDS - now
        return int(left) + 1 if count >= MOST_GUESSES and left > 0 else 0

    def wrong(self, address: str, now: float) -> None:
        """Somebody there came with a token that nothing has."""
        network = _network(address)
        since, count = self._counted.pop(network, (now, 0))
        if now >= since + WINDOW_SECONDS:
            since, count = now, 0
        self._counted[network] = since, count + 1
        if len(self._counted) > MOST_ADDRESSES:
            self._counted.popitem(last=False)


def _network(address: str) -> str:
    """One customer is one IPv4 address, but a whole /64 of IPv6 (RFC 6177)."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    return str(int(ip) >> 64) if isinstance(ip, IPv6Address) else address
