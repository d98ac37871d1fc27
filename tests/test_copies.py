"""Copies of files, for whoever cannot read the files."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatekeeper.copies import close, copy, readable, reading, receive, send


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "server.key"
    path.write_bytes(b"secret")
    return path


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def opened() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_without_copies_the_file_itself_is_read(key: Path) -> None:
    """As everywhere where nobody was root."""
    with reading({}):
        assert readable(key) == key


def test_a_copy_is_what_the_file_was_and_closed_after_it_was_read(key: Path) -> None:
    """So a key and its certificate are of one moment, and no memory is kept."""
    before = opened()
    copies = copy([key])
    key.unlink()
    with reading(copies):
        assert readable(key).read_bytes() == readable(key).read_bytes() == b"secret"
    assert readable(key) == key
    assert opened() == before


def test_copies_reach_the_other_end_however_many_they_are(
    tmp_path: Path, ends: tuple[socket.socket, socket.socket]
) -> None:
    """More than the 253 descriptors of a message; what is said before and after keeps its place."""
    files = [tmp_path / f"{number}" for number in range(260)]
    for path in files:
        path.write_text(path.name)
    copies = copy(files)
    ends[0].sendall(b"l")
    send(copies, ends[0], b"f")
    ends[0].sendall(b"h")
    close(copies)
    heard, received = b"", {}
    while not heard.endswith(b"h"):
        words, came = receive(ends[1], 64)
        assert not came or words.endswith(b"f")
        heard, received = heard + words, received | came
    assert heard == b"lffh"
    with reading(received):
        assert [readable(path).read_text() for path in files] == [path.name for path in files]
        assert readable(files[0]) != files[0]


def test_a_copy_cannot_be_changed(key: Path) -> None:
    """A worker that was taken over must not take a name off the list that the others read."""
    with reading(copy([key])):
        descriptor = int(readable(key).name)
        with pytest.raises(PermissionError):
            os.write(descriptor, b"public")
        with pytest.raises(PermissionError):
            os.ftruncate(descriptor, 0)


def test_what_cannot_be_copied_is_left_to_whoever_loads_it(tmp_path: Path) -> None:
    """To them it does not exist, but a folder is one. A pipe does not hold up the process that is root."""
    gone, pipe = tmp_path / "gone", tmp_path / "pipe"
    os.mkfifo(pipe)
    with reading(copy([gone, tmp_path, Path("nul\0l"), pipe])):
        assert not readable(gone).exists()
        assert readable(tmp_path).samefile("/")  # where nothing is secret
        with pytest.raises(IsADirectoryError):
            readable(tmp_path).read_bytes()
        assert readable(pipe).read_bytes() == b""
