"""The authority's folder on disk: one writer at a time, and every change is complete or absent, even after ``kill -9``.

A change to several files (index, certificate, key, CRL) is first written to temporary files and flushed; then a journal
lists them. Renaming the journal into place commits the change. After that only renames are left, which need no space on
the disk; if the process dies before they are done, the next one that opens the folder does them. No reader ever sees a
partly written file.
"""

import errno
import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gatekeeper.errors import AuthorityError

_LOCK = ".lock"
_JOURNAL = ".journal"
_ASIDE = ".new"

FOLDER_MODE = 0o700
SECRET = 0o600
PUBLIC = 0o644


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a file and its mode: `SECRET` for keys and bundles, `PUBLIC` for everything else."""

    octets: bytes
    mode: int = SECRET


def do_nothing(step: str) -> None:
    """The default for ``before`` in `Folder`; tests pass a function that kills the process."""


class Folder:
    """A folder that only `commit` changes, and only while it is `locked`. AuthorityError from every method.

    ``before`` is called ahead of every system call that changes the disk, with the name of the step.
    """

    def __init__(self, path: Path, before: Callable[[str], None] = do_nothing) -> None:
        self.path = path
        self._before = before

    @property
    def has_journal(self) -> bool:
        """Whether a change is committed but not yet applied. True without an index only for the very first change."""
        return (self.path / _JOURNAL).exists()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder exclusively: wait for other commands, then complete the change of one that was killed.

        The kernel releases the lock when the process ends, in whatever way (flock(2)).
        """
        with _authority_errors(self.path):
            descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, SECRET)
        try:
            with _authority_errors(self.path):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                self._recover()
            yield
        finally:
            os.close(descriptor)

    def commit(self, changes: Mapping[str, Content]) -> None:
        """Write all of these files, or none if anything fails or the process dies before the journal is in place."""
        with _authority_errors(self.path):
            try:
                self._prepare(changes)
            except OSError:
                self._sweep()
                raise
            self._apply(changes)

    def read(self, name: str) -> bytes | None:
        """The content of a file, None if it does not exist."""
        with _authority_errors(self.path):
            try:
                return (self.path / name).read_bytes()
            except FileNotFoundError:
                return None

    def names(self, folder: str = ".") -> list[str]:
        """The names of the files in the folder or in a folder below it, sorted; empty if that does not exist."""
        with _authority_errors(self.path):
            try:
                return sorted(os.listdir(self.path / folder))
            except FileNotFoundError:
                return []

    def remove(self, *names: str) -> None:
        """Delete files that the last commit made obsolete; missing ones are ignored."""
        with _authority_errors(self.path):
            for name in names:
                if (self.path / name).exists():
                    self._before(f"unlink {name}")
                    (self.path / name).unlink(missing_ok=True)

    def _prepare(self, changes: Mapping[str, Content]) -> None:
        for name, content in changes.items():
            path = self.path / name
            if not path.parent.is_dir():
                self._before(f"mkdir {path.parent.name}")
                path.parent.mkdir(FOLDER_MODE)
            if path.is_dir():  # a directory of that name could never be replaced by a file
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
            self._before(f"write {name}")
            write_aside(path, content)
        self._flush(changes)
        journal = self.path / _JOURNAL
        self._before("write journal")
        aside = write_aside(journal, Content(json.dumps(list(changes)).encode()))
        self._before("rename journal")
        aside.rename(journal)

    def _recover(self) -> None:
        journal = self.read(_JOURNAL)
        if journal is not None:
            self._apply(_read_journal(journal, self.path / _JOURNAL))
        self._sweep()

    def _sweep(self) -> None:
        for leftover in [*self.path.glob(f".*{_ASIDE}"), *self.path.glob(f"*/.*{_ASIDE}")]:
            leftover.unlink(missing_ok=True)

    def _apply(self, names: Iterable[str]) -> None:
        """Rename the files that the journal lists. Idempotent, since a killed process may have renamed some of them."""
        self._before("flush journal")
        _flush_folder(self.path)
        for name in names:
            self._before(f"rename {name}")
            with suppress(FileNotFoundError):  # an earlier process renamed it
                _aside(self.path / name).rename(self.path / name)
        self._flush(names)
        self._before("unlink journal")
        # Not flushed: a journal that reappears after a power failure is applied again, without effect.
        (self.path / _JOURNAL).unlink(missing_ok=True)

    def _flush(self, names: Iterable[str]) -> None:
        self._before("flush folders")
        for folder in {self.path, *((self.path / name).parent for name in names)}:
            _flush_folder(folder)


def _read_journal(content: bytes, path: Path) -> list[str]:
    try:
        names = json.loads(content)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise AuthorityError(f"{path} is damaged; bring the folder back from a backup")
    return names


def make_folder(path: Path) -> None:
    """Create the folder with mode 0700; AuthorityError if one exists that other users can read and that is not empty.

    An existing empty folder is closed to others. One with files is left alone, because others may need them.
    """
    with _authority_errors(path):
        try:
            path.mkdir(FOLDER_MODE, parents=True)
            _flush_folder(path.parent)
            return
        except FileExistsError:
            if not path.is_dir():
                raise
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077 and any(path.iterdir()):
            raise AuthorityError(
                f"{path} is open to others (mode {mode:04o}) and not empty; close it first: chmod 700 {path}"
            )
        path.chmod(FOLDER_MODE)


def write_new(path: Path, content: Content) -> None:
    """Write a file outside the folder, completely or not at all; AuthorityError if one of that name exists."""
    with _authority_errors(path):
        aside = write_aside(path, content)
        try:
            # link(2) fails if the name is taken; rename(2) would overwrite a key that cannot be recovered.
            os.link(aside, path)
        finally:
            aside.unlink()
        _flush_folder(path.parent)


def write_over(path: Path, content: Content) -> None:
    """Write a file outside the folder, completely or not at all, replacing an older one."""
    with _authority_errors(path):
        write_aside(path, content).rename(path)
        _flush_folder(path.parent)


def write_aside(path: Path, content: Content) -> Path:
    """Write and flush the temporary file ``.NAME.new`` beside ``path``; it is removed if that fails."""
    aside = _aside(path)
    aside.unlink(missing_ok=True)
    # O_EXCL follows no symbolic link (open(2)).
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, SECRET)
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, content.mode)
            file.write(content.octets)
            file.flush()
            os.fsync(descriptor)
    except OSError:
        aside.unlink()
        raise
    return aside


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}{_ASIDE}")


def _flush_folder(path: Path) -> None:
    """Flush the folder, without which a rename may be lost in a power failure (fsync(2))."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Some network file systems cannot flush a folder.
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _authority_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise AuthorityError(f"{error.filename2 or error.filename or path}: {error.strerror}") from error
