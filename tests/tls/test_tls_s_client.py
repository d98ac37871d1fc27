"""What OpenSSL's own client sees, over a real socket."""

import socket
import subprocess
import threading

import pytest

from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.context import ServerContext
from tests.certificates import make_authority, make_client
from tests.gate_process import PATIENCE
from tests.tls.scene import Scene
from tests.tools import needs


class Door(threading.Thread):
    """Serves one visitor: the handshake, one line, and goodbye."""

    def __init__(self, gate: ServerContext) -> None:
        super().__init__()
        self.server = TLSConnection(gate)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def run(self) -> None:
        with self.listener, self.listener.accept()[0] as visitor:
            said = b""
            while not said and (data := visitor.recv(65536)):
                said = self.server.receive(data)
                visitor.sendall(self.server.pending_output())
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
