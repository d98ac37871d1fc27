"""How configured files are read: what is wrong with one, in words that go on from its path."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gatekeeper.settings.files import FROM_COMMAND_LINE, OPEN_DIRECTLY, FileReader, UnreadableFileError


def reason(path: Path, limit: int = 8) -> str:
    with pytest.raises(UnreadableFileError) as caught:
        OPEN_DIRECTLY.read(path, limit)
    return str(caught.value)


def test_without_descriptors_the_file_itself_is_read(tmp_path: Path) -> None:
    """As wherever the process may open its own files."""
    path = tmp_path / "key"
    path.write_bytes(b"secret")
    assert OPEN_DIRECTLY.locate(path) == path
    assert OPEN_DIRECTLY.read(path, 6) == b"secret"


def test_a_file_over_its_limit_is_rejected(tmp_path: Path) -> None:
    """A device never ends, and a wrong path may lead to gigabytes."""
    (tmp_path / "large").write_bytes(b"123456789")
    assert reason(tmp_path / "large") == "is too large"


def test_a_blank_file_is_rejected(tmp_path: Path) -> None:
    """An empty list of authorities or revocations would mean something; a file that was cut off must not."""
    (tmp_path / "blank").write_bytes(b" \r\n")
    assert reason(tmp_path / "blank") == "is empty"


def test_what_cannot_be_opened_has_the_reason_in_words(tmp_path: Path) -> None:
    """Missing, a directory, a name with NUL, a link to itself."""
    (tmp_path / "loop").symlink_to("loop")
    assert reason(tmp_path / "none") == "does not exist"
    assert reason(tmp_path) == "is a directory, not a file"
    assert reason(Path("a\0b")) == "cannot be the name of a file"
    assert reason(tmp_path / "loop") == f"cannot be read: {os.strerror(errno.ELOOP)}"


def test_a_pipe_without_a_writer_is_told_apart_from_an_empty_file(tmp_path: Path) -> None:
    """fifo(7): opening it would block until somebody opens it to write."""
    os.mkfifo(tmp_path / "pipe")
    assert reason(tmp_path / "pipe") == "is a pipe into which nobody writes"


def test_on_the_command_line_a_pipe_without_a_writer_is_waited_for(tmp_path: Path) -> None:
    """A script makes a FIFO and starts its writer in the background. The end of the wait is the same for both."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnreadableFileError, match="did not finish within 0 s"):
        FileReader(pipe_seconds=0, awaits_writer=True).read(tmp_path / "pipe", 8)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(FROM_COMMAND_LINE.read, tmp_path / "pipe", 8)
        (tmp_path / "pipe").write_bytes(b"secret")  # open(2) returns once somebody reads
        assert read.result() == b"secret"


def test_a_pipe_is_read_to_its_end() -> None:
    """As a shell passes the output of a command, ``-c <(…)``: the first bytes may come after the pipe is opened."""
    inside, outside = os.pipe()
    with ThreadPoolExecutor(1) as pool:
        path = Path(f"/proc/self/fd/{inside}")
        read = pool.submit(OPEN_DIRECTLY.read, path, 8)
        for piece in (b"sec", b"ret"):
            os.write(outside, piece)
        os.close(outside)
        assert read.result() == b"secret"
    os.close(inside)


def test_a_writer_that_does_not_finish_is_told() -> None:
    """Not waited for: `gatekeeper check` ends, and a reload keeps what it has."""
    inside, outside = os.pipe()
    os.write(outside, b"sec")
    with pytest.raises(UnreadableFileError, match=r"^is a pipe whose writer did not finish within 0 s$"):
        FileReader(pipe_seconds=0).read(Path(f"/proc/self/fd/{inside}"), 8)
    os.close(outside)
    os.close(inside)


def test_a_file_of_another_user_is_not_readable(tmp_path: Path) -> None:
    """Root may read everything, so as root the question is asked as somebody else."""
    path = tmp_path / "secret"
    path.write_bytes(b"secret")
    path.chmod(0)
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        assert reason(path) == "is not readable for this user"
    finally:
        os.seteuid(user)


def test_among_descriptors_a_file_without_one_does_not_exist(tmp_path: Path) -> None:
    """A process that was given copies must not open the file itself: that would end in "permission denied"."""
    path, other = tmp_path / "key", tmp_path / "other"
    path.write_bytes(b"secret")
    other.write_bytes(b"another")
    descriptor = os.open(path, os.O_RDONLY)
    try:
        reader = FileReader({path: descriptor})
        assert reader.read(path, 6) == b"secret"
        with pytest.raises(UnreadableFileError, match=r"^does not exist$"):
            reader.read(other, 8)
    finally:
        os.close(descriptor)
