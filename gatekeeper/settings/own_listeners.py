"""Whether an address leads to a listener of the gate itself: an app there would be the gate, asked without end."""

import os
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import product

from gatekeeper.settings.addresses import Address, ListenAddress, SocketPath

ALL_IPV4 = "0.0.0.0"  # noqa: S104 - nothing is bound to it here
"""The host of a listener for every IPv4 address of the machine."""

_LOOPBACK = (IPv4Address("127.0.0.1"), IPv6Address("::1"))
# No interface has them: reserved (RFC 1112, 4), and for documents (RFC 3849).
_NOBODYS = (IPv4Address("240.0.0.1"), IPv6Address("2001:db8::1"))


def reaches(target: ListenAddress, listener: ListenAddress) -> bool:
    """Whether a connection to ``target`` arrives at the listener, which is for one family only.

    Not checked: which addresses a host name has.
    """
    if isinstance(target, SocketPath) or isinstance(listener, SocketPath):
        paths = [os.path.realpath(one.path) for one in (target, listener) if isinstance(one, SocketPath)]
        return len(paths) == 2 and paths[0] == paths[1]
    if target.port != listener.port:
        return False
    if target.host.lower() == listener.host.lower():
        return True
    return any(_accepts(there, here) for there, here in product(_addresses(target), _addresses(listener)))


def _accepts(target: IPv4Address | IPv6Address, listener: IPv4Address | IPv6Address) -> bool:
    if target.is_unspecified:  # Linux connects to the loopback address instead
        target = _LOOPBACK[target.version == 6]
    if not listener.is_unspecified:
        return target == listener
    return target.version == listener.version and is_on_this_machine(target)


def is_on_this_machine(address: IPv4Address | IPv6Address) -> bool:
    """Whether an interface of this machine has the address: then a socket can be bound to it (ip(7)). Nothing is sent.

    False for all but loopback addresses where net.ipv4.ip_nonlocal_bind or net.ipv6.ip_nonlocal_bind lets sockets be
    bound to any address: then this cannot be told, and an app on another machine must not be taken for the gate.
    """
    return address.is_loopback or (_can_be_bound(address) and not _can_be_bound(_NOBODYS[address.version == 6]))


def _can_be_bound(address: IPv4Address | IPv6Address) -> bool:
    try:
        with socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def _addresses(address: Address) -> Sequence[IPv4Address | IPv6Address]:
    """The address itself, those of localhost (RFC 6761, 6.3), or none for another name."""
    if f".{address.host.lower()}".endswith(".localhost"):
        return _LOOPBACK
    try:
        found = ip_address(address.host)
    except ValueError:
        return ()
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return (mapped or found,)
