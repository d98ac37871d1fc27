"""Messages on stderr: how their lines begin, and that nobody waits for whoever reads them."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatekeeper.process.stderr_log import Line, Messages, is_journal


def test_the_journal_is_known_by_device_and_inode(tmp_path: Path) -> None:
    """stderr may have been redirected since systemd said where it leads."""
    with open(tmp_path / "file", "wb") as file:
        found = os.fstat(file.fileno())
        assert is_journal(file.fileno(), {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
        assert not is_journal(file.fileno(), {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino + 1}"})
        assert not is_journal(file.fileno(), {})
    assert not is_journal(-1, {"JOURNAL_STREAM": "1:1"})


def test_a_line_begins_with_its_priority_for_the_journal() -> None:
    """sd-daemon(3); every line, if there are several. A terminal is spared that."""
    record = logging.LogRecord("gatekeeper", logging.ERROR, "", 0, "one\ntwo", (), None)
    assert Line(journal=True).format(record) == "<3>gatekeeper: ERROR: one\n<3>two"
    assert Line(journal=False).format(record) == "gatekeeper: ERROR: one\ntwo"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe that nobody reads, yet."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("gatekeeper", logging.ERROR, "", 0, text, (), None)


def test_a_reader_that_stands_still_is_not_waited_for(pipe: tuple[int, int]) -> None:
    """What does not fit is lost, and that is said as soon as there is room. To wait would stop all traffic."""
    messages = Messages(pipe[1], Line(journal=False))
    for _ in range(100):
        messages.emit(record("x" * 4000))
    held = os.read(pipe[0], 1 << 20)
    assert 0 < held.count(b"gatekeeper: ERROR: xxx") < 100
    messages.emit(record("at last"))
    lost = 100 - held.count(b"gatekeeper: ERROR: xxx")
    told = f"gatekeeper: WARNING: {lost} earlier messages were lost, because nobody read them"
    assert os.read(pipe[0], 1 << 20).decode() == f"gatekeeper: ERROR: at last\n{told}\n"
    messages.emit(record("and on"))
    assert os.read(pipe[0], 1 << 20) == b"gatekeeper: ERROR: and on\n"


def test_a_long_message_is_not_waited_for_either(pipe: tuple[int, int]) -> None:
    """A pipe with room for one page takes one page of it; write(2) of the whole would wait for the rest."""
    messages = Messages(pipe[1], Line(journal=False))
    messages.emit(record("x" * (1 << 20)))
    assert len(os.read(pipe[0], 1 << 21)) < 1 << 20


def test_a_reader_that_has_gone_changes_nothing(pipe: tuple[int, int]) -> None:
    """EPIPE: the gate goes on without a word."""
    messages = Messages(pipe[1], Line(journal=False))
    with open(os.devnull, "rb") as instead:
        os.dup2(instead.fileno(), pipe[0])
    messages.emit(record("to nobody"))
