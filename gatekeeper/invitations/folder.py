"""The folder of invitations, shared by the administrator and all workers of all gates, also over NFS.

There are no locks. An invitation is added by a rename, so it appears complete. The right to download is decided by a
rename too, which succeeds for exactly one process. The folder's own permissions say who may read it: entries get its
group, with access if the folder grants it; root also gives them to the folder's owner.
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
from gatekeeper.invitations.state import UNFETCHED, Stage, State, may_take, now_is, over, read_state, settled, taken
from gatekeeper.invitations.token import identifier_of

RECORD = "invitation.json"
CHAIN = "certificate.pem"
_ASIDE = ".new-"
# How long an invitation that is over is kept, for the list and for anyone who opens its link.
KEPT_SECONDS = 14 * 86400
# The same for renewals. Machines never open them again, and one with one-day certificates makes one each day.
KEPT_RENEWAL_SECONDS = 86400
# A renewal that was never fetched tells `gatekeeper ca retire` that its client still uses the old certificate. It is
# kept for longer than most certificates are valid.
KEPT_UNFETCHED_SECONDS = 2 * 366 * 86400
# Attempts to find a folder: one that is renamed during the listing may be missing from it (readdir(3)).
_LOOKS = 3
_OPEN = State()


@dataclass(frozen=True, slots=True)
class StoredInvitation:
    """An invitation in the folder, and its state when it was read."""

    invitation: Invitation
    state: State

    @property
    def identifier(self) -> str:
        """The name of its folder."""
        return identifier_of(self.invitation.digest)


class Invitations:
    """The invitations in a folder. Every method uses the disk and may block; InvitationError if the disk fails."""

    def __init__(self, path: Path) -> None:
        self.path = path

    # -- for the administrator

    def add(self, invitation: Invitation, files: Mapping[str, bytes], state: State = _OPEN) -> None:
        """Add an invitation, completely or not at all; ``files`` maps file names to contents."""
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
        """Cancel an invitation and delete its files; False if it was over already."""
        for _ in range(_LOOKS):
            if not stored.state.alive:
                return False
            if self.move(stored, over(Stage.CANCELLED, now)):
                return True
            stored = self._look(stored.identifier) or stored
        return False

    def sign(self, stored: StoredInvitation, chain: bytes, now: float) -> bool:
        """Add the certificate (PEM, with its chain) for the request; False if it was cancelled meanwhile."""
        state = State(Stage.SIGNED, int(now), mark=stored.state.mark)
        return self._put(stored, CHAIN, chain) and self.move(stored, state)

    # -- for both

    def forget(self, stored: StoredInvitation) -> None:
        """Remove an invitation that is over, before `KEPT_SECONDS` have passed."""
        if stored.state.alive:
            raise ValueError(f"an invitation in state {stored.state.stage} is not over")
        with _invitation_errors(self.path), Directory.opened(self.path) as root:
            aside = f"{_ASIDE}{secrets.token_hex(8)}"
            with suppress(FileNotFoundError):
                root.rename(stored.identifier, aside)
                root.remove(aside)

    def all(self) -> Iterator[StoredInvitation]:
        """Every invitation in the folder; damaged ones are skipped."""
        with _invitation_errors(self.path), Directory.opened(self.path) as root:
            names = sorted(name for name in root.names() if not name.startswith("."))
        for name in names:
            with suppress(InvitationError):
                stored = self._look(name)
                if stored is not None:
                    yield stored

    def find(self, digest: str) -> StoredInvitation | None:
        """The invitation with this SHA-256 of its token, None if there is none.

        The time of the lookup reveals nothing about other tokens: the folder's name is a hash, which changes completely
        with each bit of the token, and the whole digest is compared in constant time.
        """
        stored = self._look(identifier_of(digest))
        return stored if stored is not None and hmac.compare_digest(stored.invitation.digest, digest) else None

    def move(self, stored: StoredInvitation, state: State) -> bool:
        """Rename an invitation to its next state; False if another process changed it first.

        If the new state is final, its files are deleted at once.
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
        """A file of an invitation, None if it does not exist."""
        with (
            _invitation_errors(self.path / stored.identifier),
            suppress(FileNotFoundError),
            self._state(stored) as state,
        ):
            return state.read(name)
        return None

    # -- for the gate

    def take(self, stored: StoredInvitation, mark: str, now: float) -> StoredInvitation | None:
        """Begin a download: the invitation in its new state, None if it may not be downloaded now.

        The caller calls `settle` when the download has ended.
        """
        if not may_take(stored.state, mark):
            return None
        state = taken(stored.state, mark, now)
        return StoredInvitation(stored.invitation, state) if self.move(stored, state) else None

    def settle(self, stored: StoredInvitation, *, whole: bool, now: float) -> None:
        """End a download. If the client received all of it, the files are deleted; otherwise it may be repeated."""
        self.move(stored, settled(stored.state, whole=whole, now=now))

    def ask(self, stored: StoredInvitation, mark: str, content: bytes, now: float) -> StoredInvitation | None:
        """Store a certificate request; None if another one came first. ``mark`` identifies its key (`mark_of_key`).

        The request is written under a name of its own before the rename, and the state says which request won.
        """
        state = State(Stage.ASKED, int(now), mark=mark)
        if stored.state.stage is not Stage.OPEN or not self._put(stored, request_name(state), content):
            return None
        return StoredInvitation(stored.invitation, state) if self.move(stored, state) else None

    def aged(self, stored: StoredInvitation, now: float) -> StoredInvitation:
        """The invitation in its current state, after the transitions that are due have been made."""
        state = now_is(stored.state, stored.invitation.ends, now)
        if state is stored.state:
            return stored
        if self.move(stored, state):
            return StoredInvitation(stored.invitation, state)
        return self._look(stored.identifier) or StoredInvitation(stored.invitation, state)

    def sweep(self, now: float) -> None:
        """Make the transitions that are due, and delete invitations that have been over for long (`KEPT_SECONDS`)."""
        for stored in self.all():
            state = self.aged(stored, now).state
            if state.alive:
                continue
            with _invitation_errors(self.path / stored.identifier), Directory.opened(self.path) as root:
                if now >= max(state.since, stored.invitation.ends) + _kept_seconds(stored.invitation, state):
                    root.remove(stored.identifier)
                    continue
                # A process may have been killed between rename and unlink.
                with suppress(FileNotFoundError), self._state(StoredInvitation(stored.invitation, state)) as folder:
                    folder.empty()

    def _put(self, stored: StoredInvitation, name: str, content: bytes) -> bool:
        """Write a file into an invitation, completely; False if its state changed meanwhile."""
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
        """Open the folder that holds an invitation's files; FileNotFoundError if its state changed."""
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
        raise InvitationError(f"{path} is damaged, so it is not known whether it was used")


def _fill(root: Directory, aside: str, invitation: Invitation, files: Mapping[str, bytes], first: State) -> None:
    access = root.access()
    with root.made(aside, access) as folder:
        with folder.made(first.name, access) as state:
            for name, octets in files.items():
                state.write(name, octets, access)
            state.flush()
        folder.write(RECORD, write_invitation(invitation), access)
        folder.flush()


def _kept_seconds(invitation: Invitation, state: State) -> int:
    if invitation.kind is InvitationKind.RENEWAL:
        return KEPT_RENEWAL_SECONDS
    return KEPT_UNFETCHED_SECONDS if invitation.replaces and state.stage in UNFETCHED else KEPT_SECONDS


def request_name(state: State) -> str:
    """The file name of the request that an invitation in this state refers to."""
    return f"request-{state.mark}.json"


def folder_error(path: Path) -> str:
    """Why this process cannot hand out invitations from the folder; empty if it can."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"{path}: {(error.strerror or str(error)).lower()}; make it: mkdir -m 700 {path}"
    if not stat.S_ISDIR(mode):
        return f"{path} is not a folder"
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
