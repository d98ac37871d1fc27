"""Ports for servers that cannot say which one they took, or that nobody may be found at."""

import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path

Address = tuple[str, int] | str | Path
FIRST, EPHEMERAL = 20_000, 32_768  # what the kernel gives away begins at the second one, unless configured


def _candidates() -> Iterator[int]:
    """Ports below those that Linux gives to clients and to listeners on port 0 (ip(7), ip_local_port_range).

    Each pytest process has its own part of them, so that no port is taken between the moment when it is found free and
    the moment when its server listens. A client that tries a port of its own range again and again may also reach
    itself (RFC 9293, 3.5, simultaneous open).
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = (EPHEMERAL - FIRST) // workers
    begin = random.randrange(share)  # another run of the tests may be under way on this machine
    while True:
        for step in range(share):
            yield FIRST + number * share + (begin + step) % share


_CANDIDATES = _candidates()


def free_port() -> int:
    """A TCP and UDP port at which nobody listens. It is not handed out again before all others were."""
    return next(port for port in _CANDIDATES if _is_free(port))


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("", port))
            except OSError:
                return False
    return True


def accepts(address: Address) -> bool:
    """Whether somebody listens there: on a TCP port, or on a Unix socket, which exists a moment earlier."""
    family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
    with socket.socket(family) as probe:
        try:
            probe.connect(address if isinstance(address, tuple) else str(address))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
    return True


def has_ipv6() -> bool:
    """Whether this machine has IPv6 on its loopback interface; containers often have none."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True
