"""A lock in a folder that several processes use."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Yields True if this process holds the lock of this file, until the end of the block; False if another process has
    it. The file is created if needed.

    The lock ends with the process that holds it (flock(2)). Symbolic links are not followed: a user who can write to
    the folder could make a privileged process create a file elsewhere. OSError if the file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
