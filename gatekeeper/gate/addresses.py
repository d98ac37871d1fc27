"""Client addresses and the networks that settings name."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address


def within(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Whether an address is in one of these networks. What is not an IP address, such as "unix", is in none."""
    if not networks:
        return False
    try:
        node = ip_address(address)
    except ValueError:
        return False
    return any(node in network for network in networks)
