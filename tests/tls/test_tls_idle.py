"""What OpenSSL keeps of a connection on which nothing happens."""

import ctypes
import ssl
from contextlib import suppress

import pytest

from gatekeeper.tls.connection import SLICE, SMALL, TLSConnection
from gatekeeper.tls.openssl import load_libssl
from tests.certificates import make_client
from tests.tls.scene import Scene, Visitor

GET_BUFFER = 115  # BIO_C_GET_BUF_MEM_PTR (openssl/bio.h)


class Buffer(ctypes.Structure):
    """BUF_MEM (openssl/buffer.h): ``allocated`` is what it has taken, whatever it holds."""

    _fields_ = [("length", ctypes.c_size_t), ("data", ctypes.c_void_p), ("allocated", ctypes.c_size_t)]


def allocated(server: TLSConnection) -> list[int]:
    """What the incoming and the outgoing buffer have taken."""
    library = load_libssl()._libssl
    pointer = library.connection_pointer(server._ssl)
    found = []
    for name in ("SSL_get_rbio", "SSL_get_wbio"):
        buffer = ctypes.POINTER(Buffer)()
        library.call["BIO_ctrl"](library.call[name](pointer), GET_BUFFER, 0, ctypes.byref(buffer))
        found.append(buffer.contents.allocated)
    return found


@pytest.fixture
def grown() -> set[TLSConnection]:
    """The connections whose buffers have grown."""
    return set()


def connect(
    scene: Scene, grown: set[TLSConnection], version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> tuple[TLSConnection, Visitor]:
    """A connection whose handshake is done."""
    server = TLSConnection(scene.gate(), grown=grown)
    visitor = Visitor(make_client("alice", scene.authority), version)
    visitor.shake_hands(server)
    return server, visitor


def talk(server: TLSConnection, visitor: Visitor, request: bytes, response: bytes) -> None:
    """One exchange, whole in both directions."""
    visitor.tls.write(request)
    assert server.receive(visitor.outgoing.read()) == request
    visitor.incoming.write(server.send(response))
    read = bytearray()
    while len(read) < len(response):
        read += visitor.tls.read(len(response))
    assert bytes(read) == response


def test_the_buffers_of_the_handshake_are_freed(scene: Scene, grown: set[TLSConnection]) -> None:
    """An eighth of what an idle connection takes. What comes and goes afterwards is whole all the same."""
    server, visitor = connect(scene, grown)
    assert min(allocated(server)) > 0
    assert grown == {server}
    server.free_buffers()
    assert allocated(server) == [0, 0]
    assert not grown
    talk(server, visitor, b"request", b"response")


@pytest.mark.parametrize(("request_size", "response_size"), [(SMALL + 1, 1), (1, SMALL + 1), (1 << 20, 1 << 20)])
def test_what_a_large_body_takes_is_freed(
    scene: Scene, grown: set[TLSConnection], request_size: int, response_size: int
) -> None:
    """It would keep 170 KiB for as long as the connection. The next body is whole all the same."""
    server, visitor = connect(scene, grown)
    server.free_buffers()
    for _ in range(2):
        talk(server, visitor, bytes(request_size), bytes(response_size))
        assert max(allocated(server)) >= min(max(request_size, response_size), SLICE)
        assert grown == {server}
        server.free_buffers()
        assert allocated(server) == [0, 0]
        assert not grown


def test_small_messages_are_not_worth_it(scene: Scene, grown: set[TLSConnection]) -> None:
    """An exchange would cost a hundredth more, for 11 KiB."""
    server, visitor = connect(scene, grown)
    server.free_buffers()
    talk(server, visitor, bytes(SMALL // 2), bytes(SMALL))
    assert not grown
    assert sum(allocated(server)) <= 11 * 1024


def test_who_has_left_is_not_kept_for_its_buffers(scene: Scene, grown: set[TLSConnection]) -> None:
    """They are freed with the connection."""
    server, _ = connect(scene, grown)
    server.lost()
    assert not grown


def test_a_flight_that_waits_is_kept(scene: Scene, grown: set[TLSConnection]) -> None:
    """The server says the last word of a TLS 1.2 handshake (RFC 5246, 7.3): it is still to be written."""
    server = TLSConnection(scene.gate(), grown=grown)
    visitor = Visitor(make_client("alice", scene.authority), ssl.TLSVersion.TLSv1_2)
    while not server.established:
        with suppress(ssl.SSLWantReadError):
            visitor.tls.do_handshake()
        server.receive(visitor.outgoing.read())
        if not server.established:
            visitor.incoming.write(server.pending_output())
    server.free_buffers()
    assert grown == {server}
    visitor.incoming.write(server.pending_output())
    visitor.tls.do_handshake()
    talk(server, visitor, b"request", b"response")


def test_a_request_that_comes_with_the_handshake_is_read(scene: Scene) -> None:
    """In one packet with the last bytes of a TLS 1.3 handshake."""
    server, visitor = TLSConnection(scene.gate()), Visitor(make_client("alice", scene.authority))
    with suppress(ssl.SSLWantReadError):
        visitor.tls.do_handshake()
    server.receive(visitor.outgoing.read())
    visitor.incoming.write(server.pending_output())
    visitor.tls.do_handshake()
    visitor.tls.write(b"request")
    assert server.receive(visitor.outgoing.read()) == b"request"
