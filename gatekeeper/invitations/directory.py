"""Open directories: entries are reached relative to a descriptor, and never through a symbolic link.

The gate's user can write into the folder of invitations, and the administrator works there as root. A path resolved by
name would lead wherever a compromised gate has put a link (CWE-59).
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

# Gatekeeper writes no larger files there.
LARGEST_FILE = 1 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Access:
    """The owner of new files and folders, -1 for "as they are created", and the permissions of their group."""

    uid: int
    gid: int
    group_bits: int


class Directory:
    """An open directory. Every method may raise OSError; a missing entry is FileNotFoundError."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> "Iterator[Directory]":
        """Open the directory at a path from the configuration; symbolic links in it are followed."""
        descriptor = os.open(path, _FOLDER)
        try:
            yield cls(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def entered(self, name: str) -> "Iterator[Directory]":
        """Open a directory in this one; NotADirectoryError (or ELOOP) for anything else, such as a symbolic link to
        one.
        """
        descriptor = os.open(_single(name), _FOLDER | os.O_NOFOLLOW, dir_fd=self._descriptor)
        try:
            yield Directory(descriptor)
        finally:
            os.close(descriptor)

    def access(self) -> Access:
        """Owner and permissions for new entries: this directory's group, and if root creates them, its owner too.

        The group is left alone where it has no permissions: a user that is not in it could not give it (chown(2)).
        """
        found = os.fstat(self._descriptor)
        group_bits = found.st_mode & 0o070
        if os.geteuid() == 0:
            return Access(found.st_uid, found.st_gid, group_bits)
        return Access(-1, found.st_gid if group_bits else -1, group_bits)

    def names(self) -> list[str]:
        """The names of the entries, in no particular order."""
        return os.listdir(self._descriptor)

    def read(self, name: str) -> bytes | None:
        """The content of a file, at most `LARGEST_FILE` bytes; None if there is no regular file of this name."""
        # O_NONBLOCK: opening a FIFO would wait for a writer (open(2)).
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(_single(name), flags, dir_fd=self._descriptor)
        except (FileNotFoundError, NotADirectoryError):
            return None
        with open(descriptor, "rb") as file:
            return file.read(LARGEST_FILE) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None

    def write(self, name: str, octets: bytes, access: Access) -> None:
        """Create and flush a file; FileExistsError if the name is taken, even by a symbolic link."""
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
        """Create a directory and open it."""
        os.mkdir(_single(name), 0o700, dir_fd=self._descriptor)
        with self.entered(name) as folder:
            # By descriptor: the name may have been replaced since.
            if os.fstat(folder._descriptor).st_uid != os.geteuid():
                raise NotADirectoryError(errno.ENOTDIR, "was replaced while it was created", name)
            os.fchown(folder._descriptor, access.uid, access.gid)
            os.fchmod(folder._descriptor, 0o700 | access.group_bits)
            yield folder

    def rename(self, old: str, new: str) -> None:
        """Rename an entry; a symbolic link is renamed itself."""
        os.rename(_single(old), _single(new), src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def unlink(self, name: str) -> None:
        """Remove a file, or a symbolic link itself; a missing one is ignored."""
        with suppress(FileNotFoundError):
            os.unlink(_single(name), dir_fd=self._descriptor)

    def remove(self, name: str) -> None:
        """Remove a directory and everything in it, as far as possible; symbolic links are not followed."""
        import shutil

        shutil.rmtree(_single(name), ignore_errors=True, dir_fd=self._descriptor)

    def empty(self) -> None:
        """Remove every file in the directory."""
        names = self.names()
        for name in names:
            with suppress(IsADirectoryError):
                self.unlink(name)
        if names:  # each worker sweeps every half minute, and a flush can take milliseconds
            self.flush()

    def flush(self) -> None:
        """Flush the directory, without which a rename may be lost in a power failure (fsync(2))."""
        # Some network file systems cannot flush a folder.
        with suppress(OSError):
            os.fsync(self._descriptor)


def _single(name: str) -> str:
    """Accept a name of one component only: with a slash or "..", the kernel would resolve parts that O_NOFOLLOW does
    not cover.
    """
    if "/" in name or name in ("", ".", ".."):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
    return name
