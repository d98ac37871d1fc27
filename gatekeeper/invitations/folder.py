"""The folder of invitations on disk, shared by the administrator and all workers of all gates, over NFS too.

Nothing is locked: what is put there appears whole, by a rename, and who may download is decided by a rename as well,
which the kernel, or the file server, does for one of them only. The folder itself says who may read it: what is put
there gets its group, and is open to this group if the folder is; root also gives it to the folder's owner.
"""

import hmac
import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gatekeeper.errors import InvitationError
from gatekeeper.invitations.invitation import Invitation, read_invitation, write_invitation
from gatekeeper.invitations.state import Stage, State, may_take, now_is, over, read_state, settled, taken
from gatekeeper.invitations.token import identifier_of

RECORD = "invitation.json"
CHAIN = "certificate.pem"
_ASIDE = ".new-"
# What is over is told to whoever opens the link, and listed, for so long.
KEPT_SECONDS = 14 * 86400
# A file that is larger was not put there by us.
LARGEST_FILE = 1 << 20
# A folder that was renamed while it was listed may be missing from the list (readdir(3)).
_LOOKS = 3


@dataclass(frozen=True, slots=True)
class Found:
    """An invitation, and its state when it was looked at."""

    invitation: Invitation
    state: State

    @property
    def identifier(self) -> str:
        """What its folder is called."""
        return identifier_of(self.invitation.digest)


class Invitations:
    """The invitations in a folder. Every method reads or changes the disk, and may wait for it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    # -- by the administrator

    def add(self, invitation: Invitation, files: Mapping[str, bytes]) -> None:
        """Put an invitation there, whole or not at all; ``files`` are the contents by file name."""
        with _sentence(self.path):
            access = _Access.of(self.path)
            aside = self.path / f"{_ASIDE}{secrets.token_hex(8)}"
            try:
                access.make_folder(aside)
                access.make_folder(aside / State().name)
                for name, octets in files.items():
                    access.write(aside / State().name / name, octets)
                access.write(aside / RECORD, write_invitation(invitation))
                _flush_folder(aside / State().name)
                _flush_folder(aside)
                aside.rename(self._folder(invitation))
            except BaseException:
                shutil.rmtree(aside, ignore_errors=True)
                raise
            _flush_folder(self.path)

    def cancel(self, found: Found, now: float) -> bool:
        """Take an invitation back and destroy what it holds; False if it is over already."""
        for _ in range(_LOOKS):
            if not found.state.alive:
                return False
            if self.move(found, over(Stage.CANCELLED, now)):
                return True
            found = self._look(self._folder(found.invitation)) or found
        return False

    def sign(self, found: Found, chain: bytes, now: float) -> bool:
        """Put the certificate (PEM, with what is above it) to the request; False if it was cancelled meanwhile."""
        state = State(Stage.SIGNED, int(now), mark=found.state.mark)
        return self._put(found, CHAIN, chain) and self.move(found, state)

    # -- by everybody

    def all(self) -> Iterator[Found]:
        """Every invitation that is there; what is damaged is skipped."""
        with _sentence(self.path):
            names = sorted(name for name in os.listdir(self.path) if not name.startswith("."))
        for name in names:
            with suppress(InvitationError):
                found = self._look(self.path / name)
                if found is not None:
                    yield found

    def find(self, digest: str) -> Found | None:
        """The invitation of a token, by the hash of the whole of it; None if there is none.

        How long the folder is looked for tells nothing: its name is a hash, and one bit more of the token changes all
        of it (the comparison takes the same time for all others all the same).
        """
        found = self._look(self.path / identifier_of(digest))
        return found if found is not None and hmac.compare_digest(found.invitation.digest, digest) else None

    def move(self, found: Found, state: State) -> bool:
        """Rename an invitation to its next state; False if somebody else did something first.

        What is over is destroyed at once.
        """
        folder = self._folder(found.invitation)
        with _sentence(folder):
            try:
                os.rename(folder / found.state.name, folder / state.name)
            except FileNotFoundError:
                return False
            _flush_folder(folder)
            if not state.alive:
                _empty(folder / state.name)
        return True

    def read(self, found: Found, name: str) -> bytes | None:
        """A file of an invitation, None if there is none."""
        path = self._folder(found.invitation) / found.state.name / name
        with _sentence(path):
            return _read(path)

    # -- by the gate

    def take(self, found: Found, mark: str, now: float) -> Found | None:
        """Begin a download: the invitation as it is then, None if another download is under way or was before.

        Whoever gets one calls `settle` at the end.
        """
        if not may_take(found.state, mark):
            return None
        state = taken(found.state, mark, now)
        return Found(found.invitation, state) if self.move(found, state) else None

    def settle(self, found: Found, *, whole: bool, now: float) -> None:
        """A download is at its end. One that is whole destroys what there was; it may have been cancelled meanwhile."""
        self.move(found, settled(found.state, whole=whole, now=now))

    def ask(self, found: Found, mark: str, content: bytes, now: float) -> Found | None:
        """Leave a certificate request; None if another one came first. ``mark`` stands for its key.

        It lies under a name of its own before the rename, and the state says which one won.
        """
        state = State(Stage.ASKED, int(now), mark=mark)
        if found.state.stage is not Stage.OPEN or not self._put(found, request_name(state), content):
            return None
        return Found(found.invitation, state) if self.move(found, state) else None

    def aged(self, found: Found, now: float) -> Found:
        """The invitation as it is now, after whatever time has done to it was carried out."""
        state = now_is(found.state, found.invitation.ends, now)
        if state is found.state:
            return found
        if self.move(found, state):
            return Found(found.invitation, state)
        return self._look(self._folder(found.invitation)) or Found(found.invitation, state)

    def sweep(self, now: float) -> None:
        """Destroy what nobody comes back for, and forget what has been over for long."""
        for found in self.all():
            state = self.aged(found, now).state
            folder = self._folder(found.invitation)
            with _sentence(folder):
                if not state.alive and now >= max(state.since, found.invitation.ends) + KEPT_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)
                elif not state.alive:
                    _empty(folder / state.name)  # a process may have been killed between rename and unlink

    def _put(self, found: Found, name: str, content: bytes) -> bool:
        """Write a file into an invitation, whole; False if the invitation has moved on meanwhile."""
        folder = self._folder(found.invitation) / found.state.name
        aside = folder / f"{_ASIDE}{secrets.token_hex(8)}"
        with _sentence(folder):
            access = _Access.of(self.path)
            try:
                access.write(aside, content)
                aside.rename(folder / name)
                _flush_folder(folder)
            except FileNotFoundError:
                return False
            except BaseException:
                aside.unlink(missing_ok=True)
                raise
        return True

    def _folder(self, invitation: Invitation) -> Path:
        return self.path / identifier_of(invitation.digest)

    def _look(self, folder: Path) -> Found | None:
        with _sentence(folder):
            record = _read(folder / RECORD)
            if record is None:
                return None
            invitation = read_invitation(record, str(folder / RECORD))
            for _ in range(_LOOKS):
                states = [state for state in map(read_state, os.listdir(folder)) if state is not None]
                if len(states) == 1:
                    return Found(invitation, states[0])
        raise InvitationError(f"{folder} is damaged: nobody can say whether it was used")


@dataclass(frozen=True, slots=True)
class _Access:
    """Whose what is put into the folder shall be, and for whom to read."""

    uid: int
    gid: int
    group_bits: int

    @classmethod
    def of(cls, folder: Path) -> "_Access":
        found = folder.stat()
        uid = found.st_uid if os.geteuid() == 0 else -1
        return cls(uid, found.st_gid, found.st_mode & 0o070)

    def make_folder(self, path: Path) -> None:
        path.mkdir(0o700)
        os.chown(path, self.uid, self.gid)
        path.chmod(0o700 | self.group_bits)

    def write(self, path: Path, octets: bytes) -> None:
        # O_EXCL follows no symbolic link (open(2)).
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            os.fchown(descriptor, self.uid, self.gid)
            os.fchmod(descriptor, 0o600 | self.group_bits & 0o060)
            file.write(octets)
            file.flush()
            os.fsync(descriptor)


def request_name(state: State) -> str:
    """The file of the request that an invitation in this state is about."""
    return f"request-{state.mark}.json"


def complaint(path: Path) -> str:
    """Why invitations cannot be handed out of this folder by this process, "" if they can."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"{path}: {(error.strerror or str(error)).lower()}; make it: mkdir -m 700 {path}"
    if not stat.S_ISDIR(mode):
        return f"{path} is no folder"
    if mode & stat.S_IWOTH:
        return f"{path} can be written by everybody; close it: chmod o-w {path}"
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        return f"{path} cannot be read and written by the gate's user; it must, to hand out each invitation once"
    return ""


def _read(path: Path) -> bytes | None:
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW)) as file:
            return file.read(LARGEST_FILE)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _empty(folder: Path) -> None:
    """Unlink all that is in it; the folder stays, because its name is the state."""
    for path in folder.iterdir():
        path.unlink(missing_ok=True)
    _flush_folder(folder)


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
def _sentence(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvitationError(f"{error.filename or path}: {error.strerror}") from error
