"""`gatekeeper.proxy.upstream.closing`: what a connection to an app leaves behind."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from gatekeeper.proxy.upstream.closing import ends_properly, left_unread


class Closed(asyncio.Transport):
    """A transport that knows what it is asked here."""

    def __init__(self, **known: object) -> None:
        super().__init__()
        self._known = known

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._known.get(name, default)


class Session:
    """TLS that gives its last byte or raises."""

    def __init__(self, end: bytes | ssl.SSLError) -> None:
        self._end = end

    def read(self, size: int) -> bytes:
        """One byte, as far as there is one."""
        assert size == 1
        if isinstance(self._end, ssl.SSLError):
            raise self._end
        return self._end


@pytest.fixture
def app() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The gate's socket, which does not block, and the app's."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def test_what_the_kernel_holds_is_read(app: tuple[socket.socket, socket.socket]) -> None:
    """RFC 9112, 9.6: the answer that came before a reset is not lost."""
    ours, theirs = app
    theirs.sendall(b"HTTP/1.1 413 Content Too Large\r\n\r\n")
    assert list(left_unread(Closed(socket=ours))) == [b"HTTP/1.1 413 Content Too Large\r\n\r\n"]


def test_nothing_is_read_beyond_the_end(app: tuple[socket.socket, socket.socket]) -> None:
    """An end of the connection ends the reading."""
    ours, theirs = app
    theirs.close()
    assert list(left_unread(Closed(socket=ours))) == []


def test_below_tls_nothing_is_read(app: tuple[socket.socket, socket.socket]) -> None:
    """What is left in the socket then is ciphertext, and no part of a response."""
    ours, theirs = app
    theirs.sendall(b"\x17\x03\x03")
    assert list(left_unread(Closed(socket=ours, ssl_object=Session(b"")))) == []
    assert ours.recv(3) == b"\x17\x03\x03"


def test_without_a_socket_nothing_is_read() -> None:
    """A transport need not have one."""
    assert list(left_unread(Closed())) == []


@pytest.mark.parametrize(
    ("session", "proper"),
    [
        (None, True),
        (Session(b""), True),
        (Session(b"x"), False),
        (Session(ssl.SSLEOFError("cut")), False),
        (Session(ssl.SSLWantReadError("nothing more has come")), False),
    ],
    ids=["no TLS", "close_notify", "content", "cut", "nothing"],
)
def test_an_end_of_tls_is_one_with_close_notify(session: Session | None, proper: bool) -> None:
    """RFC 9112, 9.8: without it, anybody in between could have cut the connection."""
    assert ends_properly(Closed(ssl_object=session)) is proper
