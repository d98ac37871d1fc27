"""One visitor's TLS: bytes in, bytes out. No socket, no timer, no asyncio.

The shell around it feeds what arrives to `TLSConnection.receive`, passes plaintext to `TLSConnection.send`, and writes
to the socket what `send`, `close` and `pending_output` return. After a `TLSError` it writes `pending_output` (the
alert) and closes. A time limit for the handshake is the shell's business.
"""

import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final, NoReturn

from gatekeeper.errors import BindingError, PlainHTTPError, TLSError
from gatekeeper.gate.verdict import NO_PEER, Peer, VerifyError
from gatekeeper.tls.context import ServerContext
from gatekeeper.tls.message_limits import MessageLimit, SilenceLimit
from gatekeeper.tls.peer import peer_of
from gatekeeper.tls.proxy_protocol import begins_like_one
from gatekeeper.tls.verifier import Refuse

RECORD: Final = 16384
"""The most plaintext that one TLS record carries (RFC 8446, 5.1), so one read takes a record whole."""

SLICE: Final = 64 * 1024
"""How much goes through OpenSSL's memory buffers at once. They never shrink by themselves: until `free_buffers`, 64 KiB
costs a connection 170 KiB, where 256 KiB at once would keep 700. Measured for 256 KiB (one core, CPython 3.11): in, 106
µs in slices, 101 at once, 121 record by record; out, 94, 87 and 102."""

SMALL: Final = 4 * 1024
"""What is not longer makes a buffer grow to 5.5 KiB at most, and is not worth freeing it for."""

_HANDSHAKE: Final = b"\x16"
"""The first byte of a record that carries the handshake (RFC 8446, 5.1)."""

HANDSHAKE_LIMIT: Final = 256 * 1024
"""How much a visitor may send before the handshake is done. OpenSSL takes a ClientHello of 128 KiB at most and a
certificate chain of 100 KiB (SSL_CTX_set_max_cert_list(3)), so nothing that it would accept is cut off."""

HANDSHAKE_SLICE: Final = 4 * 1024
"""How much of a handshake goes through OpenSSL's memory buffer at once. A stranger's 24 KiB of certificates, in one
read, would keep 27 KiB until the handshake is done; an ordinary message is smaller than this."""

UNSENT_LIMIT: Final = 64 * 1024
"""What OpenSSL may want to say by itself (TLS 1.3) before anything is sent that takes it along: answers to KeyUpdate,
and a ticket."""


class TLSConnection:
    """A visitor's TLS connection, on the server's side.

    ``peer`` is what is known of the visitor; it is meant to be read once ``established`` is true, and is a peer without
    certificate before that, so nobody is let in by reading it early. ``received_eof`` tells that the visitor closed
    properly (close_notify): a TCP connection that ends without it was cut off (RFC 8446, 6.1).
    """

    __slots__ = (
        "_context",
        "_drain",
        "_feed",
        "_found",
        "_grown",
        "_handshake_bytes",
        "_incoming",
        "_messages",
        "_outgoing",
        "_read",
        "_recalled",
        "_refuse",
        "_resumable",
        "_sessions",
        "_ssl",
        "_write",
        "established",
        "group",
        "peer",
        "received_eof",
    )

    def __init__(
        self, context: ServerContext, refuse: Refuse | None = None, grown: set["TLSConnection"] | None = None
    ) -> None:
        """``refuse`` may end the handshake for a certificate; the fallback does not ask it. To ``grown`` the connection
        adds itself when its buffers have grown, so that somebody calls `free_buffers` later.
        """
        self._context = context
        self._refuse = refuse
        self._grown: set[TLSConnection] = set() if grown is None else grown
        self._incoming = incoming = ssl.MemoryBIO()
        self._outgoing = outgoing = ssl.MemoryBIO()
        self._ssl = connection = context.ssl_context.wrap_bio(incoming, outgoing, server_side=True)
        # The C methods themselves: SSLObject.read and write are a Python call around them, 0.2 µs each.
        self._feed: Callable[[bytes | memoryview], int] = incoming.write
        self._drain = outgoing.read
        self._read: Callable[[int], bytes] = connection._sslobj.read  # type: ignore[attr-defined]
        if context.openssl is None:
            self._read = SilenceLimit(self._read, incoming)
        self._write = _cannot_send
        self._messages = MessageLimit(incoming)
        self._found: list[VerifyError] = []
        self._recalled: Peer | None = None
        self._handshake_bytes = 0
        self._sessions = context.sessions  # None once it is settled whether the session may be resumed
        self._resumable = False
        self.established = False
        self.group = ""
        self.peer = NO_PEER
        self.received_eof = False

    def receive(self, data: bytes | memoryview) -> bytes:
        """Take what arrived, return the plaintext in it; b"" while there is none.

        The handshake runs in here first. TLSError if the visitor's TLS is wrong, PlainHTTPError if it is no TLS at all;
        both end the connection. Plaintext that came before the wrong bytes, in the same call, is dropped.
        """
        if not self.established:
            return self._receive_handshake(data)
        size = len(data)
        if size > SMALL:
            self._grown.add(self)
            if size > SLICE:
                return self._receive_slices(memoryview(data))
        self._feed(data)
        # Python takes as much memory as it is told to read: for 16 KiB, that and shrinking it is 800 instructions. One
        # byte more than came: whoever is given less has all of a record.
        size = min(size + 1, RECORD)
        try:
            plaintext = self._read(size)
        except ssl.SSLError as error:
            return self._nothing_read(error)
        # Asking whether more is there costs 0.03 µs, reading in vain 1.3: SSLWantReadError is an exception.
        if 0 < len(plaintext) < size and not (self._incoming.pending or self._outgoing.pending):
            return plaintext
        if not plaintext:
            self._ended()
            return plaintext
        return self._receive_more(plaintext)

    def send(self, data: bytes | memoryview) -> bytes:
        """Encrypt ``data``; the result is to be written to the socket, and holds what `pending_output` would return."""
        if len(data) > SMALL:
            self._grown.add(self)
            if len(data) > SLICE:
                return b"".join(self.send_slices(data))
        try:
            self._write(data)  # all of it: Python leaves SSL_MODE_ENABLE_PARTIAL_WRITE off (SSL_write(3))
        except ssl.SSLError as error:
            raise TLSError(_words(error)) from error
        return self._drain()

    def send_slices(self, data: bytes | memoryview) -> list[bytes]:
        """As `send`, in pieces: to put 256 KiB together is 7 of 92 µs, and writev(2) takes them as they are."""
        view = memoryview(data)
        return [self.send(view[start : start + SLICE]) for start in range(0, len(view), SLICE)]

    def pending_output(self) -> bytes:
        """What OpenSSL wants to say by itself: its side of the handshake, alerts."""
        return self._drain()

    def close(self, last: bytes = b"") -> bytes:
        """Send ``last`` and close_notify, and return what is to be written. Nothing can be sent afterwards."""
        said = self.send(last) if last else b""
        if self._context.openssl is not None:
            self._context.openssl.send_close_notify(self._ssl)
        else:
            # The visitor has not said it too, or the handshake was never done, or the connection has failed before.
            with suppress(ssl.SSLError):
                self._ssl.unwrap()
        return said + self._drain()

    def keep_session(self) -> None:
        """Let the visitor resume this session later; for those who were let in, once."""
        sessions, self._sessions = self._sessions, None
        if sessions is not None and sessions.takes(self.peer):
            sessions.keep(self._ssl)
            self._resumable = True

    def forget_session(self) -> None:
        """Let nobody resume this session again, and give none: a request was refused, and the next handshake can show
        another certificate.
        """
        sessions, self._sessions = self._context.sessions, None
        if sessions is not None and (self._resumable or self._ssl.session_reused):
            sessions.forget(self._ssl)
        self._resumable = False

    def lost(self) -> None:
        """The TCP connection has ended. In RFC 8446, 6.1, as in TLS 1.1 and 1.2, the session may be resumed although
        nobody has said close_notify; OpenSSL would forget it (ssl_clear_bad_session). A fatal alert still ends it.
        """
        self._grown.discard(self)
        if self._resumable and self._context.openssl is not None:
            self._context.openssl.send_close_notify(self._ssl)

    def free_buffers(self) -> None:
        """Free the memory of OpenSSL's buffers, unless something waits in them. To be called once in a while: it costs
        3 µs, and up to 25 when the next large body makes them grow again.
        """
        if not (self._incoming.pending or self._outgoing.pending):
            self._grown.discard(self)
            if self._context.openssl is not None:
                self._context.openssl.free_buffers(self._ssl)

    def verify_anew(self, context: ServerContext) -> None:
        """Judge the visitor's certificates by the authorities of ``context``, as a handshake would now.

        Fails closed: if they cannot be judged outside a handshake, the visitor has to connect anew.
        """
        if self.peer.leaf is None:
            return
        try:
            self.peer = context.verify(self.peer.leaf, self.peer.sent)
        except BindingError as error:
            self.peer = replace(self.peer, verified=(), errors=(VerifyError(1, 0, f"connect anew: {error}"),))

    @property
    def server_name(self) -> str | None:
        """The host name that the visitor asked for (SNI, RFC 6066, 3), None if it named none. It is unverified."""
        name: str | None = getattr(self._ssl, "server_name", None)
        return name

    @property
    def resumed(self) -> bool:
        """Whether the handshake resumed the session of another connection."""
        return self._context.sessions is not None and bool(self._ssl.session_reused)

    @property
    def alpn(self) -> str | None:
        """The application protocol agreed on (RFC 7301), None if none was."""
        return self._ssl.selected_alpn_protocol()

    # -- the handshake

    def _receive_handshake(self, data: bytes | memoryview) -> bytes:
        if not self._handshake_bytes and data[:1] != _HANDSHAKE:
            _what_else(data)
        pieces: list[bytes] = []
        flight, view = 0, memoryview(data)
        for start in range(0, len(data), HANDSHAKE_SLICE):
            self._feed(view[start : start + HANDSHAKE_SLICE])
            if not self.established:
                self._continue_handshake(min(len(data) - start, HANDSHAKE_SLICE))
                # The server's last flight of TLS 1.2 waits to be written while the client's first request may be here.
                flight = self._outgoing.pending
            if self.established and self._incoming.pending:
                self._read_all(pieces, flight)
        return b"".join(pieces)

    def _continue_handshake(self, size: int) -> None:
        """With ``size`` bytes that were fed."""
        try:
            if self._shake_hands():
                return
        except ssl.SSLWantReadError:  # in the fallback
            pass
        except (ssl.SSLError, BindingError) as error:
            raise TLSError(_words(error)) from error
        self._handshake_bytes += size
        if self._handshake_bytes > HANDSHAKE_LIMIT:
            raise TLSError("the handshake is too long")

    def _shake_hands(self) -> bool:
        """Whether the handshake is done."""
        openssl, refuse = self._context.openssl, self._refuse
        if openssl is None:
            self._ssl.do_handshake()
            errors: tuple[VerifyError, ...] = ()
        else:
            if refuse is None:
                done = openssl.handshake(self._ssl, self._found, recall=self._recall)
            else:
                done = openssl.handshake(self._ssl, self._found, lambda peer: refuse(self._context.another_path(peer)))
            if not done:
                return False
            errors = openssl.verify_result(self._ssl, self._found)
            self.group = openssl.group(self._ssl)
            self._ssl.on_message = self._messages  # type: ignore[attr-defined]
            openssl.watch_messages(self._ssl)
            self._grown.add(self)
        self.peer = peer_of(self._ssl, errors, self._context, self._recalled)
        if openssl is not None and self.peer.errors:
            self.forget_session()
            if not self._ssl.session_reused:
                openssl.forget_certificates(self._ssl)
        self._write = self._ssl._sslobj.write  # type: ignore[attr-defined]
        self.established = True
        return True

    def _recall(self, certificates: tuple[bytes, ...]) -> bool:
        self._recalled = self._context.recall(certificates)
        return self._recalled is not None

    # -- bulk, and what the quick way leaves over

    def _receive_slices(self, data: memoryview) -> bytes:
        pieces: list[bytes] = []
        for start in range(0, len(data), SLICE):
            self._feed(data[start : start + SLICE])
            self._read_all(pieces)
        return b"".join(pieces)

    def _receive_more(self, plaintext: bytes, flight: int = 0) -> bytes:
        pieces = [plaintext]
        if self._ssl.pending():  # its record began in an earlier packet, and was longer than this one
            pieces.append(self._read(RECORD))
        self._read_all(pieces, flight)
        return b"".join(pieces)

    def _read_all(self, pieces: list[bytes], flight: int = 0) -> None:
        """Read until the incoming buffer is empty; what is left of a record then waits inside OpenSSL."""
        read, incoming = self._read, self._incoming
        try:
            while incoming.pending:
                pieces.append(plaintext := read(RECORD))
                if not plaintext:
                    self._ended()
                    break
        except ssl.SSLError as error:
            self._nothing_read(error, flight)
        else:
            self._end_chatter(flight)

    def _nothing_read(self, error: ssl.SSLError, flight: int = 0) -> bytes:
        if isinstance(error, ssl.SSLZeroReturnError):
            self._ended()
        elif not isinstance(error, ssl.SSLWantReadError):
            raise TLSError(_words(error)) from error
        self._end_chatter(flight)
        return b""

    def _end_chatter(self, flight: int) -> None:
        """TLSError if the client makes OpenSSL work for nothing; ``flight`` bytes are on their way out rightly.

        TLS 1.2: each refused renegotiation (RFC 5246, 7.2.2) leaves a warning in the outgoing buffer, which grew by 54
        MiB in 13 seconds. OpenSSL says nothing else by itself there. In TLS 1.3, which has no renegotiation, answers to
        KeyUpdate and a ticket that was given may leave with a read too.
        """
        unasked = self._outgoing.pending - flight
        if unasked > 0 and self._ssl.version() != "TLSv1.3":
            raise TLSError("it asks for another handshake")
        if unasked > UNSENT_LIMIT:
            raise TLSError("it asks for more answers than it takes")
        if self._messages.exceeded:
            raise TLSError("too many messages that carry nothing")

    def _ended(self) -> None:
        """RFC 8446, 6.1: what comes behind a close_notify must be ignored. OpenSSL would leave it in the buffer."""
        self.received_eof = True
        self._feed = _ignore


def _what_else(data: bytes | memoryview) -> None:
    """What comes first is no handshake; TLSError if it can be said what it is. All else is for OpenSSL to say."""
    if begins_like_one(data):
        raise TLSError(
            "the connection begins with a PROXY header, but server.proxy_protocol_from does not list its address"
        )
    if bytes(data[:1]).isalpha():
        raise PlainHTTPError


def _ignore(_data: bytes | memoryview) -> int:
    return 0


def _cannot_send(_data: bytes | memoryview) -> NoReturn:
    raise TLSError("nothing can be sent before the handshake is done")


def _words(error: Exception) -> str:
    """OpenSSL's reason in small letters, and for a refused certificate what was wrong with it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return str(error)
