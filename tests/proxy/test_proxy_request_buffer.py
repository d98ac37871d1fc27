"""The buffer of a request's body: memory first, then a file without a name."""

import errno
import os
from pathlib import Path

import pytest

from gatekeeper.proxy.request_buffer import PIECE_BYTES, RESERVED_SHARE, RequestBuffer, disk_threads


def read_all(buffer: RequestBuffer) -> bytes:
    """From where it is to the end."""
    pieces = []
    while not buffer.is_at_end:
        pieces.append(buffer.read())
        assert 0 < len(pieces[-1]) <= PIECE_BYTES
        buffer.passed(pieces[-1])
    return b"".join(pieces)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def filled(*sizes: int) -> tuple[RequestBuffer, bytes]:
    """A buffer with so many pieces, written as an exchange does it; and what is in it."""
    buffer, content = RequestBuffer(), b""
    for number, size in enumerate(sizes):
        piece = bytes([number + 1]) * size
        buffer.append(piece)
        content += piece
        if buffer.is_due:
            buffer.write(buffer.take())
    return buffer, content


def test_a_small_body_stays_in_memory(folder: Path) -> None:
    """One byte less than a piece: there is no file, and nothing to read from one."""
    buffer, content = filled(PIECE_BYTES - 2, 1)
    assert buffer._file is None
    assert not buffer.is_in_file
    assert read_all(buffer) == content
    assert buffer.length == len(content)


@pytest.mark.parametrize(
    "sizes", [(PIECE_BYTES,), (PIECE_BYTES - 1, 2, 5), (3 * PIECE_BYTES + 1,), (PIECE_BYTES, PIECE_BYTES, 7)]
)
def test_a_large_body_is_read_as_it_came(folder: Path, sizes: tuple[int, ...]) -> None:
    """File and memory together, in order, in pieces; twice, because a request may be sent again."""
    buffer, content = filled(*sizes)
    for _ in range(2):
        assert buffer.is_in_file
        assert read_all(buffer) == content
        buffer.rewind()
    buffer.close()


def test_nobody_else_can_open_the_file(folder: Path) -> None:
    """It has no name, and is gone when it is closed."""
    buffer, _ = filled(PIECE_BYTES)
    assert buffer._file is not None
    there = os.fstat(buffer._file.fileno())
    assert (there.st_nlink, there.st_mode & 0o777, there.st_size) == (0, 0o600, PIECE_BYTES)
    assert list(folder.iterdir()) == []
    buffer.close()
    assert buffer._file.closed


def test_the_last_twentieth_of_the_disk_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a piece would take of it, the disk counts as full; with one byte less it does not."""
    size = 4096
    blocks = RESERVED_SHARE * PIECE_BYTES // size
    for available, fits in ((2 * PIECE_BYTES // size, True), (2 * PIECE_BYTES // size - 1, False)):
        told = os.statvfs_result((size, size, blocks, available, available, 0, 0, 0, 0, 255))
        monkeypatch.setattr(os, "fstatvfs", lambda _, told=told: told)
        buffer = RequestBuffer()
        buffer.append(b"x" * PIECE_BYTES)
        if fits:
            buffer.write(buffer.take())
        else:
            with pytest.raises(OSError, match="No space left") as caught:
                buffer.write(buffer.take())
            assert caught.value.errno == errno.ENOSPC
        buffer.close()


def test_a_file_system_without_a_size_is_no_full_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ramfs says 0 of everything."""
    monkeypatch.setattr(os, "fstatvfs", lambda _: os.statvfs_result((4096, 4096, 0, 0, 0, 0, 0, 0, 0, 255)))
    filled(PIECE_BYTES)[0].close()


def test_a_file_that_was_cut_is_noticed(folder: Path) -> None:
    """An app must not get less than Content-Length says, and wait."""
    buffer, _ = filled(PIECE_BYTES)
    assert buffer._file is not None
    buffer._file.truncate(0)
    with pytest.raises(OSError, match="shorter"):
        buffer.read()
    buffer.close()


def test_the_threads_are_the_process_s(folder: Path) -> None:
    """One small set for all requests."""
    assert disk_threads() is disk_threads()
