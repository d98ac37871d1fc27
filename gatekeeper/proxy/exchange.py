"""One forwarded request and its response, from the first byte to the line in the access log."""

from dataclasses import replace
from typing import ClassVar, Final

from gatekeeper.errors import MessageError, StreamResetError
from gatekeeper.proxy.deadline import Timeout
from gatekeeper.proxy.forwarding import believed_request_id, visitor_headers
from gatekeeper.proxy.relay import Relay
from gatekeeper.proxy.states import CONNECTING, ENDED, STREAMING, TUNNEL, WAITING, PauseReason, illegal_move
from gatekeeper.proxy.streams import Replay, UpstreamStream
from gatekeeper.proxy.websocket import FrameTracker
from gatekeeper.wire.response import ResponseHead

# RFC 9110, 9.2.2: what may be sent again when nobody knows whether it was carried out.
IDEMPOTENT: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"})

# An app that refuses each time (RFC 9113, 8.7) must end in an answer.
MAX_REPLAYS: Final = 5

_RESPONSE_HEADER: Final = Timeout.RESPONSE_HEADER
_STREAM: Final = Timeout.STREAM
_TUNNEL: Final = Timeout.TUNNEL
_INCOMPLETE: Final = "The response is incomplete."
_MALFORMED: Final = "The app's response cannot be passed on."
_NO_ANSWER: Final = "The app closed the connection without an answer."
_TOO_LARGE: Final = "The request body is too large."


class Exchange(Relay):
    """An HTTP request and its response: gets a connection to the app, retries, and becomes a tunnel after a 101."""

    __slots__ = ()
    keeps_body: ClassVar[bool] = False
    """Whether the whole body can be sent again."""

    def begin(self) -> None:
        """Get an upstream connection and send the request on it."""
        head, visit = self.head, self.visit
        if not self._request_ended and self._is_too_large(head.block.length):
            return
        if not head.wire_head or visit.trusted:
            self._describe_visitor()
        upstream = self._pool.acquire()
        if upstream is None:
            self._connect()
        else:
            self._send(upstream, self.started)

    def _is_too_large(self, length: int) -> bool:
        """Whether the announced length of the body exceeds the limit, which is answered here."""
        self.received = 0
        limit = self._pool.request_body
        if limit is None or length <= limit:
            return False
        self.fail(413, _TOO_LARGE)
        return True

    def _describe_visitor(self) -> None:
        """Make the headers about the client where those of the connection do not suffice: a trusted proxy forwards the
        request, or it is not an ordinary one.
        """
        if b"upgrade" in self.head.block.options and self.head.upgrade.lower() not in self._pool.upgrades:
            self.head = self.head.without_upgrade()
        visit, block = self.visit, self.head.block
        proxy = visit.address if visit.trusted else None
        if proxy is not None:
            self.request_id = believed_request_id(block) or self.request_id
            self.head = replace(self.head, wire_head=b"")
        trusts = visit.snapshot.trusts
        self._headers = visitor_headers(visit.headers, block, proxy, trusts, self._pool.authority)

    def _connect(self) -> None:
        stream = self.stream
        if not self._request_ended:
            stream.pause_request(PauseReason.CONNECTING)
        stream.deadline.cancel()  # the pool has its own
        self._pool.connect(self, self._pool.timeouts.connect)

    # -- the request, called by the client's stream and by the pool

    def connected(self, stream: UpstreamStream) -> None:
        """Called by the pool: send the request on this connection."""
        self._send(stream, self.visit.proxy.wall())

    def _send(self, upstream: UpstreamStream, now: float) -> None:
        if self.state is not CONNECTING:  # as `_move`; two calls of it are 1.4 % of an exchange
            raise illegal_move(self.state, WAITING)
        self.state = WAITING
        self.upstream = upstream
        self._sent_at = now
        head = self.head
        if self._pool.rewrites:
            head = self._pool.rewriting(self.forward.route.prefix).request(head)
        upstream.send_request(self, head, self._headers, self.request_id)
        if self.head.wire_head:
            self.stream.deadline.set(_RESPONSE_HEADER, self._pool.timeouts.response_header)
        else:
            self._await_response()

    def _await_response(self) -> None:
        """Set the deadline where a body may follow. `resume_request` passes on what has come of the body already."""
        if self._replays:
            self._send_again(self._replays[-1])
        if self._request_ended:
            self.stream.deadline.set(_RESPONSE_HEADER, self._pool.timeouts.response_header)
            return
        self._touch(Timeout.REQUEST_BODY)
        self.stream.resume_request(PauseReason.CONNECTING)

    def _send_again(self, replay: Replay) -> None:
        if replay.ended:
            self._upstream().send_end(replay.content, replay.trailers)
        elif replay.content:
            self._upstream().send_content(replay.content)

    def request_content(self, content: bytes) -> None:
        """More of the body, or bytes of the tunnel."""
        if self.state is TUNNEL:
            self.stream.deadline.set(_TUNNEL, self._pool.timeouts.tunnel_idle)
            self._upstream().send_content(content)
        elif self._take(content):
            self._touch(Timeout.REQUEST_BODY)
            if content:
                self._upstream().send_content(content)

    def request_end(self, content: bytes, trailers: bytes) -> None:
        """The end of the body."""
        if not self._take(content):
            return
        self._request_ended = True
        if self.state is WAITING:
            self.stream.deadline.set(_RESPONSE_HEADER, self._pool.timeouts.response_header)
        # RFC 9110, 6.5.1: only who knows a trailer may merge it into the fields. No file depends on one.
        self._upstream().send_end(content, b"" if self._pool.serves_files else trailers)

    def _take(self, content: bytes) -> bool:
        """Count content of the body; False if it exceeds the limit, which is answered here."""
        self.received += len(content)
        limit = self._pool.request_body
        if limit is not None and self.received > limit:
            self.fail(413, _TOO_LARGE)
            return False
        return True

    # -- the response, called by the upstream's stream

    def response_whole(self, head: ResponseHead, content: bytes, trailers: bytes) -> None:
        """Pass on a complete response, which ends the exchange."""
        upstream = self.upstream
        if self.state is not WAITING or upstream is None:
            raise illegal_move(self.state, ENDED)
        self.upstream = None
        if upstream.endpoint.health.failures:
            upstream.endpoint.health.answered()
        stream, visit = self.stream, self.visit
        proxy = visit.proxy
        now = proxy.wall()
        # Sums must not go backwards because the clock on the wall was set back. max() costs 0.1 µs more.
        seconds = now - self._sent_at
        self.upstream_time = upstream_time = seconds if seconds > 0.0 else 0.0
        self.status = head.status
        self.sent = len(content)
        pool = self._pool
        pool.times.append(upstream_time)
        if head.status >= 300 or pool.rewrites or visit.snapshot.edits is not None:
            head = self._edited(head)
        stream.send_whole(head, content, trailers)
        pool.release(upstream)
        if self._upstream_slow:
            stream.resume_request(PauseReason.UPSTREAM)
        self.state = ENDED
        if proxy.requests.counted:
            proxy.requests.end(self)
        seconds = now - self.started
        self.duration = seconds if seconds > 0.0 else 0.0
        proxy.journal.ended(visit.visitor, self.head, self)
        stream.finished()

    def _edited(self, head: ResponseHead) -> ResponseHead:
        """The head for the client: with the configured headers, and Location mapped back to the gate's own paths."""
        route, edits = self.forward.route, self.visit.snapshot.edits
        if route.prefix or 300 <= head.status < 400:
            head = self._pool.rewriting(route.prefix).response(head)
        return head if edits is None else edits.forwarded(route.response, head)

    def _answered(self, head: ResponseHead) -> None:
        """Note the beginning of a response whose end is still to come."""
        self._upstream().endpoint.health.answered()
        self.upstream_time = self.visit.proxy.journal.since(self._sent_at)
        self._pool.times.append(self.upstream_time)
        self.status = head.status

    def response_head(self, head: ResponseHead, content: bytes) -> None:
        """Pass on the head of a response, and the beginning of its body."""
        self._answered(head)
        self._move(STREAMING)
        self.sent = len(content)
        self.stream.send_head(self._edited(head), content)
        self._touch(_STREAM)

    def response_content(self, content: bytes) -> None:
        """More of the body, or bytes of the tunnel."""
        self.sent += len(content)
        if self.state is TUNNEL:
            self.stream.deadline.set(_TUNNEL, self._pool.timeouts.tunnel_idle)
            if self._frames is not None:
                self._frames.feed(content)
            self.stream.send_content(content)
        else:
            self._touch(_STREAM)
            if content:
                self.stream.send_content(content)

    def response_end(self, content: bytes, trailers: bytes) -> None:
        """The end of the body."""
        self.sent += len(content)
        self.stream.send_end(content, trailers)
        upstream, self.upstream = self._upstream(), None
        self._pool.release(upstream)
        self._end()
        self.stream.finished()

    def response_interim(self, head: ResponseHead) -> None:
        """Pass on a 1xx response (RFC 9110, 15.2), except for a 100 that the client did not ask for."""
        if head.status != 100 or self.head.block.expects_continue:
            self.stream.send_interim(head)

    def response_switch(self, head: ResponseHead, rest: bytes) -> None:
        """Pass on a 101: the exchange becomes a tunnel."""
        self._answered(head)
        self._move(TUNNEL)
        self.visit.proxy.journal.tunnel_opened()
        self.stream.deadline.set(_TUNNEL, self._pool.timeouts.tunnel_idle)
        self.sent = len(rest)
        self._frames = None
        if head.upgrade == b"websocket":
            self._frames = FrameTracker()
            self._frames.feed(rest)
        self.stream.switch(head, rest)

    def response_malformed(self, error: MessageError) -> None:
        """The client is told that it is, the log which rule the app broke."""
        self.fail(502, _MALFORMED, _because(_MALFORMED, error.detail))

    def upstream_gone(self, error: Exception | None) -> None:
        """The connection to the app was closed: retry where that is allowed, otherwise fail."""
        upstream, self.upstream = self.upstream, None
        code = error.code if isinstance(error, StreamResetError) else 0
        if self.state is TUNNEL:
            self._end()
            self.stream.finished()
        elif self.state is STREAMING:
            self.fail(502, _INCOMPLETE, _because(_INCOMPLETE, error), code)
        elif upstream is not None and self._may_be_sent_again(upstream):
            self._move(CONNECTING)
            if self._upstream_slow:
                self.upstream_is_ready()
            self._connect()
        else:
            self.fail(502, _NO_ANSWER, _because(_NO_ANSWER, error), code)

    def _may_be_sent_again(self, upstream: UpstreamStream) -> bool:
        """Whether to retry: on a new connection if a kept one was closed when it was used again, else at another
        endpoint. A request that the app may have carried out is repeated only if it is idempotent (RFC 9110, 9.2.2).
        """
        if upstream.heard:
            return False
        if upstream.replay is not None and len(self._replays) < MAX_REPLAYS:
            self._replays = (*self._replays, upstream.replay)
            return True
        if not upstream.used_before:
            self._failed("closed without an answer", upstream)
        if self.head.method not in IDEMPOTENT or (self.head.has_body and not self.keeps_body):
            return False
        return upstream.used_before or self._pool.has_another(self.tried)

    def _end(self) -> None:
        if self.state is CONNECTING:
            self._pool.forget(self)
        super()._end()


def _because(sentence: str, cause: Exception | str | None) -> str:
    """The sentence for the log, with the cause if there is more to say."""
    why = str(cause) if cause else ""
    return f"{sentence[:-1]}: {why}" if why else sentence
