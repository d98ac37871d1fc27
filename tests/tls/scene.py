"""The gate that the tests build, and the other side of the conversation: Python's own TLS client, in memory."""

import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gatekeeper.errors import BindingError
from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.context import ServerContext
from gatekeeper.tls.openssl import OpenSSL
from gatekeeper.tls.proof import load_and_prove
from tests.certificates import Holder
from tests.tls.building import built

ROUNDS = 6  # more flights than any handshake has
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@dataclass(frozen=True)
class Scene:
    """The files of a gate, and whom it trusts."""

    folder: Path
    authority: Holder
    server: Holder

    def gate(self, *authorities: Holder, binding: Callable[[], OpenSSL] = load_and_prove, **more: Any) -> ServerContext:
        """The gate's TLS, trusting ``authorities``, by default the scene's own."""
        content = b"".join(holder.certificate_pem for holder in authorities or (self.authority,))
        bundle = self.folder / f"bundle-{sha256(content).hexdigest()}.crt"
        bundle.write_bytes(content)
        certificate, key = self.server.write(self.folder, "server")
        return built(certificate, key, [bundle], binding=binding, **more)


class Visitor:
    """A client that takes any server certificate, because the server is what is tested."""

    def __init__(
        self,
        holder: Holder | None = None,
        version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        *,
        server_name: str | None = None,
        alpn: Iterable[str] = (),
    ) -> None:
        self.context = context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        if alpn:
            context.set_alpn_protocols(list(alpn))
        if holder:
            # Level 0, so that the client is willing to show certificates that the server has to find too weak.
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            with TemporaryDirectory() as folder:
                context.load_cert_chain(*holder.write(Path(folder), "visitor"))
        self.server_name = server_name
        self.connect()

    def connect(self, session: ssl.SSLSession | None = None) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = self.context.wrap_bio(
            self.incoming, self.outgoing, server_hostname=self.server_name, session=session
        )

    def shake_hands(self, server: TLSConnection, step: int | None = None) -> bytes:
        """Play the handshake to its end, ``step`` bytes at a time, and return all that the server said by itself.

        An error of the server is raised when all it left to be said has reached the client.
        """
        said = b""
        for _ in range(ROUNDS):
            with suppress(ssl.SSLWantReadError):
                self.tls.do_handshake()
            try:
                feed(server, self.outgoing.read(), step)
            finally:
                said += (flight := server.pending_output())
                self.incoming.write(flight)
        return said

    def say(self, plaintext: bytes) -> bytes:
        """The plaintext as TLS records."""
        self.tls.write(plaintext)
        return self.outgoing.read()

    def hear(self, ciphertext: bytes) -> bytes:
        """The plaintext of what the server sent."""
        self.incoming.write(ciphertext)
        pieces = []
        with suppress(ssl.SSLWantReadError):
            while piece := self.tls.read(16384):
                pieces.append(piece)
        return b"".join(pieces)


def feed(server: TLSConnection, data: bytes, step: int | None = None) -> bytes:
    """Let the server receive ``data``, in pieces of ``step`` bytes."""
    step = step or len(data) or 1
    return b"".join([server.receive(data[at : at + step]) for at in range(0, len(data), step)])


def records(ciphertext: bytes) -> list[tuple[int, int]]:
    """(type, length) of each TLS record (RFC 8446, 5.1)."""
    found, at = [], 0
    while at < len(ciphertext):
        size = int.from_bytes(ciphertext[at + 3 : at + 5], "big")
        found.append((ciphertext[at], size))
        at += 5 + size
    return found


def resumed(server: TLSConnection) -> bool:
    """Whether the visitor came with a ticket that was taken; its certificate is verified all the same."""
    return bool(server._ssl.session_reused)


def met(gate: ServerContext, version: ssl.TLSVersion = VERSIONS[1], **more: object) -> tuple[Visitor, TLSConnection]:
    """A visitor, and the gate's side of its connection after the handshake."""
    visitor, server = Visitor(version=version, **more), TLSConnection(gate)  # type: ignore[arg-type]
    visitor.shake_hands(server)
    assert server.established
    return visitor, server


def unreachable() -> OpenSSL:
    """A Python whose OpenSSL cannot be reached, as the ``binding`` of a gate."""
    raise BindingError("this Python hides its OpenSSL")
