"""gatekeeper.settings.own_listeners; what of it depends on names alone is in tests/config/test_misdirected.py"""

import socket
import subprocess
import sys
from ipaddress import ip_address

import pytest

from gatekeeper.settings.addresses import Address
from gatekeeper.settings.own_listeners import is_on_this_machine, reaches
from tests.gate_process import PATIENCE, ROOT
from tests.tools import namespace

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


@pytest.mark.parametrize("address", ["240.0.0.1", "240.0.0.2", "2001:db8::1", "2001:db8::2"])
def test_an_address_of_another_machine(address: str) -> None:
    """Nobody has the reserved ones, nor those of documentation (RFC 1112, 4; RFC 3849)."""
    assert not is_on_this_machine(ip_address(address))
    assert not reaches(Address(address, 8443), Address(WILDCARD[":" in address], 8443))


BIND_TO_ANY = """
from ipaddress import ip_address
from pathlib import Path
from gatekeeper.settings.own_listeners import is_on_this_machine
for family in ("ipv4", "ipv6"):
    Path(f"/proc/sys/net/{family}/ip_nonlocal_bind").write_text("1")
print([is_on_this_machine(ip_address(one)) for one in ("240.0.0.2", "2001:db8::2", "127.0.0.1", "::1")])
"""


def test_where_sockets_are_bound_to_any_address() -> None:
    """ip_nonlocal_bind, as machines have it that share an address by VRRP: an app elsewhere is not the gate."""
    run = [*namespace("--net"), sys.executable, "-c", BIND_TO_ANY]
    told = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (told.stdout, told.stderr) == ("[False, False, True, True]\n", "")
