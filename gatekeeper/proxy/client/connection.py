"""A client's connection: transport and TLS, from the handshake to the last byte. The codec interprets the bytes."""

import asyncio
import logging
import os
from typing import Final, cast

from gatekeeper.errors import MessageError, PlainHTTPError, TLSError, in_one_line
from gatekeeper.gate.verdict import Admit, Peer, Reason, Refuse
from gatekeeper.proxy.client.http1 import Http1
from gatekeeper.proxy.client.http2 import Http2
from gatekeeper.proxy.deadline import Deadline, Timeout
from gatekeeper.proxy.proxy import Connection, Proxy
from gatekeeper.proxy.states import PauseReason
from gatekeeper.proxy.streams import Codec, Link
from gatekeeper.proxy.visit import Visit, recipient_of
from gatekeeper.telemetry.log_lines import Visitor
from gatekeeper.tls.connection import SLICE, TLSConnection
from gatekeeper.tls.context import ACME_PROTOCOL
from gatekeeper.wire.https_url import https_url
from gatekeeper.wire.request import unreadable_head
from gatekeeper.wire.response import own_response

_log = logging.getLogger("gatekeeper")

# How much may wait to be sent before the upstream is told to pause. Two of these and what the kernel holds is all the
# memory that a slow reader costs.
WRITE_HIGH_WATER: Final = 256 * 1024
# After a last answer the client gets this long to read it: closing at once, with its request unread, makes the
# kernel send a reset, which destroys the answer on its way (RFC 9112, 9.6). Many read no answer before they have sent
# their whole request, so the time begins anew while bytes come, up to a limit: as in nginx (lingering_timeout and
# lingering_time). With two seconds in all, http.client, requests and Java never saw why a slow upload was refused.
LINGER_SECONDS: Final = 5.0
LINGER_LIMIT_SECONDS: Final = 30.0

# X509_V_ERR numbers (openssl/x509_vfy.h), which decide the alert; what OpenSSL itself finds wrong has its own.
_CERT_REJECTED: Final = 28  # the alert bad_certificate
_ALERTS: Final = {Reason.REVOKED: 23}  # certificate_revoked


class ClientConnection(Connection, Link):
    """One client connection. ``client`` and ``address`` are the peer's, see `forwarding.client_address`."""

    __slots__ = (
        "_codec",
        "_linger_until",
        "_lingering",
        "_proxy",
        "_refused",
        "_unsent",
        "address",
        "client",
        "deadline",
        "paused",
        "tls",
        "transport",
        "visit",
    )
    transport: asyncio.Transport

    def __init__(self, proxy: Proxy, client: str, address: str) -> None:
        self._proxy = proxy
        self.client = client
        self.address = address
        snapshot = proxy.snapshot
        refuse = self._refuse_handshake if snapshot.refuses_in_handshake else None
        self.tls = TLSConnection(snapshot.tls, refuse, proxy.grown)
        self.deadline = Deadline(proxy.loop, self._expired)
        self.paused: set[PauseReason] = set()
        self.visit = Visit(proxy, self, self.tls, client, address)
        self._codec: Codec | None = None  # until the handshake is done, and after the connection is lost
        self._lingering = False
        self._linger_until = 0.0  # by the loop's clock; set while what comes is thrown away
        self._refused: Refuse | None = None  # in the handshake
        self._unsent = 0

    # -- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        self._proxy.opened(self)
        self.deadline.set(Timeout.HANDSHAKE, self._proxy.snapshot.timeouts.handshake)

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            self._discard()
            return
        tls = self.tls
        established = tls.established
        try:
            plaintext = tls.receive(data)
        except TLSError as error:
            self._tls_failed(error, data)
            return
        if not established:
            self.transport.write(tls.pending_output())
            if tls.established:
                self._proxy.journal.handshake_done(tls.group, resumed=tls.resumed)
                alpn = tls.alpn
                if alpn == ACME_PROTOCOL:
                    # RFC 8737, 3: whoever validates a challenge has seen the certificate, and sends nothing.
                    self.linger()
                    return
                self._codec = Http2(self, self.visit) if alpn == "h2" else Http1(self, self.visit)
        codec = self._codec
        if codec is None:
            return
        if plaintext:
            codec.receive(plaintext)
        if tls.received_eof:
            codec.close_notify_received()

    def eof_received(self) -> bool:
        if self._codec is not None:
            self._codec.fin_received()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.deadline.end()
        if not self.tls.established and not self._lingering:
            # Browsers open connections in advance and drop them; port scanners and health checks do the same.
            why = "the client left before the handshake was done"
            self._proxy.journal.handshake_failed(self.client, why, self.tls.server_name, logging.DEBUG)
        self._drop_codec()
        self.tls.lost()
        self.visit.end()
        self._proxy.closed(self)

    def pause_writing(self) -> None:
        if self._codec is not None:
            self._codec.pause_writing()

    def resume_writing(self) -> None:
        if self._codec is not None:
            self._codec.resume_writing()

    # -- the handshake

    def _refuse_handshake(self, peer: Peer) -> int:
        """``on_refusal = "handshake"``: end the handshake for a certificate with which every request is refused."""
        proxy = self._proxy
        verdict = proxy.judge.verdict(proxy.snapshot, peer, proxy.wall())
        if isinstance(verdict, Admit) or verdict.pending:
            return 0
        self._refused = verdict
        return _ALERTS.get(verdict.reason, _CERT_REJECTED)

    def _tls_failed(self, error: TLSError, data: bytes) -> None:
        if self._refused is not None:
            self._proxy.journal.handshake_refused(self.client, self._refused)
        else:
            self._proxy.journal.handshake_failed(self.client, str(error), self.tls.server_name)
        self._drop_codec()
        self._lingering = True
        if isinstance(error, PlainHTTPError):
            self.transport.write(_plain_http_answer(self._proxy, self.client, data))
        else:
            self.transport.write(self.tls.pending_output())
        self.transport.close()
        self._await_end()

    # -- called by the codec

    @property
    def closing(self) -> bool:
        """Whether the connection is closed, or the last response on it has been sent."""
        return self._lingering or self.transport.is_closing()

    @property
    def unsent(self) -> int:
        """Bytes that wait in the transport's buffer."""
        return self.transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        """Encrypt and send. Does nothing if the connection is closed."""
        if self.transport.is_closing():
            return
        if len(data) <= SLICE:
            self.transport.write(self.tls.send(data))
        else:
            self.transport.writelines(self.tls.send_slices(data))

    def pause_reading(self, why: PauseReason) -> None:
        """Stop reading from the client until every reason is removed again."""
        if not self.paused and not self.transport.is_closing():
            self.transport.pause_reading()
        self.paused.add(why)

    def resume_reading(self, why: PauseReason) -> None:
        """Remove one reason, and read again if it was the last."""
        if why in self.paused:
            self.paused.discard(why)
            if not self.paused and not self.transport.is_closing():
                self.transport.resume_reading()

    def delivered(self) -> bool:
        """Whether the client's kernel has acknowledged every byte that was sent."""
        transport = self.transport
        return not transport.get_write_buffer_size() and self._proxy.unacknowledged(transport) == 0

    # -- the end

    def linger(self, last: bytes = b"") -> None:
        """Send ``last`` and close_notify, in one piece: a second one would cost both sides 5 µs. Then give the client
        time to read it; what it still sends is thrown away unread.
        """
        if self._lingering or self.transport.is_closing():
            return
        self._lingering = True
        if self.paused:
            self.paused.clear()
            self.transport.resume_reading()
        self.transport.write(self.tls.close(last))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._linger_until = self._proxy.loop.time() + LINGER_LIMIT_SECONDS
        self._await_end(self._proxy.snapshot.timeouts.stream_idle)

    def _discard(self) -> None:
        """More of a request that was answered already; it is not even decrypted."""
        if self._linger_until and not self.unsent:
            left = self._linger_until - self._proxy.loop.time()
            self.deadline.set(Timeout.LINGER, min(LINGER_SECONDS, max(left, 0.0)))

    def close(self, last: bytes = b"") -> None:
        """Send ``last`` and close_notify, and close: no request is under way, or the one under way will never be
        complete.
        """
        if not self._lingering:
            self._lingering = True
            self.transport.write(self.tls.close(last))
        self._drop_codec()
        self.transport.close()
        self._await_end(self._proxy.snapshot.timeouts.stream_idle)

    def abort_tls(self) -> None:
        """Close once the buffer is sent, without close_notify: the client detects the truncation (RFC 8446, 6.1)."""
        self._lingering = True
        self.transport.close()
        self._await_end()

    def abort(self) -> None:
        """Close at once, and discard what is unsent."""
        self.transport.abort()

    def drain(self) -> None:
        """The gate is stopping: close soon if no request is under way."""
        if self._codec is not None and not self._lingering:
            self._codec.drain()

    def judge_anew(self) -> None:
        """The snapshot or the time has changed: end the requests that would be refused now."""
        if self._codec is not None:
            self._codec.judge_anew()

    def _drop_codec(self) -> None:
        """Tell the codec that the client is gone. Codec and connection refer to each other: without this cut they
        would be freed by the garbage collector only.
        """
        codec, self._codec = self._codec, None
        if codec is not None:
            codec.connection_lost()

    def _await_end(self, seconds: float = LINGER_SECONDS) -> None:
        """Give the client ``seconds`` to take what is unsent, and as long again while it takes some of it."""
        self._unsent = self.unsent
        self.deadline.set(Timeout.LINGER, seconds if self._unsent else LINGER_SECONDS)

    def _expired(self, timeout: Timeout) -> None:
        if timeout is Timeout.LINGER:
            before, self._unsent = self._unsent, self.unsent
            if 0 < self._unsent != before:  # slow is not idle
                self.deadline.set(timeout, self._proxy.snapshot.timeouts.stream_idle)
                return
        if self._codec is None or timeout in (Timeout.LINGER, Timeout.HANDSHAKE):
            self.transport.abort()
        else:
            try:
                self._codec.expired(timeout)
            except Exception as error:  # no deadline is set any more that would end the connection
                _log.error("closed: a deadline could not be handled: %s", in_one_line(error))
                self.abort()


def _plain_http_answer(proxy: Proxy, client: str, data: bytes) -> bytes:
    """For a client that speaks HTTP where TLS is expected: the link that was meant, if its request came whole."""
    text, end, _ = data.partition(b"\r\n\r\n")
    line, _, block = (text + end).partition(b"\r\n")
    try:
        head = proxy.snapshot.reader.read(line, block, cache=False)
        link = https_url(head.block.host, head.target) or ""
    except MessageError:
        head, link = unreadable_head(data), ""
    now, request_id = proxy.wall(), os.urandom(16).hex()
    page = proxy.snapshot.pages.failed(
        400,
        f"This port speaks HTTPS: {link or 'put https:// in front of the address'}.",
        recipient_of(head, request_id),
        topic="plain_http",
        link=link,
    )
    proxy.journal.answered(Visitor(client), head, 400, len(page.body), request_id, now, "plain HTTP on a TLS port")
    return own_response(page.status, page.headers, page.body, method=head.method, close=True, now=now)
