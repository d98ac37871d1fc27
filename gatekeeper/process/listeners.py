"""The sockets that visitors connect to, opened before anything else runs."""

import os
import socket
import stat

from gatekeeper.errors import StartError
from gatekeeper.settings.addresses import Address, ListenAddress, SocketPath

# The kernel cuts it to net.core.somaxconn.
BACKLOG = 4096


def open_listener(address: ListenAddress) -> socket.socket:
    """A bound and listening socket; StartError with a plain sentence if it cannot be had."""
    try:
        return _open_unix(address) if isinstance(address, SocketPath) else _open_tcp(address)
    except OSError as error:
        raise StartError(f"cannot listen on {address}: {_words(error)}") from error


def _open_tcp(address: Address) -> socket.socket:
    family, kind, protocol, _, where = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # "[::]:8443" takes IPv4 visitors too, as nginx does with ipv6only=off.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(where)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def _open_unix(address: SocketPath) -> socket.socket:
    path = str(address.path)
    if os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode) and not _answers(path):
        os.unlink(path)  # left over by a process that was killed
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


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


def shown_address(listener: socket.socket) -> str:
    """Where the socket really listens, with the port that the kernel picked."""
    name = listener.getsockname()
    return str(Address(name[0], name[1])) if isinstance(name, tuple) else f"unix:{name}"
