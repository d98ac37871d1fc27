"""Copies of files that only root can read, for workers that have dropped root.

Each copy is a sealed memfd (memfd_create(2), F_ADD_SEALS), passed over a socket pair (unix(7)). It cannot be changed,
and its memory is freed when the last process closes it: a reload needs the size of the files while it lasts.
"""

import fcntl
import json
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

# One byte more than the limit for CRLs, the largest of all files: the loader then sees that a file is too large.
_MOST = 256 * 1024 * 1024 + 1
_BLOCK = 1 << 20
# A message takes 253 descriptors (SCM_MAX_FD); one of them is a file with the names of the others.
_TOGETHER = 200
_SEALED = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL

SealedFiles = Mapping[Path, int]
"""The descriptor of a sealed copy for each file."""


def seal(files: Iterable[Path]) -> SealedFiles:
    """A sealed copy of each readable file. Folders and missing files are passed on such that loading them reports the
    error.
    """
    sealed = {}
    for path in files:
        try:
            sealed[path] = _seal_file(path)
        except IsADirectoryError:
            # Any public folder, so that the loader reports a folder and not a missing file.
            sealed[path] = os.open("/", os.O_RDONLY | os.O_CLOEXEC)
        except (OSError, ValueError):
            pass
    return sealed


def close(sealed: SealedFiles) -> None:
    """Close the descriptors in this process."""
    for file in sealed.values():
        os.close(file)


def send(sealed: SealedFiles, channel: socket.socket, mark: bytes) -> None:
    """Pass the descriptors to another process, which gets duplicates; OSError if it does not receive them.

    Descriptors travel only with data (unix(7)), so ``mark`` is sent with each message of up to 200 files.
    """
    everything = list(sealed.items())
    for start in range(0, len(everything), _TOGETHER):
        some = everything[start : start + _TOGETHER]
        names = _sealed([json.dumps([str(path) for path, _ in some]).encode()])
        try:
            socket.send_fds(channel, [mark], [names, *(file for _, file in some)])
        finally:
            os.close(names)


def receive(channel: socket.socket, most: int) -> tuple[bytes, SealedFiles]:
    """Up to ``most`` bytes, and the files that came with the last of them. OSError as from recv(2)."""
    heard, files, *_ = socket.recv_fds(channel, most, _TOGETHER + 1, socket.MSG_CMSG_CLOEXEC)
    if not files:
        return heard, {}
    with open(files[0], "rb") as names:
        paths = [Path(name) for name in json.load(names)]
    return heard, dict(zip(paths, files[1:], strict=False))  # fewer where this process may open no more


def _seal_file(path: Path) -> int:
    # O_NONBLOCK: root must not hang because a name leads to a FIFO.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as file:
        return _sealed(_blocks(file.fileno()))


def _blocks(file: int) -> Iterator[bytes]:
    left = _MOST
    while left and (block := os.read(file, min(left, _BLOCK))):
        left -= len(block)
        yield block


def seal_content(*content: bytes) -> int:
    """A descriptor of a sealed copy of this content."""
    return _sealed(content)


def _sealed(content: Iterable[bytes]) -> int:
    """A memfd with this content, sealed: a compromised worker must not change what the others read."""
    file = os.memfd_create("gatekeeper", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        for block in content:
            while block:
                block = block[os.write(file, block) :]
        os.lseek(file, 0, os.SEEK_SET)
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, _SEALED)
    except BaseException:
        os.close(file)
        raise
    return file
