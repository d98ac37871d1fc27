"""The access log: one line per exchange. Lines are collected, and a thread of their own writes them.

A visitor cannot forge a line: JSON escapes every control character, and ``combined`` and ``text`` write everything
that is not visible ASCII, and the quote and backslash, as ``\\xHH`` (as nginx does).

The log never contains an invitation's token: `without_token` removes it, whatever the request's outcome.
"""

import logging
import os
import re
import stat
import sys
import threading
import time
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted  # as json.dumps, in a third of the time
from pathlib import Path
from queue import Full, Queue
from select import PIPE_BUF
from typing import Protocol
from urllib.parse import unquote_to_bytes

from gatekeeper.errors import StartError
from gatekeeper.gate.certificate import Certificate
from gatekeeper.wire.block import Block
from gatekeeper.wire.request import RequestHead

_log = logging.getLogger("gatekeeper")

# A batch is written when it is this old (seconds) or this long (lines). Writing each line by itself costs 3 µs, a
# line of a batch 0.1.
FLUSH_SECONDS = 0.1
FLUSH_LINES = 512
# So many exchanges are put into words at once. One by one, each finds that code pushed out of the processor's caches: a
# request then costs 3 % more (4 % with 1,000 connections).
FORMAT_BATCH = 64
# How many batches may wait for a slow target before lines are dropped: traffic goes on, the log has a gap and says so.
MAX_BATCHES = 64
# How many texts are cached of each kind, and how long a request may be for it: 8 MiB of memory at most.
CACHED = 2048
CACHED_BYTES = 4096

_NOT_PLAIN = re.compile(r"[^ !#-\[\]-~]")


@dataclass(slots=True, eq=False)
class Visitor:
    """The client of a connection: address and port, and the certificate that it presented, if any.

    Never changed. ``protocol`` is the version of HTTP where all requests have the same, "" where their heads tell.
    ``written`` is what `json_line` says of it in each of its lines, "" before the first.
    """

    client: str
    certificate: Certificate | None = None
    protocol: str = ""
    written: str = field(default="", init=False)


class Outcome(Protocol):
    """The outcome of an exchange. ``started`` is seconds since the epoch, ``duration`` and ``upstream_time`` seconds.

    ``sent`` counts the bytes of the response's body. ``reason`` and ``detail`` say why a visitor was refused.
    """

    started: float
    duration: float
    upstream_time: float | None
    status: int
    sent: int
    request_id: str
    reason: str
    detail: str


@dataclass(slots=True)
class LocalOutcome:
    """The outcome of a request that the gate answered itself."""

    started: float
    duration: float
    status: int
    sent: int
    request_id: str
    reason: str = ""
    detail: str = ""
    upstream_time: float | None = None


Format = Callable[[Visitor, RequestHead, Outcome], str]


class AccessLog:
    """Takes what happened, writes lines. ``wanted`` is False where nobody wants any.

    StartError if the target cannot be opened. It is written to by a thread, so that a full disk or a stalled pipe
    never stops traffic; what it cannot take in time is dropped and counted in ``dropped``.
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
        self._told = 0
        self._batches: Queue[bytes | None] = Queue(MAX_BATCHES)
        self._reopen = threading.Event()
        self._file, self._made = _open_at_start(target) if self.wanted else (-1, False)
        self._thread = threading.Thread(target=self._write_batches, name="access-log", daemon=True)
        if self.wanted:
            self._thread.start()

    def write(self, visitor: Visitor, head: RequestHead, outcome: Outcome) -> None:
        """Log one exchange; it is in the target soon, not at once, so ``outcome`` must not change any more."""
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
        """Hand what was gathered to the thread."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._format()
        if not self._lines:
            return
        batch = ("\n".join(self._lines) + "\n").encode("utf-8", "replace")
        try:
            self._batches.put_nowait(batch)
            self._gap = False
        except Full:
            if not self._gap:
                _log.error("access log: the target is too slow; lines are lost")
            self._gap = True
            self.dropped += len(self._lines)
        self._lines = []

    def reopen(self) -> None:
        """Open a file anew before the next batch: it was renamed (logrotate, SIGUSR1)."""
        self._reopen.set()
        with suppress(Full):
            self._batches.put_nowait(b"")  # wakes the thread; a full queue keeps it awake

    def take_lost(self) -> int:
        """How many lines were lost since this was asked last."""
        lost, self._told = self.dropped - self._told, self.dropped
        return lost

    def hand_over(self, own: Callable[[int], None]) -> None:
        """Have ``own`` make somebody else the owner of the file, if it was made here: another's stays theirs."""
        if self._made:
            own(self._file)

    def close(self, seconds: float = 2.0) -> None:
        """Write what is left; a target that takes longer than ``seconds`` loses it."""
        self.flush()
        if self.wanted:
            with suppress(Full):
                self._batches.put(None, timeout=seconds)
            self._thread.join(seconds)

    def _write_batches(self) -> None:
        torn = broken = False
        while (batch := self._batches.get()) is not None:
            if self._reopen.is_set():
                self._reopen.clear()
                self._reopen_file()
            try:
                _write_all(self._file, b"\n" + batch if torn and batch else batch)
                torn = broken = False
            except OSError as error:
                self.dropped += batch.count(b"\n")
                torn = True  # half a line may stand there now
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
        self._file = fresh


def _open_at_start(target: str | Path) -> tuple[int, bool]:
    try:
        return _open(target)
    except OSError as error:
        raise StartError(f"cannot write the access log {target}: {(error.strerror or str(error)).lower()}") from error


def _open(target: str | Path) -> tuple[int, bool]:
    """The file, and whether it was made just now."""
    if not isinstance(target, Path):
        return (sys.stdout if target == "stdout" else sys.stderr).fileno(), False
    # To open a FIFO for writing alone would wait for a reader; its buffer holds what comes before (fifo(7)).
    flags = (os.O_RDWR if target.is_fifo() else os.O_WRONLY) | os.O_APPEND | os.O_CLOEXEC
    if os.geteuid() == 0:
        # The gate's user may write into the folder of the log: a link there must not lead root to another file.
        flags |= os.O_NOFOLLOW
    try:
        return os.open(target, flags | os.O_CREAT | os.O_EXCL, 0o640), True
    except FileExistsError:
        return os.open(target, flags), False


def _write_all(file: int, data: bytes) -> None:
    if stat.S_ISREG(os.fstat(file).st_mode):
        _write(file, data)
        return
    # Several workers write to one pipe: what is longer than PIPE_BUF could be torn apart (pipe(7)).
    while data:
        end = len(data) if len(data) <= PIPE_BUF else data.rfind(b"\n", 0, PIPE_BUF) + 1 or data.find(b"\n") + 1
        _write(file, data[:end])
        data = data[end:]


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def json_line(visitor: Visitor, head: RequestHead, outcome: Outcome) -> str:
    """One JSON object; what is not known is left out. What repeats is cached as text: 2 µs a line instead of 9."""
    # Lines of refused visitors are not: what strangers send must not stay in memory.
    known = not outcome.detail and len(head.target) + len(head.block.forward) <= CACHED_BYTES
    request, block = _REMEMBERED if known else _WRITTEN
    who = visitor.written or _json_visitor(visitor)
    upstream_time = outcome.upstream_time
    extra = "" if upstream_time is None else f',"upstream_time":{_seconds(int(upstream_time * 1e6))}'
    if outcome.detail:
        extra += _json_refusal(outcome)
    return (
        f'{{"time":"{_iso_time(int(outcome.started * 1000))}","request_id":"{outcome.request_id}",'
        f'{request(head.method, head.target)},"protocol":"{visitor.protocol or _HTTP_1[head.minor]}",'
        f'"status":{outcome.status},"bytes":{outcome.sent},'
        f'"duration":{_seconds(int(outcome.duration * 1e6))}{extra}{who}{block(head.block)}}}'
    )


HTTP_2 = "HTTP/2.0"  # as nginx writes it
_HTTP_1 = ("HTTP/1.0", "HTTP/1.1")


def _json_request(method: bytes, target: bytes) -> str:
    method, target = without_token(method), without_token(target)
    return f'"method":{_quoted(method.decode("latin-1"))},"target":{_quoted(target.decode("latin-1"))}'


def _json_visitor(visitor: Visitor) -> str:
    """Kept there and not in a memory of so many: with more connections than that, each line would be made anew."""
    text = f',"client":{_quoted(visitor.client)}'
    certificate = visitor.certificate
    if certificate is not None:
        text += f',"subject":{_quoted(certificate.subject)},"issuer":{_quoted(certificate.issuer)}'
        text += f',"serial":"{certificate.serial}","fingerprint":"{certificate.sha256}"'
    visitor.written = text
    return text


def _json_block(block: Block) -> str:
    return _json_fields(block.host, block.get(b"user-agent"), block.get(b"referer"))


def _json_fields(host: bytes, agent: bytes, referer: bytes) -> str:
    text = f',"host":{_quoted(host.decode("latin-1"))}' if host else ""
    if agent:
        text += f',"user_agent":{_quoted(agent.decode("latin-1"))}'
    return f'{text},"referer":{_quoted(without_token(referer).decode("latin-1"))}' if referer else text


_fields_cached = lru_cache(CACHED)(_json_fields)


def _json_known_block(block: Block) -> str:
    """A block with a fresh cookie is a new one, but says the same here: 0.4 µs instead of 4."""
    return _fields_cached(block.host, block.get(b"user-agent"), block.get(b"referer"))


_Writers = tuple[Callable[[bytes, bytes], str], Callable[[Block], str]]
_WRITTEN: _Writers = (_json_request, _json_block)
_REMEMBERED: _Writers = (lru_cache(CACHED)(_json_request), lru_cache(CACHED)(_json_known_block))


def _json_refusal(outcome: Outcome) -> str:
    reason = f',"reason":"{outcome.reason}"' if outcome.reason else ""
    return f'{reason},"detail":{_quoted(outcome.detail)}'


def combined_line(visitor: Visitor, head: RequestHead, outcome: Outcome) -> str:
    """The format that Apache and nginx call combined; the remote user is the certificate's common name."""
    user = visitor.certificate.common_name if visitor.certificate and not outcome.reason else ""
    referer, agent = without_token(head.block.get(b"referer")), head.block.get(b"user-agent")
    return (
        f"{_host(visitor.client)} - {_plain(user) or '-'} [{_clf_time(int(outcome.started))}] "
        f'"{_plain_bytes(without_token(head.method))} {_plain_bytes(without_token(head.target))} '
        f'{visitor.protocol or _HTTP_1[head.minor]}" '
        f'{outcome.status} {outcome.sent} "{_plain_bytes(referer) or "-"}" "{_plain_bytes(agent) or "-"}"'
    )


def text_line(visitor: Visitor, head: RequestHead, outcome: Outcome) -> str:
    """For the eye: time, status, method, target, version, how long, who, and why not."""
    who = _plain(visitor.certificate.subject) if visitor.certificate else "no certificate"
    why = f" refused: {outcome.reason} ({_plain(outcome.detail)})" if outcome.reason else ""
    return (
        f"{_iso_time(int(outcome.started * 1000))} {outcome.status} {_plain_bytes(without_token(head.method))} "
        f"{_plain_bytes(without_token(head.target))} {visitor.protocol or _HTTP_1[head.minor]} {outcome.sent}B "
        f"{outcome.duration * 1000:.1f}ms {visitor.client} [{who}]{why} {outcome.request_id}"
    )


def without_token(address: bytes) -> bytes:
    """A target or a Referer without what could be the token of an invitation, or most of one, in any spelling.

    Looked for where the words of its path stand, for an app's own addresses are to be logged whole. Most are shorter
    than any that holds one.
    """
    if len(address) < _SHORTEST_WITH_TOKEN or not _SPEAKS_OF_INVITATIONS(unquote_to_bytes(address)):
        return address
    return _LIKE_A_TOKEN.sub(b"...", address)


# "/.gatekeeper/invite/" and a third of a token: the rest cannot be guessed.
_SHORTEST_WITH_TOKEN = 36
_SPEAKS_OF_INVITATIONS = re.compile(rb"gatekeeper|invite", re.IGNORECASE).search
_LIKE_A_TOKEN = re.compile(rb"[A-Za-z0-9_%-]{16,}")


FORMATS: dict[str, Format] = {"json": json_line, "combined": combined_line, "text": text_line}


def _host(client: str) -> str:
    """Without the port, and without the brackets of IPv6."""
    return (client.rpartition(":")[0] or client).strip("[]")


def _plain(text: str) -> str:
    return _plain_bytes(text.encode("utf-8", "replace"))


def _plain_bytes(text: bytes) -> str:
    return _NOT_PLAIN.sub(lambda match: f"\\x{ord(match[0]):02X}", text.decode("latin-1"))


@lru_cache(4096)
def _seconds(microseconds: int) -> str:
    """Durations are short and come again: 0.1 µs instead of 0.35 for each."""
    return f"{microseconds / 1e6:.6f}"


@lru_cache(64)
def _iso_time(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_iso_second(seconds)}.{rest:03}Z"


@lru_cache(4)
def _iso_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(4)
def _clf_time(second: int) -> str:
    """Apache's %t, with English months whatever the locale."""
    moment = time.gmtime(second)
    month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][moment.tm_mon - 1]
    return time.strftime(f"%d/{month}/%Y:%H:%M:%S +0000", moment)
