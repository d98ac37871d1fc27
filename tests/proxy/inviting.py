"""A gate with one invitation, for transcripts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gatekeeper.invitations.state import Stage
from tests.invitations.invited import Invited, invite
from tests.proxy.scene import Scene, Visitor, get, request

FORM = "Content-Type: application/x-www-form-urlencoded"
ELSEWHERE = ("192.0.2.8", 50000)
Make = Callable[..., Scene]


class Inviting:
    """A gate with one invitation."""

    def __init__(self, make_scene: Make, folder: Path, **tables: Any) -> None:
        self.folder = folder / "invitations"
        self.folder.mkdir(mode=0o700)
        self.scene = make_scene(invitations={"folder": str(self.folder)}, **tables)
        self.invited: Invited = invite(self.folder, self.scene.wall())

    def stranger(self, address: Any = ("192.0.2.7", 50000)) -> Visitor:
        return self.scene.visitor(address=address)

    def post(self, *lines: str, body: bytes = b"profile=modern", token: str | None = None) -> bytes:
        target = self.invited.target.replace(self.invited.token, token or self.invited.token)
        return request("POST", target, FORM, f"Content-Length: {len(body)}", *lines, body=body)

    def ask(self, *lines: str, address: Any = ("192.0.2.7", 50000)) -> bytes:
        """Look at the page."""
        visitor = self.stranger(address)
        visitor.send(get(self.invited.target, *lines))
        return visitor.read()

    def begin(self, *lines: str, address: Any = ("192.0.2.7", 50000)) -> tuple[Visitor, bytes]:
        """Begin a download."""
        visitor = self.stranger(address)
        visitor.send(self.post(*lines))
        return visitor, visitor.read()

    def download(self, address: Any = ("192.0.2.7", 50000)) -> int:
        """Download whole, if the gate lets it; the status."""
        visitor, answer = self.begin(address=address)
        visitor.say_goodbye()
        return status(answer)

    @property
    def stage(self) -> Stage:
        found = self.invited.invitations.find(self.invited.digest)
        assert found is not None
        return found.state.stage


def status(answer: bytes) -> int:
    return int(answer[9:12]) if answer else 0
