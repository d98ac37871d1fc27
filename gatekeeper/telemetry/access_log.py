"""The access log: one line per exchange, written in batches by a thread of its own. `log_lines` says what a line is."""

import logging
import os
import stat
import sys
import threading
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from select import PIPE_BUF
from typing import Final, Protocol

from gatekeeper.errors import StartError
from gatekeeper.telemetry.log_lines import Format, Outcome, Visitor
from gatekeeper.wire.request import RequestHead

_log = logging.getLogger("gatekeeper")

# A batch is written when it is this old (seconds) or this long (lines). Writing each line by itself costs 3 µs, a
# line of a batch 0.1.
FLUSH_SECONDS: Final = 0.1
FLUSH_LINES: Final = 512
# So many exchanges are put into words at once. One by one, each finds that code pushed out of the processor's caches: a
# request then costs 3 % more (4 % with 1,000 connections). A line takes 0.4 to 1.9 µs, and nobody is served meanwhile:
# up to 30 µs, where 64 at once would be up to 120.
FORMAT_BATCH: Final = 16
# How many batches may wait for a slow target before lines are dropped: traffic goes on, the log has a gap and says so.
MAX_BATCHES: Final = 64
# The end is waited for in so many turns. On a machine that is too busy to let this process run, a turn takes longer,
# and so the writer, which was not let run either, still gets its time.
CLOSING_TURNS: Final = 20


class ExchangeLog(Protocol):
    """Takes what happened: `AccessLog`, as far as the proxy knows it."""

    __slots__ = ()

    def write(self, visitor: Visitor, head: RequestHead, outcome: Outcome) -> None:
        """Log one exchange. ``outcome`` must not change any more."""


class AccessLog(ExchangeLog):
    """Formats and writes the lines. ``wanted`` is False if the access log is off.

    StartError if the target cannot be opened. A thread writes, so that a full disk or a stalled pipe never stops
    traffic; lines that the target does not take in time are dropped and counted in ``dropped``.
    """

    def __init__(self, target: str | Path, line: Format, loop: AbstractEventLoop) -> None:
        self.wanted = target != "off"
        self.dropped = 0
        self._target = target
        self._line = line
        self._loop = loop
        self._ended: list[tuple[Visitor, RequestHead, Outcome]] = []
        self._lines: list[str] = []
        self._timer: TimerHandle | None = None
        self._gap = False
        self._torn = False  # half a line stands there
        self._told = 0
        # Queue is Python code over several locks. With it, and a stat(2) for each batch, loop and thread took the GIL
        # from each other more often: at 4,000 requests/s the loop called futex(2) 81 times a second, and now 58.
        self._batches: SimpleQueue[bytes | None] = SimpleQueue()
        self._reopen = threading.Event()
        self._file, self._made = _open_at_start(target) if self.wanted else (-1, False)
        self._regular = self.wanted and _is_regular(self._file)
        self._writer_thread = threading.Thread(target=self._write_batches, name="access-log", daemon=True)
        if self.wanted:
            self._writer_thread.start()

    def write(self, visitor: Visitor, head: RequestHead, outcome: Outcome) -> None:
        """Log one exchange. It is formatted and written later, so ``outcome`` must not change any more."""
        if not self.wanted:
            return
        ended = self._ended
        ended.append((visitor, head, outcome))
        if self._timer is None:
            self._timer = self._loop.call_later(FLUSH_SECONDS, self.flush)
        elif len(ended) >= FORMAT_BATCH:
            self._format()
            if len(self._lines) >= FLUSH_LINES:
                self.flush()

    def _format(self) -> None:
        ended, self._ended = self._ended, []
        line = self._line
        self._lines += [line(*one) for one in ended]

    def flush(self) -> None:
        """Pass the collected lines to the thread."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._format()
        if not self._lines:
            return
        batch = ("\n".join(self._lines) + "\n").encode("utf-8", "replace")
        if self._batches.qsize() < MAX_BATCHES:
            self._batches.put(batch)
            self._gap = False
        else:
            if not self._gap:
                _log.error("access log: the target is too slow; lines are lost")
            self._gap = True
            self.dropped += len(self._lines)
        self._lines = []

    def reopen(self) -> None:
        """Reopen the file before the next batch, because it was renamed (logrotate(8), SIGUSR1)."""
        self._reopen.set()
        if self._batches.empty():
            self._batches.put(b"")  # wakes the thread; what waits keeps it awake

    def take_lost(self) -> int:
        """The number of lines lost since the last call."""
        lost, self._told = self.dropped - self._told, self.dropped
        return lost

    def hand_over(self, own: Callable[[int], None]) -> None:
        """Call ``own`` to change the owner of the file, if it was created here."""
        if self._made:
            own(self._file)

    def close(self, seconds: float = 2.0) -> None:
        """Write the remaining lines; those that the target does not take within ``seconds`` are lost, which is logged.

        Time in which this process was not let run does not count, see `CLOSING_TURNS`.
        """
        self.flush()
        if not self.wanted:
            return
        self._batches.put(None)
        for _ in range(CLOSING_TURNS):
            self._writer_thread.join(seconds / CLOSING_TURNS)
            if not self._writer_thread.is_alive():
                return
        _log.error("access log: the target did not take the last lines in time; they are lost")

    def _write_batches(self) -> None:
        broken = False
        while (batch := self._batches.get()) is not None:
            if self._reopen.is_set():
                self._reopen.clear()
                self._reopen_file()
            try:
                if batch:
                    self._write_all(batch)
                    broken = False
            except OSError as error:
                if not broken:  # a full disk stays full for more than one batch
                    _log.error("access log: %s; lines are lost", error.strerror)
                broken = True

    def _reopen_file(self) -> None:
        if not isinstance(self._target, Path):
            return
        try:
            fresh, _ = _open(self._target)
        except OSError as error:
            _log.error("access log: cannot open %s: %s; the old file is kept", self._target, error.strerror)
            return
        os.close(self._file)
        self._file, self._regular, self._torn = fresh, _is_regular(fresh), False

    def _write_all(self, batch: bytes) -> None:
        """Write whole lines. OSError if the target does not take all; those that are missing, or torn, are counted."""
        left = b"\n" + batch if self._torn else batch
        try:
            while left:
                size = len(left) if self._regular else _in_one_piece(left)
                written = os.write(self._file, left[:size])
                self._torn = left[written - 1 : written] != b"\n"
                left = left[written:]
        except OSError:
            self.dropped += left.removeprefix(b"\n").count(b"\n")
            raise


def _in_one_piece(lines: bytes) -> int:
    """How many bytes to write at once: several workers write to one pipe, which may tear what is longer than PIPE_BUF
    (pipe(7)).
    """
    return len(lines) if len(lines) <= PIPE_BUF else lines.rfind(b"\n", 0, PIPE_BUF) + 1 or lines.find(b"\n") + 1


def fault_of(target: str | Path) -> str:
    """Why the log cannot be written there, as far as that can be seen without creating the file; "" if it can."""
    if not isinstance(target, Path):
        return ""
    try:
        os.close(os.open(target, _flags(target)))
    except FileNotFoundError as error:
        if os.path.lexists(target) or not target.parent.is_dir():
            return (error.strerror or str(error)).lower()
        return "" if os.access(target.parent, os.W_OK | os.X_OK) else "its folder cannot be written"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return ""


def _open_at_start(target: str | Path) -> tuple[int, bool]:
    try:
        return _open(target)
    except OSError as error:
        raise StartError(f"cannot write the access log {target}: {(error.strerror or str(error)).lower()}") from error


def _open(target: str | Path) -> tuple[int, bool]:
    """The open file, and whether it was created just now."""
    if not isinstance(target, Path):
        return (sys.stdout if target == "stdout" else sys.stderr).fileno(), False
    flags = _flags(target)
    try:
        return os.open(target, flags | os.O_CREAT | os.O_EXCL, 0o640), True
    except FileExistsError:
        return os.open(target, flags), False


def _flags(target: Path) -> int:
    # To open a FIFO for writing alone would wait for a reader; its buffer holds what comes before (fifo(7)).
    flags = (os.O_RDWR if target.is_fifo() else os.O_WRONLY) | os.O_APPEND | os.O_CLOEXEC
    if os.geteuid() == 0:
        # The gate's user may write into the folder of the log: a link there must not lead root to another file.
        flags |= os.O_NOFOLLOW
    return flags


def _is_regular(file: int) -> bool:
    return stat.S_ISREG(os.fstat(file).st_mode)
