"""TLS sessions that admitted visitors may resume (RFC 8446, 2.2): in the gate's memory, or sealed in their tickets.

Either way nobody gets one before the verdict, and each ends `SESSION_SECONDS` after the full handshake that it began
with: a visitor who has resumed gets a new session, but not a longer one.
"""

import hashlib
import hmac
import os
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from ctypes import c_int, c_long, c_uint64, c_void_p
from typing import Final

from gatekeeper.errors import BindingError
from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.verdict import Peer
from gatekeeper.tls.libssl import Function, LibSSL

SESSION_SECONDS: Final = 3600
"""How long a session lives, from its full handshake. For as long, nobody proves to hold the key of the certificate."""

CACHED_SESSIONS: Final = 1000
"""How many sessions a process keeps, at 5 to 8 KiB each: OpenSSL holds the visitor's certificates in them, decoded."""

LONGEST_CERTIFICATES: Final = 4 * 1024
"""Visitors whose certificates take more bytes get no session in memory: decoded, 24 KiB of names take 1.35 MiB."""

# Made once, before worker processes are forked, so that each can read the others' tickets. It is written nowhere.
_SECRET = os.urandom(64)
_TICKET_KEYS = 80  # bytes of SSL_CTX_set_tlsext_ticket_keys(3): a name, a key for HMAC, a key for AES

_CTRL_SET_SESS_CACHE_SIZE = 42  # openssl/ssl.h
_CTRL_SET_SESS_CACHE_MODE = 44
_CTRL_SET_TICKET_KEYS = 59
_SESS_CACHE_SERVER = 0x0002
_SESS_CACHE_NO_INTERNAL_STORE = 0x0200
_TLS13 = ssl.TLSVersion.TLSv1_3

_FUNCTIONS: tuple[Function, ...] = (
    ("SSL_new_session_ticket", c_int, (c_void_p,)),  # since OpenSSL 3.0
    ("SSL_set_options", c_uint64, (c_void_p, c_uint64)),
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


class Sessions(ABC):
    """The sessions of the connections of one `ssl.SSLContext`."""

    def __init__(self, libssl: LibSSL, context: ssl.SSLContext) -> None:
        """Let them be resumed; BindingError if that is not to be had."""
        for function in _FUNCTIONS:
            libssl.declare(function)
        self._libssl, self._call = libssl, libssl.call
        self._context = libssl.context_pointer(context)
        self._call["SSL_CTX_set_timeout"](self._context, SESSION_SECONDS)

    @abstractmethod
    def takes(self, peer: Peer) -> bool:
        """Whether a visitor with these certificates can have a session, which none with a wrong one can. Not checked:
        that it is admitted.
        """

    @abstractmethod
    def keep(self, connection: ssl.SSLObject) -> None:
        """Let the visitor resume the session of its connection. In TLS 1.3 a ticket waits to be sent afterwards."""

    @abstractmethod
    def forget(self, connection: ssl.SSLObject) -> None:
        """Let nobody resume the session of a connection again, as far as that can be prevented."""

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


class SessionCache(Sessions):
    """In OpenSSL's memory (SSL_CTX_set_session_cache_mode(3)), for this process alone.

    A visitor gets an id, in TLS 1.3 as its ticket. When it comes back, nothing has to be decrypted or decoded.
    """

    def __init__(self, libssl: LibSSL, context: ssl.SSLContext) -> None:
        super().__init__(libssl, context)
        call = self._call["SSL_CTX_ctrl"]
        # Not stored by OpenSSL itself: in TLS 1.2 it would do that before anybody was judged.
        call(self._context, _CTRL_SET_SESS_CACHE_MODE, _SESS_CACHE_SERVER | _SESS_CACHE_NO_INTERNAL_STORE, None)
        call(self._context, _CTRL_SET_SESS_CACHE_SIZE, CACHED_SESSIONS, None)

    def takes(self, peer: Peer) -> bool:
        """Whether its certificates are short enough."""
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
        """The visitor's next handshake is a full one."""
        pointer = self._libssl.connection_pointer(connection)
        self._call["SSL_CTX_remove_session"](self._context, self._call["SSL_get_session"](pointer))


class Tickets(Sessions):
    """In tickets that any process of this gate can read, as long as the authorities are the same.

    In TLS 1.3 only: earlier versions give tickets before anybody was judged. A ticket carries the visitor's own
    certificate, which is decoded anew each time, and nothing that was sent along. So only who can be verified by that
    alone gets one.
    """

    def __init__(self, libssl: LibSSL, context: ssl.SSLContext, authorities: Iterable[Certificate]) -> None:
        super().__init__(libssl, context)
        self._authorities = frozenset(authority.der for authority in authorities)
        keys = _ticket_keys(authorities)
        if not self._call["SSL_CTX_ctrl"](self._context, _CTRL_SET_TICKET_KEYS, _TICKET_KEYS, keys):
            raise BindingError("OpenSSL rejects the session ticket keys")
        context.options &= ~ssl.OP_NO_TICKET
        before = context.sni_callback

        def settle(connection: ssl.SSLObject, name: str, context: ssl.SSLContext) -> int | None:
            """The version is settled when the servername callback is called, a ticket is not yet promised."""
            pointer = libssl.connection_pointer(connection)
            if self._call["SSL_version"](pointer) < _TLS13:
                self._call["SSL_set_options"](pointer, ssl.OP_NO_TICKET)
            return before(connection, name, context) if before else None

        context.sni_callback = settle

    def takes(self, peer: Peer) -> bool:
        """Whether its certificate alone leads to an authority."""
        return peer.leaf is not None and not peer.errors and self._authorities.issuperset(peer.verified)

    def keep(self, connection: ssl.SSLObject) -> None:
        """Give the visitor a ticket."""
        pointer = self._libssl.connection_pointer(connection)
        if self._call["SSL_version"](pointer) < _TLS13:
            return
        session = self._call["SSL_get_session"](pointer)
        if left := self._seconds_left(session):
            self._call["SSL_SESSION_set_timeout"](session, left)
            self._new_ticket(pointer, connection)
            self._call["ERR_clear_error"]()

    def forget(self, connection: ssl.SSLObject) -> None:
        """Whoever holds the ticket may come back with it, and is judged anew each time."""


def _ticket_keys(authorities: Iterable[Certificate]) -> bytes:
    """From a secret that all worker processes inherit, and from the authorities: after a change of ``client_auth.ca``
    no older ticket can be read.
    """
    digest = hashlib.sha256(b"".join(authority.der for authority in authorities)).digest()
    return b"".join(hmac.digest(_SECRET, number + digest, "sha512") for number in (b"1", b"2"))[:_TICKET_KEYS]
