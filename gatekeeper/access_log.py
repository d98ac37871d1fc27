"""One line for each exchange: who, what, how it ended. Lines are gathered and written by a thread of their own.

A visitor cannot forge a line: JSON escapes every control character, and ``combined`` and ``text`` write everything that is
not visible ASCII, and the quote and backslash, as ``\\xHH`` (as nginx does).
"""

import json
import logging
import os
import re
import sys
import threading
import time
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from queue import Full, Queue

from gatekeeper.gate.certificate import Certificate

_log = logging.getLogger("gatekeeper")

# A batch is written when it is this old (seconds) or this long (lines). Writing each line by itself costs 3 µs, a line of a
# batch 0.1.
FLUSH_SECONDS = 0.1
FLUSH_LINES = 512
# How many batches may wait for a slow target before lines are dropped: traffic goes on, the log has a gap and says so.
MAX_BATCHES = 64

_NOT_PLAIN = re.compile(r'[^ !#-\[\]-~]')


@dataclass(slots=True)
class Record:
    """What the log knows of one exchange. Times are seconds: ``time`` since the epoch, the others how long it took."""

    time: float
    client: str
    method: str
    target: str
    status: int
    sent: int
    duration: float
    upstream_time: float | None
    request_id: str
    certificate: Certificate | None
    host: str = ""
    user_agent: str = ""
    referer: str = ""
    version: str = "HTTP/1.1"
    reason: str = ""
    detail: str = ""


Format = Callable[[Record], str]


class AccessLog:
    """Takes records, writes lines. ``wanted`` is False where nobody wants any.

    The target is written to by a thread, so that a full disk or a stalled pipe never stops traffic; what it cannot take in
    time is dropped and counted in ``dropped``.
    """

    def __init__(self, target: str | Path, line: Format, loop: AbstractEventLoop) -> None:
        self.wanted = target != "off"
        self.dropped = 0
        self._target = target
        self._line = line
        self._loop = loop
        self._lines: list[str] = []
        self._timer: TimerHandle | None = None
        self._batches: Queue[bytes | None] = Queue(MAX_BATCHES)
        self._reopen = threading.Event()
        self._file = _open(target) if self.wanted else -1
        self._thread = threading.Thread(target=self._write_batches, name="access-log", daemon=True)
        if self.wanted:
            self._thread.start()

    def write(self, record: Record) -> None:
        """Log one exchange; it is in the target soon, not at once."""
        if not self.wanted:
            return
        lines = self._lines
        lines.append(self._line(record))
        if self._timer is None:
            self._timer = self._loop.call_later(FLUSH_SECONDS, self.flush)
        elif len(lines) >= FLUSH_LINES:
            self.flush()

    def flush(self) -> None:
        """Hand what was gathered to the thread."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._lines:
            return
        batch = ("\n".join(self._lines) + "\n").encode("utf-8", "replace")
        try:
            self._batches.put_nowait(batch)
        except Full:
            self.dropped += len(self._lines)
        self._lines = []

    def reopen(self) -> None:
        """Open a file anew before the next batch: it was renamed (logrotate, SIGUSR1)."""
        self._reopen.set()

    def close(self, seconds: float = 2.0) -> None:
        """Write what is left; a target that takes longer than ``seconds`` loses it."""
        self.flush()
        if self.wanted:
            with suppress(Full):
                self._batches.put(None, timeout=seconds)
            self._thread.join(seconds)

    def _write_batches(self) -> None:
        while (batch := self._batches.get()) is not None:
            try:
                if self._reopen.is_set():
                    self._reopen.clear()
                    self._reopen_file()
                _write_all(self._file, batch)
            except OSError as error:
                self.dropped += batch.count(b"\n")
                _log.error("access log: %s; lines are lost", error.strerror)

    def _reopen_file(self) -> None:
        if isinstance(self._target, Path):
            fresh = _open(self._target)
            os.close(self._file)
            self._file = fresh


def _open(target: str | Path) -> int:
    if isinstance(target, Path):
        return os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    return sys.stdout.fileno() if target == "stdout" else sys.stderr.fileno()


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def json_line(record: Record) -> str:
    """One JSON object, keys always in the same order; what is not known is left out."""
    line = (
        f'{{"time":"{_iso_time(record.time)}","client":{_quoted(record.client)},"method":{_quoted(record.method)},'
        f'"host":{_quoted(record.host)},"target":{_quoted(record.target)},"status":{record.status},'
        f'"bytes":{record.sent},"duration":{record.duration:.6f},"request_id":{_quoted(record.request_id)}'
    )
    if record.upstream_time is not None:
        line += f',"upstream_time":{record.upstream_time:.6f}'
    if record.certificate is not None:
        line += _json_certificate(record.certificate)
    if record.user_agent:
        line += f',"user_agent":{_quoted(record.user_agent)}'
    if record.reason:
        line += f',"reason":{_quoted(record.reason)},"detail":{_quoted(record.detail)}'
    return line + "}"


def combined_line(record: Record) -> str:
    """The format that Apache and nginx call combined; the remote user is the certificate's common name."""
    user = _plain(record.certificate.common_name) if record.certificate and not record.reason else ""
    return (
        f"{record.client.rpartition(':')[0]} - {user or '-'} [{_clf_time(record.time)}] "
        f'"{_plain(record.method)} {_plain(record.target)} {record.version}" {record.status} {record.sent} '
        f'"{_plain(record.referer) or "-"}" "{_plain(record.user_agent) or "-"}"'
    )


def text_line(record: Record) -> str:
    """For the eye: time, status, method, target, how long, who, and why not."""
    who = _plain(record.certificate.subject) if record.certificate else "no certificate"
    why = f" refused: {record.reason} ({_plain(record.detail)})" if record.reason else ""
    return (
        f"{_iso_time(record.time)} {record.status} {_plain(record.method)} {_plain(record.target)} {record.sent}B "
        f"{record.duration * 1000:.1f}ms {record.client} [{who}]{why} {record.request_id}"
    )


FORMATS: dict[str, Format] = {"json": json_line, "combined": combined_line, "text": text_line}

# Clients repeat themselves: the same target, user agent and address come with every request of a connection.
_quoted = lru_cache(4096)(json.dumps)


@lru_cache(1024)
def _json_certificate(certificate: Certificate) -> str:
    return (
        f',"subject":{json.dumps(certificate.subject)},"serial":{json.dumps(certificate.serial)},'
        f'"fingerprint":{json.dumps(certificate.sha256)}'
    )


@lru_cache(4096)
def _plain(text: str) -> str:
    return _NOT_PLAIN.sub(lambda match: "".join(f"\\x{byte:02X}" for byte in match[0].encode("utf-8", "replace")), text)


@lru_cache(4)
def _iso_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _iso_time(seconds: float) -> str:
    whole = int(seconds)
    return f"{_iso_second(whole)}.{int((seconds - whole) * 1000):03d}Z"


@lru_cache(4)
def _clf_second(second: int) -> str:
    month = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()[time.gmtime(second).tm_mon - 1]
    return time.strftime(f"%d/{month}/%Y:%H:%M:%S +0000", time.gmtime(second))


def _clf_time(seconds: float) -> str:
    return _clf_second(int(seconds))
