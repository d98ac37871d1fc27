"""The access log: a target that may be slow or broken without stopping traffic."""

import errno
import logging
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gatekeeper.errors import StartError
from gatekeeper.telemetry.access_log import FLUSH_LINES, FLUSH_SECONDS, MAX_BATCHES, AccessLog, fault_of
from gatekeeper.telemetry.log_lines import LocalOutcome, Visitor
from gatekeeper.wire.request import HeadLimits, RequestHead, RequestReader
from tests.gate_process import PATIENCE, until
from tests.proxy.virtual import VirtualLoop

PLAIN = LocalOutcome(1_700_000_000.25, 0.0015, 200, 1234, "0123456789abcdef")


def head(target: bytes) -> RequestHead:
    return RequestReader(HeadLimits()).read(b"GET %b HTTP/1.1" % target, b"Host: a\r\n\r\n", cache=False)


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop()
    yield loop
    loop.close()


def a_line(_visitor: Visitor, asked: RequestHead, _outcome: object) -> str:
    return asked.target.decode()


def write(log: AccessLog, *targets: str) -> None:
    for target in targets:
        log.write(Visitor("a"), head(target.encode()), PLAIN)


def test_lines_are_written_a_moment_later(loop: VirtualLoop, tmp_path: Path) -> None:
    """Gathered for FLUSH_SECONDS; the file is made private to owner and group."""
    path = tmp_path / "access.log"
    log = AccessLog(path, a_line, loop)
    write(log, "/1", "/2")
    loop.advance(FLUSH_SECONDS)
    until(lambda: path.read_text() == "/1\n/2\n")
    assert path.stat().st_mode & 0o007 == 0
    log.close(PATIENCE)


def test_many_lines_do_not_wait(loop: VirtualLoop, tmp_path: Path) -> None:
    """A batch of FLUSH_LINES goes at once."""
    path = tmp_path / "access.log"
    log = AccessLog(path, a_line, loop)
    write(log, *["/"] * FLUSH_LINES)
    until(lambda: path.read_text().count("\n") == FLUSH_LINES)
    log.close(PATIENCE)


def test_closing_writes_what_is_left(loop: VirtualLoop, tmp_path: Path) -> None:
    """And lines are appended to what is there."""
    path = tmp_path / "access.log"
    path.write_text("/0\n")
    log = AccessLog(path, a_line, loop)
    write(log, "/1")
    log.close(PATIENCE)
    assert path.read_text() == "/0\n/1\n"
    loop.settle()


def test_off_writes_nothing_and_starts_nothing(loop: VirtualLoop) -> None:
    """No line is even made."""
    before = threading.active_count()
    log = AccessLog("off", lambda *_: pytest.fail("a line was made"), loop)
    assert not log.wanted
    write(log, "/1")
    log.close(PATIENCE)
    assert threading.active_count() <= before  # one of an earlier test may have ended meanwhile


def test_reopening_follows_a_renamed_file(loop: VirtualLoop, tmp_path: Path) -> None:
    """logrotate renames, then sends SIGUSR1."""
    path = tmp_path / "access.log"
    log = AccessLog(path, a_line, loop)
    write(log, "/old")
    loop.advance(FLUSH_SECONDS)
    until(lambda: path.read_text() == "/old\n")
    old = path.rename(tmp_path / "access.log.1")
    log.reopen()
    write(log, "/new")
    log.close(PATIENCE)
    assert (old.read_text(), path.read_text()) == ("/old\n", "/new\n")


def test_a_file_that_cannot_be_reopened_is_kept(
    loop: VirtualLoop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No line is lost by a folder that went away."""
    folder = tmp_path / "logs"
    folder.mkdir()
    log = AccessLog(folder / "access.log", a_line, loop)
    moved = folder.rename(tmp_path / "elsewhere")
    log.reopen()
    write(log, "/1")
    log.close(PATIENCE)
    assert (moved / "access.log").read_text() == "/1\n"
    assert "the old file is kept" in caplog.text


def test_a_target_that_cannot_be_opened(loop: VirtualLoop, tmp_path: Path) -> None:
    """Said at the start."""
    with pytest.raises(StartError, match=r"cannot write the access log .*/missing/access\.log: no such file"):
        AccessLog(tmp_path / "missing" / "access.log", a_line, loop)


def test_a_target_that_could_be_opened_is_no_fault_and_is_not_made(tmp_path: Path) -> None:
    """For `check`, which leaves nothing behind; what is there already stays as it is."""
    there = tmp_path / "access.log"
    assert fault_of(there) == ""
    assert not there.exists()
    there.write_text("line\n")
    assert fault_of(there) == ""
    assert there.read_text() == "line\n"
    assert [fault_of(word) for word in ("stdout", "stderr", "off")] == ["", "", ""]


def test_why_a_target_could_not_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the start would say it. root, as whom tests may run, may write everywhere, so its permission is made up."""
    assert fault_of(tmp_path / "missing" / "access.log") == "no such file or directory"
    assert fault_of(tmp_path) == "is a directory"
    (tmp_path / "file").write_text("")
    assert fault_of(tmp_path / "file" / "access.log") == "not a directory"
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "access.log")
    assert fault_of(tmp_path / "link") in ("no such file or directory", os.strerror(errno.ELOOP).lower())
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert fault_of(tmp_path / "access.log") == "its folder cannot be written"


def test_a_check_waits_for_no_reader_of_a_pipe(tmp_path: Path) -> None:
    """It would stand still (fifo(7))."""
    os.mkfifo(tmp_path / "pipe")
    assert fault_of(tmp_path / "pipe") == ""


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A target that takes 64 KiB and no more until somebody reads: its path, and the end to read from."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    yield path, reader
    os.close(reader)


def test_a_slow_target_loses_lines_but_never_stops_traffic(
    loop: VirtualLoop, pipe: tuple[Path, int], caplog: pytest.LogCaptureFixture
) -> None:
    """What does not fit is dropped, counted and said; what was taken is whole, and later lines come through."""
    path, reader = pipe
    log = AccessLog(path, a_line, loop)
    line = "/" + "x" * 8000
    batches = MAX_BATCHES + 40
    for _ in range(batches):
        write(log, *[line] * 4)
        log.flush()
    assert log.dropped > 0
    # Once for each gap: the thread may take another batch in the middle.
    assert set(caplog.messages) == {"access log: the target is too slow; lines are lost"}
    assert len(caplog.messages) < log.dropped / 4
    got = b""
    while got.count(b"\n") < batches * 4 - log.dropped:
        got += read_some(reader)
    assert set(got.splitlines()) == {line.encode()}
    write(log, "/after")
    log.flush()
    assert read_some(reader) == b"/after\n"
    log.close(PATIENCE)


def test_a_pipe_without_a_reader_is_not_waited_for(loop: VirtualLoop, tmp_path: Path) -> None:
    """open(2) would wait for one, and the gate with it. Who comes later finds what was written meanwhile."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    log = AccessLog(path, a_line, loop)
    write(log, "/early")
    log.flush()
    reader = os.open(path, os.O_RDONLY)
    assert os.read(reader, 100) == b"/early\n"
    os.close(reader)
    write(log, "/later")
    log.close(PATIENCE)
    assert log.dropped == 0


def read_some(reader: int) -> bytes:
    pieces = []  # type: ignore[var-annotated]
    until(lambda: pieces or pieces.append(read_now(reader)) or pieces[0] or pieces.clear())
    return pieces[0]


def read_now(reader: int) -> bytes:
    try:
        return os.read(reader, 1 << 20)
    except BlockingIOError:
        return b""


@pytest.mark.parametrize("batches", [1, MAX_BATCHES + 2], ids=["one batch", "no room for the end"])
def test_closing_does_not_wait_for_ever(
    loop: VirtualLoop, pipe: tuple[Path, int], caplog: pytest.LogCaptureFixture, batches: int
) -> None:
    """A gate must be able to stop while its log stands still; it says that lines are lost by that."""
    path, reader = pipe
    log = AccessLog(path, a_line, loop)
    for _ in range(batches):
        write(log, *["/" + "x" * 8000] * 20)
        log.flush()
    log.close(seconds=0.05)
    assert caplog.messages[-1] == "access log: the target did not take the last lines in time; they are lost"
    while log._writer_thread.is_alive():  # it was stuck; let it go, for the other tests' sake
        read_now(reader)
    log._writer_thread.join(PATIENCE)


def test_a_broken_target_is_said_and_counted(loop: VirtualLoop, caplog: pytest.LogCaptureFixture) -> None:
    """/dev/full: no space left on device. The gate goes on."""
    target = Path("/dev/full")
    with caplog.at_level(logging.ERROR):
        log = AccessLog(target, a_line, loop)
        write(log, "/1", "/2")
        log.close(PATIENCE)
    assert log.dropped == 2
    assert caplog.messages == ["access log: No space left on device; lines are lost"]


@contextmanager
def full_at(size: int) -> Iterator[None]:
    """No file grows beyond this size: the last write(2) that fits is cut off, the next one fails (setrlimit(2))."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("size", "content", "lost"),
    [
        (3, "/0\n/3\n", 2),  # not a byte of /1
        (4, "/0\n/\n/3\n", 2),  # torn: what follows begins on a line of its own
        (6, "/0\n/1\n/3\n", 1),  # all of /1, not a byte of /2
        (8, "/0\n/1\n/2\n/3\n", 0),  # all but the end of the line
    ],
)
def test_a_full_disk_leaves_no_blank_line(
    loop: VirtualLoop, tmp_path: Path, caplog: pytest.LogCaptureFixture, size: int, content: str, lost: int
) -> None:
    """Whoever reads the log as JSON chokes on one. Counted as lost is what does not stand there whole."""
    path = tmp_path / "access.log"
    path.write_text("/0\n")
    log = AccessLog(path, a_line, loop)
    with full_at(size):
        write(log, "/1", "/2")
        log.flush()
        until(lambda: caplog.messages)
    write(log, "/3")
    log.close(PATIENCE)
    assert (path.read_text(), log.dropped) == (content, lost)


def test_a_disk_that_stays_full_tears_one_line(loop: VirtualLoop, tmp_path: Path) -> None:
    """The end of the torn line is written once, by whatever is the first to fit again."""
    path = tmp_path / "access.log"
    log = AccessLog(path, a_line, loop)
    with full_at(1):
        write(log, "/1")
        log.flush()
        until(lambda: log.dropped == 1)
        write(log, "/1")
        log.flush()
        until(lambda: log.dropped == 2)
    write(log, "/2")
    log.flush()
    write(log, "/3")
    log.close(PATIENCE)
    assert path.read_text() == "/\n/2\n/3\n"


def test_a_new_file_does_not_begin_with_the_end_of_a_torn_line(loop: VirtualLoop, tmp_path: Path) -> None:
    """Who rotates a log because the disk is full gets a whole one."""
    path = tmp_path / "access.log"
    log = AccessLog(path, a_line, loop)
    with full_at(1):
        write(log, "/1")
        log.flush()
        until(lambda: log.dropped)
    path.rename(tmp_path / "access.log.1")
    log.reopen()
    write(log, "/2")
    log.close(PATIENCE)
    assert path.read_text() == "/2\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is led astray")
def test_root_does_not_follow_a_link(loop: VirtualLoop, tmp_path: Path) -> None:
    """The gate's user owns the folder of the log, and could have root write into any file (CWE-59)."""
    (tmp_path / "precious").write_text("")
    (tmp_path / "access.log").symlink_to(tmp_path / "precious")
    with pytest.raises(StartError, match=os.strerror(errno.ELOOP).lower()):
        AccessLog(tmp_path / "access.log", a_line, loop)


def test_only_a_file_that_was_made_here_is_handed_over(loop: VirtualLoop, tmp_path: Path) -> None:
    """A file that was there belongs to whom it belonged to: a name in the folder of the log can lead to any."""
    handed: list[int] = []
    for _ in range(2):
        log = AccessLog(tmp_path / "access.log", a_line, loop)
        log.hand_over(handed.append)
        log.close(PATIENCE)
    assert len(handed) == 1
