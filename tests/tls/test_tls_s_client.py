"""What OpenSSL's own client sees, over a real socket."""

import socket
import subprocess
import threading
from pathlib import Path

import pytest

from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.context import ServerContext
from tests.certificates import Holder, make_authority, make_client
from tests.gate_process import PATIENCE
from tests.tls.scene import Scene
from tests.tools import needs


class Door(threading.Thread):
    """Serves one visitor: the handshake, one line, and goodbye. Who is let in may resume the session."""

    def __init__(self, gate: ServerContext, *, admits: bool = False) -> None:
        super().__init__()
        self.admits = admits
        self.server = TLSConnection(gate)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def run(self) -> None:
        with self.listener, self.listener.accept()[0] as visitor:
            said = b""
            while not said and (data := visitor.recv(65536)):
                said = self.server.receive(data)
                visitor.sendall(self.server.pending_output())
            if self.admits:
                self.server.keep_session()
            visitor.sendall(self.server.send(said.upper()) + self.server.close())


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_s_client_is_told_the_authorities_and_let_in_without_a_ticket(scene: Scene, version: str) -> None:
    """openssl s_client prints both names, completes with a foreign certificate, and gets no session."""
    needs("openssl")
    door = Door(scene.gate(make_authority("First CA"), make_authority("Second CA")))
    door.start()
    files = make_client("mallory", make_authority("Foreign CA")).write(scene.folder, "mallory")
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{door.port}", version, "-ign_eof"]
    ran = subprocess.run(
        [*command, "-cert", files[0], "-key", files[1]],
        input="hello\n",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    door.join(PATIENCE)
    told = ran.stdout.replace(" = ", "=")  # as printed up to OpenSSL 3.1
    assert "Acceptable client certificate CA names\nCN=First CA\nCN=Second CA\n" in told
    assert "\nHELLO\n" in ran.stdout
    assert ("Secure Renegotiation IS supported" in ran.stdout) is (version == "-tls1_2")
    assert "New Session Ticket" not in ran.stdout
    assert "TLS session ticket" not in ran.stdout
    assert [error.code for error in door.server.peer.errors] == [20]


# -- sessions: s_client prints "Reused" where one was resumed, else "New"

BOTH = pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])


def visits(scene: Scene, gate: ServerContext, holder: Holder | None, version: str, *, admits: bool = True) -> list[str]:
    """The first words about the sessions of three visits, each with the session that the one before gave."""
    needs("openssl")
    session = scene.folder / "session"
    words: list[str] = []
    session.unlink(missing_ok=True)
    shown: list[str | Path] = []
    if holder:
        certificate, key = holder.write(scene.folder, "visitor")
        shown = ["-cert", certificate, "-key", key]
    for _ in range(3):
        door = Door(gate, admits=admits)
        door.start()
        resuming: list[str | Path] = ["-sess_in", session] if session.exists() else []
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{door.port}", version, "-ign_eof"]
        ran = subprocess.run(
            [*command, *shown, "-sess_out", session, *resuming],
            input="hello\n",
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        door.join(PATIENCE)
        assert "\nHELLO\n" in ran.stdout
        assert door.server.peer.leaf == (holder.der if holder else None)
        words.append(next(line for line in ran.stdout.splitlines() if ", Cipher is " in line).split(",")[0])
    return words


@BOTH
def test_s_client_resumes_once_it_was_let_in(scene: Scene, version: str) -> None:
    """By session id, and by a ticket that is one; again and again."""
    gate = scene.gate(session_resumption=True)
    assert visits(scene, gate, make_client("alice", scene.authority), version) == ["New", "Reused", "Reused"]


@BOTH
def test_s_client_resumes_nothing_if_it_was_not_let_in(scene: Scene, version: str) -> None:
    """Whatever it was given in the handshake; nor does a stranger, or who shows no certificate."""
    gate = scene.gate(session_resumption=True)
    alice, mallory = make_client("alice", scene.authority), make_client("mallory", make_authority("Foreign CA"))
    assert visits(scene, gate, alice, version, admits=False) == ["New"] * 3
    assert visits(scene, gate, mallory, version) == ["New"] * 3
    assert visits(scene, gate, None, version) == ["New"] * 3
