"""What OpenSSL keeps of a connection on which nothing happens."""

import ctypes
import ssl
from contextlib import suppress

from gatekeeper.tls.connection import TLSConnection
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


def test_the_buffers_of_the_handshake_are_freed(scene: Scene) -> None:
    """An eighth of what an idle connection takes. What comes and goes afterwards is whole all the same."""
    server, visitor = TLSConnection(scene.gate()), Visitor(make_client("alice", scene.authority))
    visitor.shake_hands(server)
    assert allocated(server) == [0, 0]
    visitor.tls.write(b"request")
    assert server.receive(visitor.outgoing.read()) == b"request"
    visitor.incoming.write(server.send(b"response"))
    assert visitor.tls.read(100) == b"response"


def test_a_flight_that_waits_is_kept(scene: Scene) -> None:
    """The server says the last word of a TLS 1.2 handshake (RFC 5246, 7.3): it is still to be written."""
    server, visitor = (
        TLSConnection(scene.gate()),
        Visitor(make_client("alice", scene.authority), ssl.TLSVersion.TLSv1_2),
    )
    visitor.shake_hands(server)
    assert visitor.tls.version() == "TLSv1.2"
    visitor.tls.write(b"request")
    assert server.receive(visitor.outgoing.read()) == b"request"


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
    assert allocated(server) == [0, 0]
