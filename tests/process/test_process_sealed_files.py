"""Copies of files, for whoever cannot read the files."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatekeeper.process.sealed_files import close, receive, seal, send
from gatekeeper.settings.files import FileReader, UnreadableFileError


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


def test_a_copy_is_what_the_file_was_until_it_is_closed(key: Path) -> None:
    """So a key and its certificate are of one moment, and no memory is kept."""
    before = opened()
    sealed = seal([key])
    key.unlink()
    reader = FileReader(sealed)
    assert reader.read(key, 6) == reader.read(key, 6) == b"secret"
    close(sealed)
    assert opened() <= before  # something of an earlier test may have been closed meanwhile


def test_copies_reach_the_other_end_however_many_they_are(
    tmp_path: Path, ends: tuple[socket.socket, socket.socket]
) -> None:
    """More than the 253 descriptors of a message; what is said before and after keeps its place."""
    files = [tmp_path / f"{number}" for number in range(260)]
    for path in files:
        path.write_text(path.name)
    sealed = seal(files)
    ends[0].sendall(b"l")
    send(sealed, ends[0], b"f")
    ends[0].sendall(b"h")
    close(sealed)
    heard, received = b"", {}  # type: ignore[var-annotated]
    while not heard.endswith(b"h"):
        words, came = receive(ends[1], 64)
        assert not came or words.endswith(b"f")
        heard, received = heard + words, received | came  # type: ignore[operator]
    assert heard == b"lffh"
    reader = FileReader(received)
    assert [reader.read(path, 3).decode() for path in files] == [path.name for path in files]
    assert reader.locate(files[0]) != files[0]
    close(received)


def test_a_copy_cannot_be_changed(key: Path) -> None:
    """A worker that was taken over must not take a name off the list that the others read."""
    sealed = seal([key])
    with pytest.raises(PermissionError):
        os.write(sealed[key], b"public")
    with pytest.raises(PermissionError):
        os.ftruncate(sealed[key], 0)
    close(sealed)


def test_what_cannot_be_copied_is_left_to_whoever_loads_it(tmp_path: Path) -> None:
    """To them it does not exist, but a folder is one. A pipe does not hold up the process that is root."""
    gone, pipe = tmp_path / "gone", tmp_path / "pipe"
    os.mkfifo(pipe)
    sealed = seal([gone, tmp_path, Path("nul\0l"), pipe])
    reader = FileReader(sealed)
    with pytest.raises(UnreadableFileError, match=r"^does not exist$"):
        reader.read(gone, 1)
    assert reader.locate(tmp_path).samefile("/")  # where nothing is secret
    with pytest.raises(UnreadableFileError, match=r"^is a directory, not a file$"):
        reader.read(tmp_path, 1)
    with pytest.raises(UnreadableFileError, match=r"^is empty$"):
        reader.read(pipe, 1)
    close(sealed)
