"""What systemd wants to hear from a service, and how its journal wants lines to begin. Without systemd, nothing."""

import logging
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress

_log = logging.getLogger("gatekeeper")

# sd-daemon(3): the priorities of syslog, in angle brackets.
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class Notice:
    """sd_notify(3): datagrams to the socket in ``$NOTIFY_SOCKET``. Nobody answers, and a failure changes nothing."""

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
            notice.sendto("\n".join(lines).encode(), self._where)


def _watchdog(environ: Mapping[str, str]) -> float | None:
    """How often systemd wants to hear that the service lives, None if it does not (sd_watchdog_enabled(3))."""
    interval, meant = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not interval.isdecimal() or int(interval) == 0 or (meant and meant != str(os.getpid())):
        return None
    return int(interval) / 1_000_000


def is_journal(file: int, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this descriptor leads to the journal: ``$JOURNAL_STREAM`` is its device and inode (systemd.exec(5))."""
    try:
        found = os.fstat(file)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


class Line(logging.Formatter):
    """A message as one line; for the journal it begins with its priority."""

    def __init__(self, *, journal: bool) -> None:
        super().__init__("%(message)s")
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """``gatekeeper: ERROR: …``; a traceback, which only a bug brings, keeps its lines."""
        level = "" if record.__dict__.get("announced") else f"{record.levelname}: "
        text = f"gatekeeper: {level}{super().format(record)}"
        if not self._journal:
            return text
        mark = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        return "\n".join(mark + line for line in text.splitlines())


def log_to_stderr(level: str) -> None:
    """Send messages of at least this level to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    try:
        journal = is_journal(sys.stderr.fileno())
    except (OSError, ValueError):
        journal = False
    handler.setFormatter(Line(journal=journal))
    logging.root.addHandler(handler)
    logging.root.setLevel(level.upper())


def announce(level: int, line: str) -> None:
    """Say something that is to be seen at any ``log.level``; the level is for the journal."""
    record = _log.makeRecord(_log.name, level, "", 0, "%s", (line,), None, extra={"announced": True})
    _log.handle(record)
