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
from gatekeeper.invitations.invitation import Invitation, InvitationKind, read_invitation, write_invitation
from gatekeeper.invitations.state import Stage, State, may_take, now_is, over, read_state, settled, taken
from gatekeeper.invitations.token import identifier_of

RECORD = "invitation.json"
CHAIN = "certificate.pem"
_ASIDE = ".new-"
# What is over is told to whoever opens the link, and listed, for so long.
KEPT_SECONDS = 14 * 86400
# A machine does not look back, and one with certificates of a day makes a renewal each day.
KEPT_RENEWAL_SECONDS = 86400
# A folder that was renamed while it was listed may be missing from the list (readdir(3)).
_LOOKS = 3
_OPEN = State()


@dataclass(frozen=True, slots=True)
class StoredInvitation:
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

    def add(self, invitation: Invitation, files: Mapping[str, bytes], state: State = _OPEN) -> None:
        """Put an invitation there, whole or not at all; ``files`` are the contents by file name."""
        with _invitation_errors(self.path), Directory.opened(self.path) as root:
            aside = f"{_ASIDE}{secrets.token_hex(8)}"
            try:
                _fill(root, aside, invitation, files, state)
                root.rename(aside, identifier_of(invitation.digest))
            except BaseException:
                root.remove(aside)
                raise
            root.flush()

    def cancel(self, stored: StoredInvitation, now: float) -> bool:
        """Take an invitation back and destroy what it holds; False if it is over already."""
        for _ in range(_LOOKS):
            if not stored.state.alive:
                return False
            if self.move(stored, over(Stage.CANCELLED, now)):
                return True
            stored = self._look(stored.identifier) or stored
        return False

    def sign(self, stored: StoredInvitation, chain: bytes, now: float) -> bool:
        """Put the certificate (PEM, with what is above it) to the request; False if it was cancelled meanwhile."""
        state = State(Stage.SIGNED, int(now), mark=stored.state.mark)
        return self._put(stored, CHAIN, chain) and self.move(stored, state)

    # -- by everybody

    def forget(self, stored: StoredInvitation) -> None:
        """Remove an invitation that is over, before its time."""
        if stored.state.alive:
            raise ValueError(f"an invitation in state {stored.state.stage} is not over")
        with _invitation_errors(self.path), Directory.opened(self.path) as root:
            aside = f"{_ASIDE}{secrets.token_hex(8)}"
            with suppress(FileNotFoundError):
                root.rename(stored.identifier, aside)
                root.remove(aside)

    def all(self) -> Iterator[StoredInvitation]:
        """Every invitation that is there; what is damaged is skipped."""
        with _invitation_errors(self.path), Directory.opened(self.path) as root:
            names = sorted(name for name in root.names() if not name.startswith("."))
        for name in names:
            with suppress(InvitationError):
                stored = self._look(name)
                if stored is not None:
                    yield stored

    def find(self, digest: str) -> StoredInvitation | None:
        """The invitation of a token, by the hash of the whole of it; None if there is none.

        How long the folder is looked for tells nothing: its name is a hash, and one bit more of the token changes all
        of it (the comparison takes the same time for all others all the same).
        """
        stored = self._look(identifier_of(digest))
        return stored if stored is not None and hmac.compare_digest(stored.invitation.digest, digest) else None

    def move(self, stored: StoredInvitation, state: State) -> bool:
        """Rename an invitation to its next state; False if somebody else did something first.

        What is over is destroyed at once.
        """
        with _invitation_errors(self.path / stored.identifier), Directory.opened(self.path) as root:
            try:
                with root.entered(stored.identifier) as folder:
                    folder.rename(stored.state.name, state.name)
                    folder.flush()
                    if not state.alive:
                        with folder.entered(state.name) as over_now:
                            over_now.empty()
            except FileNotFoundError:
                return False
        return True

    def read(self, stored: StoredInvitation, name: str) -> bytes | None:
        """A file of an invitation, None if there is none."""
        with (
            _invitation_errors(self.path / stored.identifier),
            suppress(FileNotFoundError),
            self._state(stored) as state,
        ):
            return state.read(name)
        return None

    # -- by the gate

    def take(self, stored: StoredInvitation, mark: str, now: float) -> StoredInvitation | None:
        """Begin a download: the invitation as it is then, None if another download is under way or was before.

        Whoever gets one calls `settle` at the end.
        """
        if not may_take(stored.state, mark):
            return None
        state = taken(stored.state, mark, now)
        return StoredInvitation(stored.invitation, state) if self.move(stored, state) else None

    def settle(self, stored: StoredInvitation, *, whole: bool, now: float) -> None:
        """A download is at its end. One that is whole destroys what there was; it may have been cancelled meanwhile."""
        self.move(stored, settled(stored.state, whole=whole, now=now))

    def ask(self, stored: StoredInvitation, mark: str, content: bytes, now: float) -> StoredInvitation | None:
        """Leave a certificate request; None if another one came first. ``mark`` stands for its key.

        It lies under a name of its own before the rename, and the state says which one won.
        """
        state = State(Stage.ASKED, int(now), mark=mark)
        if stored.state.stage is not Stage.OPEN or not self._put(stored, request_name(state), content):
            return None
        return StoredInvitation(stored.invitation, state) if self.move(stored, state) else None

    def aged(self, stored: StoredInvitation, now: float) -> StoredInvitation:
        """The invitation as it is now, after whatever time has done to it was carried out."""
        state = now_is(stored.state, stored.invitation.ends, now)
        if state is stored.state:
            return stored
        if self.move(stored, state):
            return StoredInvitation(stored.invitation, state)
        return self._look(stored.identifier) or StoredInvitation(stored.invitation, state)

    def sweep(self, now: float) -> None:
        """Destroy what nobody comes back for, and forget what has been over for long."""
        for stored in self.all():
            state = self.aged(stored, now).state
            if state.alive:
                continue
            with _invitation_errors(self.path / stored.identifier), Directory.opened(self.path) as root:
                if now >= max(state.since, stored.invitation.ends) + _kept_seconds(stored.invitation):
                    root.remove(stored.identifier)
                    continue
                # A process may have been killed between rename and unlink.
                with suppress(FileNotFoundError), self._state(StoredInvitation(stored.invitation, state)) as folder:
                    folder.empty()

    def _put(self, stored: StoredInvitation, name: str, content: bytes) -> bool:
        """Write a file into an invitation, whole; False if the invitation has moved on meanwhile."""
        aside = f"{_ASIDE}{secrets.token_hex(8)}"
        with _invitation_errors(self.path / stored.identifier):
            try:
                with Directory.opened(self.path) as root, self._state(stored) as folder:
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
    def _state(self, stored: StoredInvitation) -> Iterator[Directory]:
        """The folder that holds an invitation's files; FileNotFoundError if it has moved on."""
        with (
            Directory.opened(self.path) as root,
            root.entered(stored.identifier) as folder,
            folder.entered(stored.state.name) as state,
        ):
            yield state

    def _look(self, identifier: str) -> StoredInvitation | None:
        path = self.path / identifier
        with _invitation_errors(path), Directory.opened(self.path) as root:
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
                            return StoredInvitation(invitation, states[0])
            except FileNotFoundError:
                return None
        raise InvitationError(f"{path} is damaged: nobody can say whether it was used")


def _fill(root: Directory, aside: str, invitation: Invitation, files: Mapping[str, bytes], first: State) -> None:
    access = root.access()
    with root.made(aside, access) as folder:
        with folder.made(first.name, access) as state:
            for name, octets in files.items():
                state.write(name, octets, access)
            state.flush()
        folder.write(RECORD, write_invitation(invitation), access)
        folder.flush()


def _kept_seconds(invitation: Invitation) -> int:
    return KEPT_RENEWAL_SECONDS if invitation.kind is InvitationKind.RENEWAL else KEPT_SECONDS


def request_name(state: State) -> str:
    """The file of the request that an invitation in this state is about."""
    return f"request-{state.mark}.json"


def folder_error(path: Path) -> str:
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
def _invitation_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvitationError(f"{error.filename or path}: {error.strerror}") from error
