"""Files that root alone may read, for a process that is root no more: copies in memory, from one that still is.

They are files without a name (memfd_create(2)), sent over a socket pair (unix(7)). Nobody can change one once it is
made, and they are gone when the last process that got them closes them: so each reload costs their size for its while.
"""

import fcntl
import json
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

# One byte more than the largest file that anybody takes, a revocation list: whoever loads it sees that it is larger.
_MOST = 256 * 1024 * 1024 + 1
_BLOCK = 1 << 20
# A message takes 253 descriptors (SCM_MAX_FD), of which one tells the names of the others.
_TOGETHER = 200
_SEALED = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL

Copies = Mapping[Path, int]
"""A descriptor for each file that was copied."""

_read_from: Copies = {}


def readable(path: Path) -> Path:
    """Where this process reads a file at the moment: its copy, within `reading`, else the file itself.

    Among copies, one that there is none of does not exist: looking for oneself would end in "permission denied".
    """
    return Path(f"/proc/self/fd/{_read_from.get(path, 'none')}") if _read_from else path


@contextmanager
def reading(copies: Copies) -> Iterator[None]:
    """Let `readable` lead to these copies; afterwards they are closed. For one thread of a process."""
    global _read_from
    before, _read_from = _read_from, copies
    try:
        yield
    finally:
        _read_from = before
        close(copies)


def copy(files: Iterable[Path]) -> Copies:
    """A copy of each file that can be read, a folder for a folder, of the others none: who loads them says what is
    wrong."""
    copies = {}
    for path in files:
        try:
            copies[path] = _copy(path)
        except IsADirectoryError:
            # So that it is not said to be missing: as good as any other folder, and everybody may look into it.
            copies[path] = os.open("/", os.O_RDONLY | os.O_CLOEXEC)
        except (OSError, ValueError):
            pass
    return copies


def close(copies: Copies) -> None:
    """Be done with them, in this process."""
    for file in copies.values():
        os.close(file)


def send(copies: Copies, line: socket.socket, mark: bytes) -> None:
    """Hand them over, and keep them; OSError if the other end does not take them.

    Descriptors come with words only (unix(7)), so there is a ``mark`` with each message, one for some 200 files.
    """
    everything = list(copies.items())
    for start in range(0, len(everything), _TOGETHER):
        some = everything[start : start + _TOGETHER]
        names = _sealed([json.dumps([str(path) for path, _ in some]).encode()])
        try:
            socket.send_fds(line, [mark], [names, *(file for _, file in some)])
        finally:
            os.close(names)


def receive(line: socket.socket, most: int) -> tuple[bytes, Copies]:
    """Up to so many bytes, and the copies that came with the last of them. OSError as by recv."""
    heard, files, *_ = socket.recv_fds(line, most, _TOGETHER + 1, socket.MSG_CMSG_CLOEXEC)
    if not files:
        return heard, {}
    with open(files[0], "rb") as names:
        paths = [Path(name) for name in json.load(names)]
    return heard, dict(zip(paths, files[1:], strict=False))  # fewer where this process may open no more


def _copy(path: Path) -> int:
    # Without waiting: root is not to hang because a name leads to a pipe.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as file:
        return _sealed(_blocks(file.fileno()))


def _blocks(file: int) -> Iterator[bytes]:
    left = _MOST
    while left and (block := os.read(file, min(left, _BLOCK))):
        left -= len(block)
        yield block


def _sealed(content: Iterable[bytes]) -> int:
    """A file without a name, which stays as it is: a worker that was taken over must not change what others read."""
    copy = os.memfd_create("gatekeeper", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        for block in content:
            while block:
                block = block[os.write(copy, block) :]
        os.lseek(copy, 0, os.SEEK_SET)
        fcntl.fcntl(copy, fcntl.F_ADD_SEALS, _SEALED)
    except BaseException:
        os.close(copy)
        raise
    return copy
