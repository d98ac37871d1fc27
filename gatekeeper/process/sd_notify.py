"""Notifications to systemd; without systemd, they do nothing."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


class SystemdNotifier:
    """sd_notify(3): datagrams to the socket in ``$NOTIFY_SOCKET``. There is no response, and errors are ignored."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        where = environ.get("NOTIFY_SOCKET", "")
        # "@" stands for the NUL that begins an abstract address (unix(7)).
        self._where = "\0" + where[1:] if where.startswith("@") else where
        self._wanted = where[:1] in ("/", "@")
        self.watchdog_seconds = _watchdog(environ)

    def send(self, *lines: str) -> None:
        """Send assignments such as ``READY=1``."""
        if not self._wanted:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notice:
            notice.sendto("\n".join(lines).encode(), socket.MSG_DONTWAIT, self._where)


def _watchdog(environ: Mapping[str, str]) -> float | None:
    """The interval in seconds at which systemd expects keep-alive messages, None without a watchdog
    (sd_watchdog_enabled(3)).
    """
    interval, meant = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not interval.isdecimal() or int(interval) == 0 or (meant and meant != str(os.getpid())):
        return None
    return int(interval) / 1_000_000
