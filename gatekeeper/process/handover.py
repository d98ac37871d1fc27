"""Listening sockets inherited from systemd, or from the gate that this one replaces.

systemd opens the sockets of a socket unit and passes them with ``LISTEN_FDS`` (sd_listen_fds(3)): the port stays open
while the service restarts, and new connections wait meanwhile.

On SIGUSR2 a running gate starts its successor with its own sockets, see `gatekeeper.process.upgrade`.
"""

import json
import os
import socket
from collections.abc import MutableMapping, Sequence
from contextlib import suppress

from gatekeeper.errors import StartError
from gatekeeper.process.listeners import Listener, Role

# The first descriptor that systemd passes (SD_LISTEN_FDS_START).
FIRST_PASSED = 3
_SYSTEMD = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")
_ROLES = {role.value: role for role in Role}
# The variable by which a gate starts its successor, and the successor's answer when it accepts visitors.
UPGRADE_VARIABLE = "GATEKEEPER_UPGRADE"
READY = b"ready\n"


def listeners_from_systemd(environ: MutableMapping[str, str]) -> tuple[Listener, ...]:
    """The sockets that systemd passed to this process; none if they were meant for another process.

    A socket whose ``FileDescriptorName=`` is ``admin`` is for operators, one with ``redirect`` is for plain HTTP, every
    other one for visitors. The variables are removed, so that no child process uses the sockets. StartError if one is
    no listening stream socket.
    """
    meant, count, names = (environ.get(name, "") for name in _SYSTEMD[:3])
    for name in _SYSTEMD:
        environ.pop(name, None)
    if meant != str(os.getpid()) or not count.isdecimal():
        return ()
    by_number = dict(enumerate(names.split(":")))
    return tuple(
        Listener(_ROLES.get(by_number.get(index, ""), Role.VISITORS), "", _adopt(FIRST_PASSED + index))
        for index in range(int(count))
    )


def _adopt(descriptor: int) -> socket.socket:
    try:
        os.set_inheritable(descriptor, False)
        adopted = socket.socket(fileno=descriptor)
        listens = adopted.type == socket.SOCK_STREAM and adopted.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise StartError(f"the descriptor {descriptor} that was passed is not a socket") from error
    if not listens:
        adopted.detach()
        raise StartError(f"the socket {descriptor} that was passed does not listen for streams (Accept=no is needed)")
    adopted.setblocking(False)
    return adopted


class Predecessor:
    """The gate that this process replaces: its sockets, and the channel on which it waits for the takeover."""

    def __init__(self, listeners: tuple[Listener, ...], channel: socket.socket) -> None:
        self.listeners = listeners
        self._channel = channel

    def take_over(self) -> None:
        """Tell the old gate that this process accepts visitors."""
        with suppress(OSError):
            self._channel.send(READY)
        self._channel.close()


def predecessor(environ: MutableMapping[str, str]) -> Predecessor | None:
    """The gate that started this process as its successor; None if it was started otherwise."""
    passed = environ.pop(UPGRADE_VARIABLE, None)
    if passed is None:
        return None
    told = json.loads(passed)
    listeners = tuple(Listener(Role(role), address, _adopt(fd)) for role, address, fd in told["listeners"])
    channel = socket.socket(fileno=told["channel"])
    channel.set_inheritable(False)
    return Predecessor(listeners, channel)


def upgrade_value(listeners: Sequence[Listener], channel: socket.socket) -> str:
    """The value of `UPGRADE_VARIABLE` for a successor that inherits these descriptors with the same numbers."""
    sockets = [[one.role, one.address, one.socket.fileno()] for one in listeners]
    return json.dumps({"listeners": sockets, "channel": channel.fileno()})
