"""An invitation in a folder, as ``gatekeeper ca invite`` leaves it there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatekeeper.invitations.folder import CHAIN, Invitations
from gatekeeper.invitations.invitation import FILES, Invitation
from gatekeeper.invitations.state import State
from gatekeeper.invitations.token import INVITE, digest_of, make_token

CONTENTS = {name: f"the encrypted {name}".encode() for name in FILES.values()}

_OPEN = State()


@dataclass(frozen=True)
class Invited:
    """``token`` is what only the link holds."""

    invitations: Invitations
    token: str
    digest: str

    @property
    def target(self) -> str:
        """The path of the link."""
        return f"{INVITE.decode()}{self.token}"


def invite(
    folder: Path,
    now: float,
    name: str = "alice",
    *,
    seconds: float = 3600,
    chain: bytes = b"",
    state: State = _OPEN,
    **more: Any,
) -> Invited:
    """Invite somebody for an hour. ``chain`` is the certificate and its authority's (PEM), if there is one."""
    folder.mkdir(mode=0o700, exist_ok=True)
    token = make_token()
    digest = digest_of(token.encode())
    assert digest is not None
    invitations = Invitations(folder)
    files = {str(profile): name for profile, name in FILES.items()}
    contents = CONTENTS | ({CHAIN: chain} if chain else {})
    invitations.add(Invitation(name, digest, now, now + seconds, **{"files": files} | more), contents, state)
    return Invited(invitations, token, digest)
