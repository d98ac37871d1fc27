"""A client's connection: TLS, request heads, the verdict for each, and the answer to whoever is refused."""

import asyncio
import os
from typing import cast

from gatekeeper.errors import MessageError, PlainHTTPError, TLSError
from gatekeeper.gate.decision import Authorizer, Denied, Forward
from gatekeeper.gate.routes import LocalRoute, NoRoute, StaticDocument
from gatekeeper.gate.verdict import Admit, Peer, Reason, Refuse
from gatekeeper.proxy.deadline import Deadline, Timeout
from gatekeeper.proxy.exchange import Exchange
from gatekeeper.proxy.forwarding import address_headers
from gatekeeper.proxy.local_request import LocalRequest
from gatekeeper.proxy.proxy import Proxy
from gatekeeper.proxy.states import PauseReason
from gatekeeper.refusal.answer import Answer
from gatekeeper.telemetry.access_log import Visitor
from gatekeeper.tls.connection import SLICE, TLSConnection
from gatekeeper.wire.preflight import read_preflight
from gatekeeper.wire.request import CACHED_BLOCK_BYTES, RequestHead, unreadable_head, without_empty_lines
from gatekeeper.wire.response import own_response

# What a client may send ahead of its turn before reading from it stops; one head of the largest size fits.
MAX_HELD_BYTES = 64 * 1024
# How much may wait to be sent before the upstream is told to pause. Two of these and what the kernel holds is all the
# memory that a slow reader costs.
WRITE_HIGH_WATER = 256 * 1024
# After a last answer the client gets this long to read it: closing at once, with its request unread, makes the
# kernel send a reset, which destroys the answer on its way (RFC 9112, 9.6).
LINGER_SECONDS = 2.0
# When the gate stops, a client gets this long after its last answer for one more request, which is then answered with
# Connection: close. Closing at once would lose the request that is just on its way.
DRAIN_IDLE_SECONDS = 1.0
_IDLE = Timeout.IDLE
_CR = 0x0D

# X509_V_ERR numbers (openssl/x509_vfy.h), which decide the alert; what OpenSSL itself finds wrong has its own.
_CERT_REJECTED = 28  # the alert bad_certificate
_ALERTS = {Reason.REVOKED: 23}  # certificate_revoked


class Downstream(asyncio.Protocol):
    """One client: at most one exchange at a time, further requests wait for their turn."""

    transport: asyncio.Transport

    # What most connections never change, or not before they are judged, stands on the class, as in `Exchange`; but not
    # what is asked for at each request: an attribute of the class takes CPython 3.11 three times as long to find.
    trusted = False
    headers = b""
    warning = b""
    ends = 0.0  # when the verdict does
    _refused: Refuse | None = None  # in the handshake
    _id_prefix = ""
    _requests = 0
    _authorizer: Authorizer | None = None
    _judged = 0.0  # seconds since the epoch, as the next one
    _until = 0.0
    _unsent = 0
    # The request's.
    exchange: Exchange | LocalRequest | None = None

    def __init__(self, proxy: Proxy, client: str, address: str) -> None:
        """``client`` and ``address`` are who connected, as `client_address` tells."""
        self.proxy = proxy
        self.snapshot = snapshot = proxy.snapshot
        self.tls = TLSConnection(snapshot.tls, self._refuse_handshake if snapshot.refuses_in_handshake else None)
        self.deadline = Deadline(proxy.loop, self._expired)
        self.client = client
        self.address = address
        self.visitor = Visitor(client)
        self.pause_reasons: set[PauseReason] = set()
        self._lingering = self._slow = False
        self._held = b""
        self._authorities = snapshot.tls.authorities  # by which OpenSSL judged the peer

    # -- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        self.proxy.opened(self)
        self.deadline.set(Timeout.HANDSHAKE, self.snapshot.timeouts.handshake)

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            return
        tls = self.tls
        established = tls.established
        try:
            plaintext = tls.receive(data)
        except TLSError as error:
            self._tls_failed(error)
            return
        if not established:
            self.transport.write(tls.pending_output())
            if tls.established:
                self._handshake_done()
        if plaintext:
            exchange = self.exchange
            if exchange is None:
                self._request_bytes(plaintext)
            else:
                exchange.client_sent(plaintext)
        if tls.received_eof:
            self._close_notify_received()

    def eof_received(self) -> bool:
        if isinstance(self.exchange, LocalRequest):
            self.exchange.client_closed()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.deadline.end()
        if not self.tls.established and not self._lingering:
            self.proxy.handshake_failed(self, "the client left before the handshake was done")
        if self.exchange is not None:
            self.exchange.client_gone()
        self.proxy.closed(self)

    def pause_writing(self) -> None:
        self._slow = True
        if self.exchange is not None:
            self.exchange.client_is_slow()

    def resume_writing(self) -> None:
        self._slow = False
        if self.exchange is not None:
            self.exchange.client_is_ready()
        elif not self._lingering:
            self._next()

    # -- called by the exchange

    def write(self, data: bytes) -> None:
        """Send plaintext to the client; nothing happens if it has gone."""
        if self.transport.is_closing():
            return
        if len(data) <= SLICE:
            self.transport.write(self.tls.send(data))
        else:
            self.transport.writelines(self.tls.send_slices(data))

    def pause_reading(self, why: PauseReason) -> None:
        """Read no more from the client until every reason for it is gone."""
        if not self.pause_reasons and not self.transport.is_closing():
            self.transport.pause_reading()
        self.pause_reasons.add(why)

    def resume_reading(self, why: PauseReason) -> None:
        """Take one reason back."""
        if why in self.pause_reasons:
            self.pause_reasons.discard(why)
            if not self.pause_reasons and not self.transport.is_closing():
                self.transport.resume_reading()

    def buffer(self, data: bytes) -> None:
        """Put aside what belongs to the next request."""
        self._held += data
        if len(self._held) > MAX_HELD_BYTES:
            self.pause_reading(PauseReason.AHEAD)

    def exchange_ended(self, *, keep_alive: bool, last: bytes = b"") -> None:
        """The exchange is over, its response written but for ``last``: go on with the next request or say goodbye."""
        self.exchange = None
        if not keep_alive:
            self.linger(last)
            return
        if last:
            self.write(last)
        if self._goes_on(keep_alive=keep_alive) and (self._held or self._slow):
            self._next()

    def _goes_on(self, *, keep_alive: bool) -> bool:
        if not keep_alive:
            self.linger()
            return False
        if self.proxy.draining:
            self._await_a_request()
        else:
            self.deadline.set(_IDLE, self.snapshot.timeouts.idle)
        return True

    def _next(self) -> None:
        """Take up the next request, unless the client has not even read the last answers: those would pile up here."""
        if self._slow:
            self.pause_reading(PauseReason.AHEAD)
            return
        self.resume_reading(PauseReason.AHEAD)
        held, self._held = self._held, b""  # nobody has looked at it yet
        if held:
            self._request_bytes(held)
        if self.tls.received_eof:
            self._close_notify_received()

    def replay_buffered(self) -> None:
        """Give the exchange what came before its turn: it became a tunnel."""
        held, self._held = self._held, b""
        if held and self.exchange is not None:
            self.exchange.client_sent(held)
        self.resume_reading(PauseReason.AHEAD)

    def fail(self, status: int, detail: str, head: RequestHead, request_id: str, *, close: bool) -> int:
        """Answer with an error of the gate's own; returns the number of body bytes."""
        answer = self.snapshot.pages.failed(
            status,
            detail,
            accept=head.block.get(b"accept").decode("latin-1"),
            language=head.block.get(b"accept-language").decode("latin-1"),
            request_id=request_id,
            retry_after=1 if status == 503 else None,
        )
        now = self.proxy.wall()
        self.write(own_response(answer.status, answer.headers, answer.body, method=head.method, close=close, now=now))
        return len(answer.body)

    def linger(self, last: bytes = b"") -> None:
        """Say ``last`` and goodbye, in one piece: a second one would cost both sides 5 µs. Then give the client time to
        read what was said; what it still sends is thrown away unread.
        """
        if self._lingering or self.transport.is_closing():
            return
        self._lingering = True
        self._held = b""
        if self.pause_reasons:
            self.pause_reasons.clear()
            self.transport.resume_reading()
        self.transport.write(self.tls.close(last))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._await_the_end(self.snapshot.timeouts.stream_idle)

    def drain(self) -> None:
        """The gate is stopping: close soon if nothing is under way; what is, ends with ``Connection: close``."""
        if self.exchange is None and not self._held and self.tls.established and not self._lingering:
            self._await_a_request()
        elif self.exchange is not None:
            self.exchange.drain()

    def _await_a_request(self) -> None:
        idle = self.snapshot.timeouts.idle
        self.deadline.set(_IDLE, min(idle, DRAIN_IDLE_SECONDS) if self.proxy.draining else idle)

    def abort(self) -> None:
        """Cut the connection so that the client can tell that something is missing: without a TLS goodbye."""
        self._lingering = True
        self.transport.close()
        self._await_the_end()

    def _await_the_end(self, seconds: float = LINGER_SECONDS) -> None:
        """Nothing more is said. What is not sent yet may take ``seconds``, and as long again while it gets less."""
        self._unsent = self.transport.get_write_buffer_size()
        self.deadline.set(Timeout.LINGER, seconds if self._unsent else LINGER_SECONDS)

    # -- handshake

    def _handshake_done(self) -> None:
        self.proxy.handshake_done(self)
        self._await_a_request()

    def _refuse_handshake(self, peer: Peer) -> int:
        """``on_refusal = "handshake"``: a certificate that no request would get by with ends the handshake."""
        verdict = self.proxy.judge(peer, self.proxy.wall())
        if isinstance(verdict, Admit) or verdict.pending:
            return 0
        self._refused = verdict
        return _ALERTS.get(verdict.reason, _CERT_REJECTED)

    def _tls_failed(self, error: TLSError) -> None:
        if self._refused is not None:
            self.proxy.handshake_refused(self, self._refused)
        else:
            self.proxy.handshake_failed(self, str(error))
        if self.exchange is not None:
            self.exchange.client_gone()
        self._lingering = True
        if isinstance(error, PlainHTTPError):
            self.transport.write(self.proxy.plain_http_answer())
        else:
            self.transport.write(self.tls.pending_output())
        self.transport.close()
        self._await_the_end()

    # -- requests

    def _request_bytes(self, data: bytes) -> None:
        """Take up requests, until one has to be waited for. In a loop: a client may send thousands in one packet."""
        while self._request(data):
            if self._slow:
                self.pause_reading(PauseReason.AHEAD)
            if self._slow or not self._held:
                return
            data, self._held = self._held, b""

    def _request(self, data: bytes) -> bool:
        """Take up one request; True if it was answered at once and the next one may follow."""
        already = len(self._held)
        if already:
            data, self._held = self._held + data, b""
        # A head that is known ends where it ends: asking for it takes 0.02 µs, looking for the empty line 0.4.
        if self._until and len(data) <= CACHED_BLOCK_BYTES and data in self.snapshot.reader.cached:
            text, rest = data, b""
        else:
            text, rest = _split_head(data, already)
            if not text:
                self._incomplete(rest, already)
                return False
        self._requests += 1
        now = self.proxy.wall()
        authorizer = self._judge(now)
        if not authorizer.admitted and authorizer.pending:
            self._wait_for_answer(data)
            return False
        try:
            if authorizer.admitted:
                head = self.snapshot.reader.cached[text]
            else:
                line, _, block = text.partition(b"\r\n")
                head = self.snapshot.reader.read(line, block, cache=False)
        except MessageError as error:
            self._bad_request(error, data, now)
            return False
        decision = authorizer.fixed_decision
        if decision is None:
            preflight = read_preflight(head) if head.method == b"OPTIONS" else None
            decision = authorizer.decide(head.method, head.block.host, head.target, preflight)
        if isinstance(decision, Forward):
            if decision.identity is None:
                self.visitor = Visitor(self.client)  # a certificate that is not good is not who asked
            exchange = self.exchange = Exchange(self, head, decision, now)
            exchange.begin(rest)
        elif isinstance(decision, Denied):
            self._refuse(head, decision.refusal, now)
        elif isinstance(decision, LocalRoute):
            local_request = self.exchange = LocalRequest(self, head, authorizer.identity, now)
            local_request.begin(rest)
        else:
            self._answer(head, decision, now)
            self._held = rest
            return self._goes_on(keep_alive=head.keep_alive and head.body() is None)
        return False

    def _answer(self, head: RequestHead, decision: StaticDocument | NoRoute, now: float) -> None:
        """What the gate itself has to say to a request that it takes."""
        request_id = self.next_request_id()
        close = not head.keep_alive or head.body() is not None
        if isinstance(decision, StaticDocument):
            status, detail, body = 200, "", self.snapshot.documents[decision.path]
            self.write(own_response(status, _DOCUMENT_HEADERS, body, method=head.method, close=close, now=now))
            sent = len(body)
        else:
            status, detail = decision.status, decision.detail
            sent = self.fail(status, detail, head, request_id, close=close)
        self.proxy.answered(self, head, status, sent, request_id, now, detail)

    def _wait_for_answer(self, held: bytes) -> None:
        """The request waits, and nothing is read, until the OCSP responder has said something about its client."""
        self._requests -= 1
        self._held = held
        self.pause_reading(PauseReason.ASKING)
        self.deadline.set(_IDLE, self.snapshot.timeouts.idle)
        self.proxy.ask(self.tls.peer, self._answered)

    def _answered(self) -> None:
        self.resume_reading(PauseReason.ASKING)
        if not self._lingering and not self.transport.is_closing():
            self._next()

    def _incomplete(self, held: bytes, already: int) -> None:
        try:
            self.snapshot.reader.incomplete(held, already)
        except MessageError as error:
            self._bad_request(error, held, self.proxy.wall())
            return
        if held and not already:
            self.deadline.set(Timeout.REQUEST_HEADER, self.snapshot.timeouts.request_header)
        self._held = held

    def _judge(self, now: float) -> Authorizer:
        """What the visitor may do, now. The last verdict is used again while it holds and nothing was reloaded; not
        where the clock was set back, to when a certificate may not have been valid yet.
        """
        if self._judged <= now < self._until and self.snapshot is self.proxy.snapshot and self._authorizer is not None:
            return self._authorizer
        self._judged = now
        snapshot = self.snapshot = self.proxy.snapshot
        if snapshot.tls.authorities != self._authorities:
            self._authorities = snapshot.tls.authorities
            self.tls.verify_anew(snapshot.tls)
        client_context = self.proxy.client_context(self.tls.peer, now)
        self._authorizer, self._until, self.warning = (
            client_context.authorizer,
            client_context.until,
            client_context.warning,
        )
        self._note_end(client_context.ends)
        self.trusted = snapshot.trusts(self.address)
        self.headers = address_headers(self.address, trusted=self.trusted) + client_context.lines
        if client_context.warning and client_context.certificate is not None:
            self.proxy.metrics.expiring(client_context.certificate.sha256)
        if client_context.certificate is not self.visitor.certificate:
            self.visitor = Visitor(self.client, client_context.certificate)
        return client_context.authorizer

    def judge_anew(self) -> None:
        """The snapshot or the time has changed: end what is under way if its visitor is no longer let in.

        Where nothing is under way there is nothing to do: the next request is judged in any case.
        """
        exchange = self.exchange
        if exchange is None or isinstance(exchange, LocalRequest):
            return
        now = self.proxy.wall()
        refusal = self._withdrawn(exchange, now)
        if refusal is None:
            return
        if refusal.pending:
            self.proxy.ask(self.tls.peer, self.judge_anew)
            return
        self.proxy.revoked(exchange, refusal)
        if exchange.cut():
            return
        answer, said = self._refusal(exchange.head, refusal, now, exchange.request_id)
        exchange.end_with(answer.status, len(answer.body))
        self.linger(said)

    def _withdrawn(self, exchange: Exchange, now: float) -> Refuse | None:
        """Why this exchange would not be begun any more, None if it would.

        Who was let in by name on a public route is still told to the app by that name, so that must hold too.
        """
        authorizer, head = self._judge(now), exchange.head
        if exchange.forward.identity is None:
            self.visitor = Visitor(self.client)
        elif authorizer.refusal is not None:
            return authorizer.refusal
        decision = authorizer.fixed_decision or authorizer.decide(
            head.method, head.block.host, head.target, read_preflight(head)
        )
        return decision.refusal if isinstance(decision, Denied) else None

    def _note_end(self, ends: float) -> None:
        """When the verdict does; 0 for who is not let in."""
        if self.ends:
            self.proxy.expiry.forget(self, self.ends)
        self.ends = ends
        if ends:
            self.proxy.expiry.note(self, ends)
            self.tls.give_ticket()

    def next_request_id(self) -> str:
        """32 hex digits: 24 random ones for the connection, 8 that count its requests."""
        if not self._id_prefix:
            self._id_prefix = os.urandom(12).hex()
        # Formatting the number takes 0.18 µs, this 0.1.
        return self._id_prefix + (self._requests & 0xFFFFFFFF).to_bytes(4, "big").hex()

    def _refuse(self, head: RequestHead, refusal: Refuse, now: float) -> None:
        """RFC 9110, 15.5.4. Nothing of a body is read, not even after an Expect: the 403 comes instead of the 100."""
        request_id = self.next_request_id()
        answer, said = self._refusal(head, refusal, now, request_id)
        self.linger(said)
        self.proxy.refused(self, head, refusal, len(answer.body), request_id, now)

    def _refusal(self, head: RequestHead, refusal: Refuse, now: float, request_id: str) -> tuple[Answer, bytes]:
        """The 403, and the whole of what is to be said."""
        block = head.block
        answer = self.snapshot.pages.refused(
            refusal,
            accept=block.get(b"accept").decode("latin-1"),
            language=block.get(b"accept-language").decode("latin-1"),
            user_agent=block.get(b"user-agent").decode("latin-1"),
            request_id=request_id,
            host=block.host.decode("latin-1"),
            now=now,
        )
        said = own_response(answer.status, answer.headers, answer.body, method=head.method, close=True, now=now)
        return answer, said

    def _bad_request(self, error: MessageError, data: bytes, now: float) -> None:
        """Answer a request that could not be read. Nobody knows where the next one begins, so none is looked for."""
        request_id = self.next_request_id()
        head = unreadable_head(data)
        sent = self.fail(error.status, error.detail, head, request_id, close=True)
        self.proxy.bad_request(self, head, error, sent, request_id, now)
        self.linger()

    # -- the end

    def _close_notify_received(self) -> None:
        """The client said close_notify, so it sends no more, but still listens (RFC 8446, 6.1): what it has asked for
        whole is answered, and then the connection ends. Who does not listen either closes the TCP connection.
        """
        exchange = self.exchange
        if exchange is None:
            if not (self._held and (self._slow or PauseReason.ASKING in self.pause_reasons)):
                self._gone()
        elif not exchange.client_finished(last=not self._held):
            self._gone()

    def _gone(self) -> None:
        """Nothing is left to be answered, or what the client asks for will never be whole."""
        if isinstance(self.exchange, LocalRequest):
            self.exchange.client_closed()
        if not self._lingering:
            self._lingering = True
            self.transport.write(self.tls.close())
        if self.exchange is not None:
            self.exchange.client_gone()
        self.transport.close()
        self._await_the_end()

    def _expired(self, wait: Timeout) -> None:
        if wait is Timeout.LINGER and self._still_moving():
            self.deadline.set(wait, self.snapshot.timeouts.stream_idle)
        elif wait is Timeout.LINGER or wait is Timeout.HANDSHAKE:
            self.transport.abort()
        elif isinstance(self.exchange, LocalRequest):
            self.exchange.expired(wait)
        elif self.exchange is not None:
            if self._still_moving():
                self.deadline.set(wait, self.snapshot.timeouts.stream_idle)
            else:
                self.exchange.expired(wait)
        elif wait is Timeout.REQUEST_HEADER and self._held:
            late = MessageError(408, "The request header did not arrive in time.")
            self._bad_request(late, self._held, self.proxy.wall())
        else:
            self.linger()

    def _still_moving(self) -> bool:
        """Whether what waits to be sent, either way, became less since this was asked last: slow is not idle."""
        unsent = self.transport.get_write_buffer_size()
        if self.exchange is not None and self.exchange.upstream is not None:
            unsent += self.exchange.upstream.transport.get_write_buffer_size()
        before, self._unsent = self._unsent, unsent
        return 0 < unsent != before


def _split_head(data: bytes, already: int) -> tuple[bytes, bytes]:
    """A request head, blank line included, and what comes behind it; b"" and what is there of it if it is not whole.
    The first ``already`` bytes were looked at before.
    """
    if data[0] == _CR:
        data = without_empty_lines(data)
    end = data.find(b"\r\n\r\n", already - 3 if already > 3 else 0) + 4
    return (data[:end], data[end:]) if end >= 4 else (b"", data)


_DOCUMENT_HEADERS = (("Content-Type", "application/json"), ("Cache-Control", "max-age=300"))
