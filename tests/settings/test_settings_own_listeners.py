"""gatekeeper.settings.own_listeners; what of it depends on names alone is in tests/config/test_misdirected.py"""

import socket
from ipaddress import ip_address
from pathlib import Path

import pytest

from gatekeeper.settings.addresses import Address
from gatekeeper.settings.own_listeners import is_on_this_machine, reaches

WILDCARD = ("0.0.0.0", "::")


def own_addresses() -> list[str]:
    """Those of the interfaces that lead anywhere: from where a packet to a test network (RFC 5737) would be sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return []
        return [probe.getsockname()[0]]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", *own_addresses()])
def test_an_address_of_this_machine(address: str) -> None:
    """Loopback addresses, and those of its interfaces, by which others reach it."""
    assert is_on_this_machine(ip_address(address))
    assert reaches(Address(address, 8443), Address(WILDCARD[":" in address], 8443))


def binds_to_any_address() -> bool:
    """net.ipv4.ip_nonlocal_bind and its brother (ip-sysctl)."""
    switches = [Path(f"/proc/sys/net/{family}/ip_nonlocal_bind") for family in ("ipv4", "ipv6")]
    return any(one.exists() and one.read_text().strip() != "0" for one in switches)


@pytest.mark.skipif(binds_to_any_address(), reason="the kernel binds sockets to addresses of others")
@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_an_address_of_another_machine(address: str) -> None:
    """Nobody has the addresses of documentation (RFC 5737, RFC 3849)."""
    assert not is_on_this_machine(ip_address(address))
    assert not reaches(Address(address, 8443), Address(WILDCARD[":" in address], 8443))
