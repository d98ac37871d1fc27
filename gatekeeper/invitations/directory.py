"""Open folders: what is below is reached through descriptors, and never through a symbolic link.

The gate's user can write into the folder of invitations, and the administrator works there as root: a path that is
walked by name leads wherever a taken-over gate has put a link (CWE-59).
"""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

# A file that is larger was not put there by us.
LARGEST_FILE = 1 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Access:
    """The owner of new files and folders, and whether their group may use them."""

    uid: int
    gid: int
    group_bits: int


class Directory:
    """A folder that is open, by its descriptor. OSError from every method; what is missing is FileNotFoundError."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> "Iterator[Directory]":
        """The folder at a path that the administrator wrote, links included."""
        descriptor = os.open(path, _FOLDER)
        try:
            yield cls(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def entered(self, name: str) -> "Iterator[Directory]":
        """A folder in it; NotADirectoryError (or ELOOP) for anything else, a symbolic link to a folder included."""
        descriptor = os.open(_single(name), _FOLDER | os.O_NOFOLLOW, dir_fd=self._descriptor)
        try:
            yield Directory(descriptor)
        finally:
            os.close(descriptor)

    def access(self) -> Access:
        """What is put here gets this folder's group, and root also gives it to the folder's owner."""
        found = os.fstat(self._descriptor)
        uid = found.st_uid if os.geteuid() == 0 else -1
        return Access(uid, found.st_gid, found.st_mode & 0o070)

    def names(self) -> list[str]:
        """What is in it, in no order."""
        return os.listdir(self._descriptor)

    def read(self, name: str) -> bytes | None:
        """The content of a file, None if there is no ordinary file of this name."""
        # O_NONBLOCK: to open a FIFO that somebody has put there would wait for a writer (open(2)).
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(_single(name), flags, dir_fd=self._descriptor)
        except (FileNotFoundError, NotADirectoryError):
            return None
        with open(descriptor, "rb") as file:
            return file.read(LARGEST_FILE) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None

    def write(self, name: str, octets: bytes, access: Access) -> None:
        """Make a file; FileExistsError if there is one, or a link of this name."""
        # O_EXCL follows no symbolic link (open(2)).
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(_single(name), flags, 0o600, dir_fd=self._descriptor)
        with open(descriptor, "wb") as file:
            os.fchown(descriptor, access.uid, access.gid)
            os.fchmod(descriptor, 0o600 | access.group_bits & 0o060)
            file.write(octets)
            file.flush()
            os.fsync(descriptor)

    @contextmanager
    def made(self, name: str, access: Access) -> "Iterator[Directory]":
        """Make a folder and enter it."""
        os.mkdir(_single(name), 0o700, dir_fd=self._descriptor)
        with self.entered(name) as folder:
            # By its descriptor: what the name stands for by now may be another's.
            if os.fstat(folder._descriptor).st_uid != os.geteuid():
                raise NotADirectoryError(errno.ENOTDIR, "was exchanged while it was made", name)
            os.fchown(folder._descriptor, access.uid, access.gid)
            os.fchmod(folder._descriptor, 0o700 | access.group_bits)
            yield folder

    def rename(self, old: str, new: str) -> None:
        """Rename what is in it; a link is renamed itself."""
        os.rename(_single(old), _single(new), src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def unlink(self, name: str) -> None:
        """Remove a file, or a link itself; what is gone already is fine."""
        with suppress(FileNotFoundError):
            os.unlink(_single(name), dir_fd=self._descriptor)

    def remove(self, name: str) -> None:
        """Remove a folder with all that is in it, as far as that is possible; links are not followed."""
        shutil.rmtree(_single(name), ignore_errors=True, dir_fd=self._descriptor)

    def empty(self) -> None:
        """Remove all that is in it; the folder stays."""
        names = self.names()
        for name in names:
            with suppress(IsADirectoryError):
                self.unlink(name)
        if names:  # every half minute each worker looks at what is over, and a flush may take milliseconds
            self.flush()

    def flush(self) -> None:
        """A rename is on the disk only when its folder is (fsync(2))."""
        # Some network file systems cannot flush a folder; that is their durability, not our mistake.
        with suppress(OSError):
            os.fsync(self._descriptor)


def _single(name: str) -> str:
    """A name of one part: with a slash, or "..", the kernel would walk through what O_NOFOLLOW does not look at."""
    if "/" in name or name in ("", ".", ".."):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
    return name
