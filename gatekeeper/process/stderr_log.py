"""Log messages for the operator on stderr, one line each; with a priority if stderr is systemd's journal."""

import asyncio
import logging
import os
import select
import sys
import threading
from collections.abc import Mapping
from typing import Any

_log = logging.getLogger("gatekeeper")
_asyncio_log = logging.getLogger("asyncio")

# sd-daemon(3): the priorities of syslog, in angle brackets.
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


def log_to_stderr(level: str) -> None:
    """Send messages of this level and above to stderr."""
    file = sys.stderr.fileno()
    logging.root.addHandler(StderrHandler(file, LineFormatter(journal=is_journal(file))))
    logging.root.setLevel(level.upper())
    log_uncaught_exceptions()


def log_uncaught_exceptions() -> None:
    """Log uncaught exceptions and warnings.

    Python itself prints them to stderr, which blocks if nobody reads it: 207 ClientHellos with a server name that is
    not ASCII stopped a worker. Exceptions in the event loop already go to the logger ``asyncio``.
    """
    sys.unraisablehook = _log_unraisable
    threading.excepthook = _log_thread
    logging.captureWarnings(True)


def _log_unraisable(what: "sys.UnraisableHookArgs") -> None:
    if isinstance(what.exc_value, UnicodeError) and isinstance(what.object, bytes):
        # CPython's servername callback got a name that is not ASCII. The handshake ends, and that is logged too.
        _log.debug("a server name that cannot be read: %a", what.object[:255])
        return
    where = f"{what.err_msg or 'an exception that could not be raised'}: {what.object!r:.200}"
    _log.error("%s", where, exc_info=what.exc_value)


def _log_thread(what: threading.ExceptHookArgs) -> None:
    name = what.thread.name if what.thread is not None else "?"
    _log.error("the thread %s has ended because of a bug", name, exc_info=what.exc_value)


def log_event_loop_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An exception handler for event loops. asyncio's own logs the arguments of the callback too, which may contain
    whole certificates.
    """
    error = context.get("exception")
    _asyncio_log.error("%.200s", ascii(context.get("message", "an error in the event loop"))[1:-1], exc_info=error)


def log_always(level: int, line: str) -> None:
    """Log a line at any ``log.level``; ``level`` is for the journal."""
    record = _log.makeRecord(_log.name, level, "", 0, "%s", (line,), None, extra={"announced": True})
    _log.handle(record)


class LineFormatter(logging.Formatter):
    """A message as one line, with its priority in front for the journal (sd-daemon(3))."""

    def __init__(self, *, journal: bool) -> None:
        super().__init__("%(message)s")
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """``gatekeeper: ERROR: …``; a traceback, which only a bug causes, keeps its lines."""
        level = "" if record.__dict__.get("announced") else f"{record.levelname}: "
        text = f"gatekeeper: {level}{super().format(record)}"
        if not self._journal:
            return text
        mark = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        return "\n".join(mark + line for line in text.splitlines())


class StderrHandler(logging.Handler):
    """Writes messages to a descriptor unless that would block.

    They come from the event loop and the supervisor, and a stalled reader must not stop the gate. The next message
    written says how many were lost.
    """

    def __init__(self, file: int, line: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(line)
        self._file = file
        self._lost = 0
        self._poll = select.poll()
        self._poll.register(file, select.POLLOUT)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the message, or count it as lost."""
        text = self.format(record)
        if self._lost:
            text += f"\ngatekeeper: WARNING: {self._lost} earlier messages were lost, because nobody read them"
        if self._write(f"{text}\n".encode("utf-8", "replace")):
            self._lost = 0
        else:
            self._lost += 1

    def _write(self, data: bytes) -> bool:
        # What can be written to at all takes PIPE_BUF bytes at once (pipe(7)).
        for start in range(0, len(data), select.PIPE_BUF):
            if not self._poll.poll(0):
                return False
            try:
                os.write(self._file, data[start : start + select.PIPE_BUF])
            except OSError:
                return False
        return True


def is_journal(file: int, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this descriptor is connected to the journal: ``$JOURNAL_STREAM`` has its device and inode
    (systemd.exec(5)).
    """
    try:
        found = os.fstat(file)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
