"""Client addresses and networks."""

from ipaddress import ip_network

import pytest

from gatekeeper.gate.addresses import within

HOME = (ip_network("192.168.0.0/16"), ip_network("fd00::/8"))


@pytest.mark.parametrize("address", ["192.168.0.0", "192.168.255.255", "fd12::9"])
def test_an_address_of_a_network_is_in_it(address: str) -> None:
    """Of any of them, in both versions of IP."""
    assert within(address, HOME)


@pytest.mark.parametrize(
    "address", ["192.167.255.255", "::ffff:192.168.0.1", "fe80::1", "unix", "", "192.168.0.1, ::1"]
)
def test_everything_else_is_in_none(address: str) -> None:
    """What is no address too, and any address where there are no networks."""
    assert not within(address, HOME)
    assert not within("192.168.0.1", ())
