"""The sockets that visitors and operators connect to; they are opened before anything else runs."""

import os
import socket
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from gatekeeper.errors import StartError
from gatekeeper.settings.addresses import Address, ListenAddress, SocketPath
from gatekeeper.settings.own_listeners import ALL_IPV4

if TYPE_CHECKING:
    from gatekeeper.settings.tables import Settings

# The kernel limits it to net.core.somaxconn.
BACKLOG = 4096


class Role(StrEnum):
    """The clients that a socket is for."""

    VISITORS = "visitors"
    ADMIN = "admin"
    REDIRECT = "redirect"


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket. ``address`` is as in the configuration; empty if systemd opened the socket."""

    role: Role
    address: str
    socket: socket.socket


def sockets_of(listeners: Iterable[Listener], role: Role) -> tuple[socket.socket, ...]:
    """The sockets with this role."""
    return tuple(one.socket for one in listeners if one.role is role)


def open_listeners(settings: "Settings", present: Sequence[Listener] = ()) -> tuple[Listener, ...]:
    """The sockets for these settings: those of ``present`` that fit, and new ones for the other addresses.

    Sockets that systemd opened for a role take the place of all its addresses. All or nothing: where one cannot be had,
    StartError says which, and those that were opened are closed. Sockets of ``present`` are never closed here.
    """
    unused = list(present)
    found: list[Listener] = []
    wanted = _wanted(settings)
    ipv4_ports = _ipv4_ports(address for addresses in wanted.values() for address in addresses)
    _require_same_families(present, wanted, ipv4_ports)
    try:
        for role, addresses in wanted.items():
            from_systemd = [one for one in present if one.role is role and not one.address]
            if addresses and from_systemd:
                found += from_systemd
                continue
            for address in addresses:
                fitting = next((one for one in unused if (one.role, one.address) == (role, str(address))), None)
                if fitting is not None:
                    unused.remove(fitting)
                ipv6_only = isinstance(address, Address) and address.port in ipv4_ports
                found.append(fitting or Listener(role, str(address), open_listener(address, ipv6_only=ipv6_only)))
    except StartError:
        close_listeners(one for one in found if one not in present)
        raise
    return tuple(found)


def close_listeners(listeners: Iterable[Listener]) -> None:
    """Close the sockets in this process; other processes may hold them open."""
    for one in listeners:
        one.socket.close()


def _wanted(settings: "Settings") -> Mapping[Role, Sequence[ListenAddress]]:
    admin = settings.admin.listen
    server = settings.server
    return {
        Role.VISITORS: server.listen,
        Role.REDIRECT: server.redirect,
        Role.ADMIN: () if admin is None else (admin,),
    }


def _ipv4_ports(addresses: Iterable[ListenAddress]) -> frozenset[int]:
    """The ports of the addresses that are not IPv6 (a name may be either): there, an IPv6 socket that takes IPv4 too
    could not be bound (EADDRINUSE, ipv6(7)). Port 0 is another one each time.
    """
    ports = {one.port for one in addresses if isinstance(one, Address) and ":" not in one.host}
    return frozenset(ports - {0})


def _require_same_families(
    present: Iterable[Listener], wanted: Mapping[Role, Sequence[ListenAddress]], ipv4_ports: frozenset[int]
) -> None:
    """StartError if an open socket would have to take IPv4 as well, or no longer: that is settled when it is bound."""
    for one in present:
        if one.socket.family != socket.AF_INET6 or one.address not in map(str, wanted[one.role]):
            continue
        ipv6_only = bool(one.socket.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))
        if ipv6_only != (one.socket.getsockname()[1] in ipv4_ports):
            raise StartError(f"whether {one.address} takes IPv4 too only changes when the gate is stopped and started")


def open_listener(address: ListenAddress, *, ipv6_only: bool = False) -> socket.socket:
    """Bind and listen; StartError if that fails."""
    try:
        return _open_unix(address) if isinstance(address, SocketPath) else _open_tcp(address, ipv6_only)
    except OSError as error:
        raise StartError(f"cannot listen on {address}: {_words(error)}") from error


def _open_tcp(address: Address, ipv6_only: bool) -> socket.socket:
    family, kind, protocol, _, where = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    with _closed_on_error(listener):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Alone, "[::]:8443" takes IPv4 visitors too, as nginx does with ipv6only=off.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, ipv6_only)
        _listen(listener, where)
    return listener


def _open_unix(address: SocketPath) -> socket.socket:
    path = str(address.path)
    if os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode) and not _answers(path):
        os.unlink(path)  # left over by a process that was killed
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _closed_on_error(listener):
        _listen(listener, path)
    return listener


def _listen(listener: socket.socket, where: Any) -> None:
    listener.bind(where)
    listener.listen(BACKLOG)
    listener.setblocking(False)


@contextmanager
def _closed_on_error(listener: socket.socket) -> Iterator[None]:
    try:
        yield
    except OSError:
        listener.close()
        raise


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
        return True


def _words(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "the name cannot be resolved"
    return (error.strerror or str(error)).lower()


def port_of(listeners: Iterable[socket.socket]) -> int:
    """The port of the first that has one; 443 where all are Unix sockets, behind a proxy that has its own."""
    names = (listener.getsockname() for listener in listeners)
    return next((int(name[1]) for name in names if isinstance(name, tuple)), 443)


def tcp_addresses(listeners: Iterable[socket.socket]) -> tuple[Address, ...]:
    """Where these listen, without the Unix sockets; at 0.0.0.0 as well where ``[::]`` takes IPv4 too (ipv6(7))."""
    found = []
    for listener in listeners:
        if listener.family == socket.AF_UNIX:
            continue
        host, port = listener.getsockname()[:2]
        found.append(Address(host, port))
        if host == "::" and not listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
            found.append(Address(ALL_IPV4, port))
    return tuple(found)


def shown_address(listener: socket.socket) -> str:
    """The address that the socket listens on, with the port chosen by the kernel."""
    name = listener.getsockname()
    return str(Address(name[0], name[1])) if isinstance(name, tuple) else f"unix:{name}"


def shown_listener(listener: Listener) -> str:
    """The log line for an open listener."""
    where = shown_address(listener.socket)
    match listener.role:
        case Role.ADMIN:
            return f"admin on http://{where}"
        case Role.REDIRECT:
            return f"redirecting from http://{where}"
        case _:
            return f"listening on https://{where}"
