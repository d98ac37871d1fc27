"""The body of a request that waits for its end: in memory, and from `PIECE_BYTES` on in a temporary file.

The file has no name and mode 0600, so nobody else can open it, and the kernel removes it when it is closed, whatever
becomes of the process (open(2), O_TMPFILE). It lies in ``$TMPDIR``.

`write` and `read` of what is in the file may block and are for a thread: a write usually only fills the page cache,
but where more pages are dirty than vm.dirty_ratio allows, the kernel lets the writer sleep, and a disk may be slow or
hang. nginx accepts that for its worker; here every visitor of a worker shares one loop.
"""

import errno
import os
from concurrent.futures import Executor
from functools import cache
from typing import IO

# What is written at a time, and stays in memory at most, apart from what comes while it is written.
PIECE_BYTES = 64 * 1024
# The last twentieth of the file system is left to others: log files, for example, or the apps themselves.
RESERVED_SHARE = 20
# A disk that hangs keeps so many threads. They are not the loop's own, which look up names.
THREADS = 4


class RequestBuffer:
    """What came of one body, read in order, and from the beginning again after `rewind`."""

    __slots__ = ("_at", "_file", "_in_file", "_memory", "length")

    def __init__(self) -> None:
        self.length = 0
        self._memory: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._in_file = 0
        self._at = 0

    # -- on the loop

    def append(self, content: bytes) -> None:
        """Take a piece into memory."""
        if content:
            self._memory.append(content)
            self.length += len(content)

    @property
    def is_due(self) -> bool:
        """Whether what is in memory must be written."""
        return self.length - self._in_file >= PIECE_BYTES

    def take(self) -> bytes:
        """Everything in memory, to be written at once."""
        data = b"".join(self._memory)
        self._memory = []
        self._in_file += len(data)
        return data

    @property
    def is_at_end(self) -> bool:
        """Whether everything has been read."""
        return self._at == self.length

    @property
    def is_in_file(self) -> bool:
        """Whether what comes next is in the file: then only a thread may `read` it."""
        return self._at < self._in_file

    def passed(self, content: bytes) -> None:
        """This content was read and is used: go on behind it."""
        self._at += len(content)

    def rewind(self) -> None:
        """Begin again."""
        self._at = 0

    # -- in a thread

    def write(self, data: bytes) -> None:
        """Append to the file, which is made first where there is none. OSError if it cannot be written, also with
        ENOSPC where only the reserve would be left.
        """
        if self._file is None:
            from tempfile import TemporaryFile  # brings archives, which hardly any gate needs

            self._file = TemporaryFile(prefix="gatekeeper-", buffering=0)  # noqa: SIM115 - until `close`
        descriptor = self._file.fileno()
        if _would_fill(descriptor, len(data)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rest = memoryview(data)
        while rest:
            written = os.write(descriptor, rest)
            rest = rest[written:]  # mypyc evaluates the bounds of such a slice twice

    def read(self) -> bytes:
        """The next piece. OSError if the file cannot be read."""
        if self._file is None or not self.is_in_file:
            return b"".join(self._memory)
        content = os.pread(self._file.fileno(), min(PIECE_BYTES, self._in_file - self._at), self._at)
        if not content:
            raise OSError(errno.EIO, "the file is shorter than what was written")
        return content

    def close(self) -> None:
        """Forget everything. A large file takes its time."""
        self._memory = []
        if self._file is not None:
            self._file.close()


def _would_fill(descriptor: int, size: int) -> bool:
    """Whether so many bytes more would take of the file system's reserve. Some of those in memory have no size."""
    there = os.fstatvfs(descriptor)
    return (
        there.f_blocks > 0
        and there.f_bavail * there.f_frsize - size < there.f_blocks * there.f_frsize // RESERVED_SHARE
    )


@cache
def disk_threads() -> Executor:
    """The threads of this process for `RequestBuffer.write` and `RequestBuffer.read`."""
    from concurrent.futures import ThreadPoolExecutor  # most gates buffer nothing

    return ThreadPoolExecutor(THREADS, "request-buffer")
