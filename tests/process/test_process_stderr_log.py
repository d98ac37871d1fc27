"""Messages on stderr: how their lines begin, and that nobody waits for whoever reads them."""

import asyncio
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from gatekeeper.process.stderr_log import (
    LineFormatter,
    StderrHandler,
    _log_thread,
    _log_unraisable,
    is_journal,
    log_event_loop_error,
)
from tests.gate_process import PATIENCE


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
    assert LineFormatter(journal=True).format(record) == "<3>gatekeeper: ERROR: one\n<3>two"
    assert LineFormatter(journal=False).format(record) == "gatekeeper: ERROR: one\ntwo"


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
    messages = StderrHandler(pipe[1], LineFormatter(journal=False))
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
    messages = StderrHandler(pipe[1], LineFormatter(journal=False))
    messages.emit(record("x" * (1 << 20)))
    assert len(os.read(pipe[0], 1 << 21)) < 1 << 20


def test_a_reader_that_has_gone_changes_nothing(pipe: tuple[int, int], capfd: pytest.CaptureFixture[str]) -> None:
    """EPIPE: the gate goes on, and prints nothing about it."""
    messages = StderrHandler(pipe[1], LineFormatter(journal=False))
    with open(os.devnull, "rb") as instead:
        os.dup2(instead.fileno(), pipe[0])
    messages.emit(record("to nobody"))
    assert capfd.readouterr() == ("", "")


# Fills the pipe that is stderr, then does what makes Python print to it, and says when that is over.
_FULL = """
import asyncio, os, ssl, sys, threading, warnings
from pathlib import Path
from gatekeeper.process.stderr_log import log_to_stderr
log_to_stderr("info")
os.set_blocking(2, False)
try:
    while True:
        os.write(2, b"x" * 65536)
except BlockingIOError:
    pass
os.set_blocking(2, True)
"""
_SERVER_NAME = """
from gatekeeper.tls.context import new_ssl_context
hello = ssl.MemoryBIO()
client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="gate.example.com")
try:
    client.do_handshake()
except ssl.SSLWantReadError:
    pass
first = hello.read().replace(b"gate.example.com", b"gat\\xe9.example.com")
context = new_ssl_context()
for _ in range(5):
    incoming = ssl.MemoryBIO()
    incoming.write(first)
    try:
        context.wrap_bio(incoming, ssl.MemoryBIO(), server_side=True).do_handshake()
    except ssl.SSLError as error:
        assert "SSLWantRead" not in type(error).__name__, error
    else:
        raise AssertionError
"""
_UNRAISABLE = """
class Broken:
    def __del__(self):
        raise ValueError("x" * 5000)
for _ in range(5):
    Broken()
"""
_THREAD = """
def broken():
    raise ValueError("x" * 5000)
for _ in range(5):
    thread = threading.Thread(target=broken)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
"""
_LOOP = """
async def broken():
    loop = asyncio.get_running_loop()
    for _ in range(5):
        loop.call_soon(lambda: 1 / 0)
    await asyncio.sleep(0)
asyncio.run(broken())
"""
_WARNING = """
for number in range(5):
    warnings.warn("x" * 5000 + str(number))
"""


@pytest.mark.parametrize("action", [_SERVER_NAME, _UNRAISABLE, _THREAD, _LOOP, _WARNING])
def test_what_python_itself_would_print_waits_for_nobody(action: str) -> None:
    """With nobody reading stderr, a print to it waits for ever, and with it the worker."""
    code = _FULL + action + "print('over', flush=True)\nos._exit(0)"
    reader, unread = os.pipe()
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=unread)
    with process:
        try:
            output, _ = process.communicate(timeout=PATIENCE)
            assert output == b"over\n"
        finally:
            process.kill()
            os.close(reader)
            os.close(unread)


def test_what_python_itself_would_print_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """With its traceback, which only a bug brings; but a stranger's server name is told to whoever debugs alone."""
    with caplog.at_level(logging.DEBUG):
        _log_unraisable(SimpleNamespace(exc_value=ValueError("one"), err_msg=None, object=print))
        _log_thread(threading.ExceptHookArgs((ValueError, ValueError("two"), None, threading.current_thread())))
        _log_unraisable(SimpleNamespace(exc_value=UnicodeError("three"), err_msg=None, object=b"gat\xe9\n"))
    one, two, three = caplog.records
    assert (one.levelname, two.levelname, three.levelname) == ("ERROR", "ERROR", "DEBUG")
    assert one.exc_info[1].args == ("one",)
    assert two.getMessage() == "the thread MainThread has ended because of a bug"
    assert three.getMessage() == r"a server name that cannot be read: b'gat\xe9\n'"


def test_a_bug_in_the_event_loop_is_logged_without_what_its_callback_was_called_with(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """That may be whole certificates."""

    def broken(_certificate: str) -> None:
        raise ValueError("a bug")

    async def call() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(log_event_loop_error)
        loop.call_soon(partial(broken, "CN=alice " * 1000))
        await asyncio.sleep(0)

    asyncio.run(call())
    (logged,) = caplog.records
    assert (logged.name, logged.levelno) == ("asyncio", logging.ERROR)
    assert len(logged.getMessage()) <= 200
    assert logged.exc_info is not None
    assert isinstance(logged.exc_info[1], ValueError)
