"""TLS sessions that admitted visitors may resume (RFC 8446, 2.2), in the memory of one process.

Nobody gets one before the verdict, and a refusal ends it. Each ends `SESSION_SECONDS` after the full handshake that it
began with: a visitor who has resumed gets a new session, but not a longer one.
"""

import ssl
import time
from ctypes import c_int, c_long, c_void_p
from typing import Final

from gatekeeper.gate.verdict import Peer
from gatekeeper.tls.libssl import Function
from gatekeeper.tls.openssl import OpenSSL

SESSION_SECONDS: Final = 3600
"""How long a session lives, from its full handshake. Until then, a visitor who resumes it does not prove again that it
holds the key of its certificate."""

CACHED_SESSIONS: Final = 1000
"""How many sessions a process keeps, at 5 to 8 KiB each: OpenSSL holds the visitor's certificates in them, decoded."""

LONGEST_CERTIFICATES: Final = 4 * 1024
"""Visitors whose certificates take more bytes get no session in memory: decoded, 24 KiB of names take 1.35 MiB."""

_CTRL_SET_SESS_CACHE_SIZE = 42  # openssl/ssl.h
_CTRL_SET_SESS_CACHE_MODE = 44
_SESS_CACHE_SERVER = 0x0002
_SESS_CACHE_NO_INTERNAL_STORE = 0x0200
_TLS13 = ssl.TLSVersion.TLSv1_3

_FUNCTIONS: tuple[Function, ...] = (
    ("SSL_new_session_ticket", c_int, (c_void_p,)),  # since OpenSSL 3.0
    ("SSL_get1_session", c_void_p, (c_void_p,)),
    ("SSL_CTX_set_timeout", c_long, (c_void_p, c_long)),
    ("SSL_CTX_add_session", c_int, (c_void_p, c_void_p)),
    ("SSL_CTX_remove_session", c_int, (c_void_p, c_void_p)),
    ("SSL_SESSION_get_time", c_long, (c_void_p,)),
    ("SSL_SESSION_get_timeout", c_long, (c_void_p,)),
    ("SSL_SESSION_set_timeout", c_long, (c_void_p, c_long)),
    ("SSL_SESSION_is_resumable", c_int, (c_void_p,)),
    ("SSL_SESSION_free", None, (c_void_p,)),
)


class Sessions:
    """The sessions of the connections of one `ssl.SSLContext`, in OpenSSL's memory (SSL_CTX_set_session_cache_mode(3)).

    For this process alone: a visitor gets an id, in TLS 1.3 as its ticket, and an id that is not found here means a
    full handshake. A sealed ticket would be good in any process, but could not be taken back after a refusal.
    """

    def __init__(self, openssl: OpenSSL, context: ssl.SSLContext) -> None:
        """Let each be resumed, under the server name that it began with; BindingError if that is not to be had."""
        self._libssl, self._call = libssl, call = openssl.libssl, openssl.libssl.call
        for function in _FUNCTIONS:
            libssl.declare(function)
        self._context = libssl.context_pointer(context)
        openssl.read_hellos(context)
        call["SSL_CTX_set_timeout"](self._context, SESSION_SECONDS)
        # Not stored by OpenSSL itself: in TLS 1.2 it would do that before anybody was judged.
        mode = _SESS_CACHE_SERVER | _SESS_CACHE_NO_INTERNAL_STORE
        call["SSL_CTX_ctrl"](self._context, _CTRL_SET_SESS_CACHE_MODE, mode, None)
        call["SSL_CTX_ctrl"](self._context, _CTRL_SET_SESS_CACHE_SIZE, CACHED_SESSIONS, None)

    def takes(self, peer: Peer) -> bool:
        """Whether a visitor with these certificates can have a session: nothing is wrong with them, and they are short
        enough. Not checked: that it is admitted.
        """
        if peer.leaf is None or peer.errors:
            return False
        return len(peer.leaf) + sum(map(len, peer.sent)) <= LONGEST_CERTIFICATES

    def keep(self, connection: ssl.SSLObject) -> None:
        """Remember the session until it ends, or until there are too many.

        In TLS 1.3 a session is good for one connection (RFC 8446, 8.1), which gets a new one: a client that connects
        for each request would otherwise fill the memory. In TLS 1.2 it is the same session each time.
        """
        call, pointer = self._call, self._libssl.connection_pointer(connection)
        session = call["SSL_get1_session"](pointer)
        try:
            if call["SSL_version"](pointer) < _TLS13:
                # Not if another connection of the same session was refused meanwhile.
                if call["SSL_SESSION_is_resumable"](session):
                    call["SSL_CTX_add_session"](self._context, session)
                return
            left = self._seconds_left(session)
            new = self._new_ticket(pointer, connection) if left else None
            if connection.session_reused:
                call["SSL_CTX_remove_session"](self._context, session)
            # OpenSSL before 3.0.14 can never drop one from memory that is not resumable (CVE-2024-2511).
            if new and call["SSL_SESSION_is_resumable"](new):
                call["SSL_SESSION_set_timeout"](new, left)
                call["SSL_CTX_add_session"](self._context, new)
        finally:
            call["SSL_SESSION_free"](session)
            call["ERR_clear_error"]()

    def forget(self, connection: ssl.SSLObject) -> None:
        """Let nobody resume the session of a connection again."""
        pointer = self._libssl.connection_pointer(connection)
        self._call["SSL_CTX_remove_session"](self._context, self._call["SSL_get_session"](pointer))

    def _seconds_left(self, session: int) -> int:
        born = self._call["SSL_SESSION_get_time"](session)
        ends: int = born + self._call["SSL_SESSION_get_timeout"](session)
        return min(max(ends - int(time.time()), 0), SESSION_SECONDS)

    def _new_ticket(self, pointer: int, connection: ssl.SSLObject) -> int:
        """Put a ticket (RFC 8446, 4.6.1) among what is to be sent; its ``SSL_SESSION *``, which lives from now on."""
        if self._call["SSL_new_session_ticket"](pointer) == 1:
            connection.do_handshake()
        session: int = self._call["SSL_get_session"](pointer)
        return session
