"""The folder of invitations on disk, shared by the administrator and all workers of all gates, over NFS too.

Nothing is locked: what is put there appears whole, by a rename, and who may download is decided by a rename as well,
which the kernel, or the file server, does for one of them only. The folder itself says who may read it: what is put
there gets its group, and is open to this group if the folder is; root also gives it to the folder's owner.
"""

import hmac
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gatekeeper.errors import InvitationError
from gatekeeper.invitations.directory import Directory
from gatekeeper.invitations.invitation import Invitation, read_invitation, write_invitation
from gatekeeper.invitations.state import Stage, State, may_take, now_is, over, read_state, settled, taken
from gatekeeper.invitations.token import identifier_of

RECORD = "invitation.json"
CHAIN = "certificate.pem"
_ASIDE = ".new-"
# What is over is told to whoever opens the link, and listed, for so long.
KEPT_SECONDS = 14 * 86400
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
        with _sentence(self.path), Directory.opened(self.path) as root:
            aside = f"{_ASIDE}{secrets.token_hex(8)}"
            try:
                _fill(root, aside, invitation, files)
                root.rename(aside, identifier_of(invitation.digest))
            except BaseException:
                root.remove(aside)
                raise
            root.flush()

    def cancel(self, found: Found, now: float) -> bool:
        """Take an invitation back and destroy what it holds; False if it is over already."""
        for _ in range(_LOOKS):
            if not found.state.alive:
                return False
            if self.move(found, over(Stage.CANCELLED, now)):
                return True
            found = self._look(found.identifier) or found
        return False

    def sign(self, found: Found, chain: bytes, now: float) -> bool:
        """Put the certificate (PEM, with what is above it) to the request; False if it was cancelled meanwhile."""
        state = State(Stage.SIGNED, int(now), mark=found.state.mark)
        return self._put(found, CHAIN, chain) and self.move(found, state)

    # -- by everybody

    def all(self) -> Iterator[Found]:
        """Every invitation that is there; what is damaged is skipped."""
        with _sentence(self.path), Directory.opened(self.path) as root:
            names = sorted(name for name in root.names() if not name.startswith("."))
        for name in names:
            with suppress(InvitationError):
                found = self._look(name)
                if found is not None:
                    yield found

    def find(self, digest: str) -> Found | None:
        """The invitation of a token, by the hash of the whole of it; None if there is none.

        How long the folder is looked for tells nothing: its name is a hash, and one bit more of the token changes all
        of it (the comparison takes the same time for all others all the same).
        """
        found = self._look(identifier_of(digest))
        return found if found is not None and hmac.compare_digest(found.invitation.digest, digest) else None

    def move(self, found: Found, state: State) -> bool:
        """Rename an invitation to its next state; False if somebody else did something first.

        What is over is destroyed at once.
        """
        with _sentence(self.path / found.identifier), Directory.opened(self.path) as root:
            try:
                with root.entered(found.identifier) as folder:
                    folder.rename(found.state.name, state.name)
                    folder.flush()
                    if not state.alive:
                        with folder.entered(state.name) as over_now:
                            over_now.empty()
            except FileNotFoundError:
                return False
        return True

    def read(self, found: Found, name: str) -> bytes | None:
        """A file of an invitation, None if there is none."""
        with _sentence(self.path / found.identifier), suppress(FileNotFoundError), self._state(found) as state:
            return state.read(name)
        return None

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
        return self._look(found.identifier) or Found(found.invitation, state)

    def sweep(self, now: float) -> None:
        """Destroy what nobody comes back for, and forget what has been over for long."""
        for found in self.all():
            state = self.aged(found, now).state
            if state.alive:
                continue
            with _sentence(self.path / found.identifier), Directory.opened(self.path) as root:
                if now >= max(state.since, found.invitation.ends) + KEPT_SECONDS:
                    root.remove(found.identifier)
                    continue
                # A process may have been killed between rename and unlink.
                with suppress(FileNotFoundError), self._state(Found(found.invitation, state)) as folder:
                    folder.empty()

    def _put(self, found: Found, name: str, content: bytes) -> bool:
        """Write a file into an invitation, whole; False if the invitation has moved on meanwhile."""
        aside = f"{_ASIDE}{secrets.token_hex(8)}"
        with _sentence(self.path / found.identifier):
            try:
                with Directory.opened(self.path) as root, self._state(found) as folder:
                    try:
                        folder.write(aside, content, root.access())
                        folder.rename(aside, name)
                        folder.flush()
                    except BaseException:
                        folder.unlink(aside)
                        raise
            except FileNotFoundError:
                return False
        return True

    @contextmanager
    def _state(self, found: Found) -> Iterator[Directory]:
        """The folder that holds an invitation's files; FileNotFoundError if it has moved on."""
        with (
            Directory.opened(self.path) as root,
            root.entered(found.identifier) as folder,
            folder.entered(found.state.name) as state,
        ):
            yield state

    def _look(self, identifier: str) -> Found | None:
        path = self.path / identifier
        with _sentence(path), Directory.opened(self.path) as root:
            try:
                with root.entered(identifier) as folder:
                    record = folder.read(RECORD)
                    if record is None:
                        return None
                    invitation = read_invitation(record, str(path / RECORD))
                    if identifier_of(invitation.digest) != identifier:
                        raise InvitationError(f"{path} is damaged: it holds another invitation")
                    for _ in range(_LOOKS):
                        states = [state for state in map(read_state, folder.names()) if state is not None]
                        if len(states) == 1:
                            return Found(invitation, states[0])
            except FileNotFoundError:
                return None
        raise InvitationError(f"{path} is damaged: nobody can say whether it was used")


def _fill(root: Directory, aside: str, invitation: Invitation, files: Mapping[str, bytes]) -> None:
    access = root.access()
    with root.made(aside, access) as folder:
        with folder.made(State().name, access) as state:
            for name, octets in files.items():
                state.write(name, octets, access)
            state.flush()
        folder.write(RECORD, write_invitation(invitation), access)
        folder.flush()


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


@contextmanager
def _sentence(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvitationError(f"{error.filename or path}: {error.strerror}") from error
