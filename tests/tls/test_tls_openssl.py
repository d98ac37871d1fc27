"""The edge to OpenSSL's C side."""

import platform
import ssl
import subprocess
import sys
from contextlib import suppress
from typing import NoReturn

import pytest

from gatekeeper.errors import BindingError, TLSError
from gatekeeper.gate.verdict import Peer, VerifyError
from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.context import ServerContext
from gatekeeper.tls.openssl import OpenSSL, reach
from tests.certificates import make_authority, make_client
from tests.tls.scene import VERSIONS, Scene, Visitor

both = pytest.mark.parametrize("version", VERSIONS)


class Exploding(list[VerifyError]):
    """A collector that cannot collect."""

    def append(self, error: VerifyError) -> NoReturn:
        raise MemoryError


class ExplodingCallback(OpenSSL):
    """OpenSSL whose verify callback blows up at the first error."""

    def handshake(self, connection: ssl.SSLObject, found: list[VerifyError]) -> None:
        super().handshake(connection, Exploding())


class Forgetful(OpenSSL):
    """OpenSSL whose verify callback collects nothing."""

    def handshake(self, connection: ssl.SSLObject, found: list[VerifyError]) -> None:
        super().handshake(connection, [])


class NoCollector(OpenSSL):
    """Handshakes that run without anybody to collect for them."""

    def handshake(self, connection: ssl.SSLObject, found: list[VerifyError]) -> None:
        connection.do_handshake()


@both
def test_a_callback_that_blows_up_admits_nobody(scene: Scene, version: ssl.TLSVersion) -> None:
    """The exception does not get lost in ctypes as an undefined answer: the handshake ends, with an alert."""
    server = TLSConnection(scene.gate(binding=ExplodingCallback))
    visitor = Visitor(make_client("mallory", make_authority("Other CA")), version)
    with pytest.raises(TLSError, match="certificate verify failed"):
        visitor.shake_hands(server)
    assert (server.established, server.peer) == (False, Peer())
    with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
        visitor.hear(b"")


@both
@pytest.mark.parametrize("binding", [Forgetful, NoCollector])
def test_an_error_that_nobody_collected_is_not_lost(
    scene: Scene, version: ssl.TLSVersion, binding: type[OpenSSL]
) -> None:
    """SSL_get_verify_result is the second witness: where the callback's list is empty, it still speaks."""
    server = TLSConnection(scene.gate(binding=binding))
    Visitor(make_client("mallory", make_authority("Other CA")), version).shake_hands(server)
    assert [error.code for error in server.peer.errors] == [20]


def test_no_errors_are_left_in_the_thread(scene: Scene, gate: ServerContext) -> None:
    """A foreign signature must not make another connection of the same thread fail at its next "want read"."""
    bystander, server = Visitor(), TLSConnection(gate)
    bystander.shake_hands(server)
    for version in VERSIONS:
        Visitor(make_client("mallory", make_authority("Home CA")), version).shake_hands(TLSConnection(gate))
        ciphertext = bystander.say(b"hello")
        assert server.receive(ciphertext[:-1]) == b""
        assert server.receive(ciphertext[-1:]) == b"hello"


def test_interleaved_handshakes_keep_their_errors_apart(scene: Scene, gate: ServerContext) -> None:
    """Two handshakes of one thread that take turns, a good and a foreign one: neither gets the other's errors."""
    good, foreign = make_client("alice", scene.authority), make_client("mallory", make_authority("Home CA"))
    pairs = [(Visitor(holder, version), TLSConnection(gate)) for holder in (good, foreign) for version in VERSIONS]
    for _ in range(6):
        for visitor, server in pairs:
            with suppress(ssl.SSLWantReadError):
                visitor.tls.do_handshake()
            server.receive(visitor.outgoing.read())
            visitor.incoming.write(server.pending_output())
    assert [bool(server.peer.errors) for _, server in pairs] == [False, False, True, True]


def test_another_object_is_not_taken_for_a_connection() -> None:
    """An object of another layout is recognized before any address in it is followed."""

    class Inner:
        __slots__ = ("a", "b", "c", "d")

    class Impostor:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _sslobj = Inner()

    class Context(ssl.SSLContext):
        def wrap_bio(self, *_: object, **__: object) -> ssl.SSLObject:  # type: ignore[override]
            return Impostor()  # type: ignore[return-value]

    with pytest.raises(BindingError, match="another way"):
        reach().complete_every_handshake(Context(ssl.PROTOCOL_TLS_SERVER))


def test_a_subclassed_context_that_is_not_the_connections_own() -> None:
    """The context in the connection's memory must be the one that Python says."""
    own, other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    class Lying(ssl.SSLObject):
        @property
        def context(self) -> ssl.SSLContext:  # type: ignore[override]
            return other

    own.sslobject_class = Lying
    with pytest.raises(BindingError):
        reach().complete_every_handshake(own)


def test_names_that_are_no_certificates_are_refused() -> None:
    """What OpenSSL cannot parse is an error of the binding, not a silent gap in the list."""
    with pytest.raises(BindingError, match="cannot read"):
        reach().advertise(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), [b"\x30\x00"])


def test_large_buffers_are_kept_on_glibc() -> None:
    """In a process of its own, because it holds for the whole process."""
    code = "from gatekeeper.tls.openssl import keep_large_buffers; print(keep_large_buffers())"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == str(platform.libc_ver()[0] == "glibc")
