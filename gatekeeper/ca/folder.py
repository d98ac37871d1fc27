"""The authority's folder on disk: one writer at a time, and all of a change or nothing of it, also after ``kill -9``.

A change of several files (index, certificate, key, CRL) is first written aside, whole, and flushed; then a journal
names the files. Renaming the journal into place is the moment it counts, and what is left is renaming: that needs no
room on the disk, and whoever opens the folder next does it if the process that began it could not. Nobody reads half a
file.
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
    """What a file is to hold, and its mode: `SECRET` for keys and bundles, `PUBLIC` for what anybody may read."""

    octets: bytes
    mode: int = SECRET


def do_nothing(step: str) -> None:
    """Between two steps of a change nothing happens; tests put a kill here."""


class Folder:
    """A folder that is changed by `commit` only, and only while it is `locked`.

    ``before`` is called with the name of each step ahead of every system call that changes the disk.
    """

    def __init__(self, path: Path, before: Callable[[str], None] = do_nothing) -> None:
        self.path = path
        self._before = before

    @property
    def has_journal(self) -> bool:
        """Whether a change is decided, but not yet carried out: the very first one, where there is nothing else."""
        return (self.path / _JOURNAL).exists()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder alone: waits for another command to finish, then finishes what a killed one began.

        The kernel lets go of the lock when the process ends, however it ends.
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
        """Write all of these files or, if anything fails or the process dies before the journal is in place, none."""
        with _authority_errors(self.path):
            try:
                self._prepare(changes)
            except OSError:
                self._sweep()
                raise
            self._apply(changes)

    def read(self, name: str) -> bytes | None:
        """The content of a file in the folder, None if there is none."""
        with _authority_errors(self.path):
            try:
                return (self.path / name).read_bytes()
            except FileNotFoundError:
                return None

    def names(self, folder: str = ".") -> list[str]:
        """The names of what is in a folder of it, sorted; none if there is no such folder."""
        with _authority_errors(self.path):
            try:
                return sorted(os.listdir(self.path / folder))
            except FileNotFoundError:
                return []

    def remove(self, *names: str) -> None:
        """Destroy files that the last commit has made superfluous; what is gone already is fine."""
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
            if path.is_dir():  # it could not be renamed over, now or ever
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
        """Can be done twice, and must be: nobody knows how far a killed process came."""
        self._before("flush journal")
        _flush_folder(self.path)
        for name in names:
            self._before(f"rename {name}")
            with suppress(FileNotFoundError):  # renamed already
                _aside(self.path / name).rename(self.path / name)
        self._flush(names)
        self._before("unlink journal")
        # Not flushed: a journal that comes back after a power cut is carried out once more, to no effect.
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
    """Make the folder, open to its owner only; AuthorityError if there is one that others can look into.

    An empty one is closed to others; one that holds files is not, because they may be somebody else's business.
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
    """Write a file outside the folder, whole or not at all; AuthorityError if there is one of that name."""
    with _authority_errors(path):
        aside = write_aside(path, content)
        try:
            # link(2) fails where the name is taken; rename(2) would overwrite, and a key cannot be had back.
            os.link(aside, path)
        finally:
            aside.unlink()
        _flush_folder(path.parent)


def write_over(path: Path, content: Content) -> None:
    """Write a file outside the folder, whole or not at all, over an older one."""
    with _authority_errors(path):
        write_aside(path, content).rename(path)
        _flush_folder(path.parent)


def write_aside(path: Path, content: Content) -> Path:
    """Write and flush ``.NAME.new`` beside ``path``; nothing is left of it if that fails."""
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
    """A rename is on the disk only when its folder is (fsync(2))."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Some network file systems cannot flush a folder; that is their durability, not our mistake.
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
