"""Visitors that come back: the gate that keeps their TLS sessions, and what OpenSSL has kept."""

import ssl
from ctypes import c_long, c_void_p

import pytest

from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.context import ServerContext
from tests.certificates import Holder, make_client
from tests.tls.scene import VERSIONS, Scene, Visitor

TLS12, TLS13 = VERSIONS
BOTH = pytest.mark.parametrize("version", VERSIONS)
CTRL_NUMBER, CTRL_SET_SIZE, CTRL_GET_SIZE = 20, 42, 43  # SSL_CTRL_SESS_NUMBER and those for SESS_CACHE_SIZE


def gate(scene: Scene, *authorities: Holder) -> ServerContext:
    context = scene.gate(*authorities, session_resumption=True)
    assert context.sessions is not None
    return context


def meet(context: ServerContext, visitor: Visitor, *, admit: bool = True) -> TLSConnection:
    """A handshake, the verdict of the caller, one answer, and the end."""
    server = TLSConnection(context)
    visitor.shake_hands(server)
    if admit:
        serve(server, visitor)
        server.keep_session()
    server.close()
    return server


def serve(server: TLSConnection, visitor: Visitor) -> None:
    """The answer for who was let in."""
    server.keep_session()
    assert visitor.hear(server.send(b"hello")) == b"hello"


def come_back(context: ServerContext, visitor: Visitor, session: ssl.SSLSession | None = None) -> TLSConnection:
    visitor.connect(session or visitor.tls.session)
    return meet(context, visitor)


def admitted(scene: Scene, version: ssl.TLSVersion) -> tuple[Visitor, ServerContext]:
    """Alice, who was here once and let in, and the gate."""
    alice, context = Visitor(make_client("alice", scene.authority), version), gate(scene)
    meet(context, alice)
    return alice, context


def age(server: TLSConnection, seconds: int) -> None:
    """Let the session of a connection be so much older."""
    openssl = server._context.openssl
    assert openssl is not None
    openssl.libssl.declare(("SSL_SESSION_set_time", c_long, (c_void_p, c_long)))
    call = openssl.libssl.call
    session = call["SSL_get_session"](openssl.libssl.connection_pointer(server._ssl))
    call["SSL_SESSION_set_time"](session, call["SSL_SESSION_get_time"](session) - seconds)


def control(context: ServerContext, command: int, value: int = 0) -> int:
    assert context.openssl is not None
    libssl = context.openssl.libssl
    answer: int = libssl.call["SSL_CTX_ctrl"](libssl.context_pointer(context.ssl_context), command, value, None)
    return answer
