"""One forwarded request and its response, from the first byte to the line in the access log.

It stands between a client's stream and an upstream's, whatever versions of HTTP these speak.
"""

from dataclasses import replace

from gatekeeper.gate.decision import Forward
from gatekeeper.gate.verdict import Refuse
from gatekeeper.proxy.deadline import Timeout
from gatekeeper.proxy.forwarding import believed_request_id, visitor_headers
from gatekeeper.proxy.states import CONNECTING, ENDED, STREAMING, TRANSITIONS, TUNNEL, WAITING, PauseReason, State
from gatekeeper.proxy.streams import ClientStream, EndpointHealth, Replay, UpstreamStream
from gatekeeper.proxy.visit import Visit
from gatekeeper.proxy.websocket import GOING_AWAY, POLICY_VIOLATION, FrameTracker, close_frame
from gatekeeper.wire.request import RequestHead
from gatekeeper.wire.response import ResponseHead

# RFC 9110, 9.2.2: what may be sent again when nobody knows whether it was carried out.
IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"})

# An app that refuses each time (RFC 9113, 8.7) must end in an answer.
MAX_REPLAYS = 5

_RESPONSE_HEADER, _STREAM, _TUNNEL = Timeout.RESPONSE_HEADER, Timeout.STREAM, Timeout.TUNNEL
_TOO_LARGE = "The request body is too large."


class Exchange:
    """An admitted request (hence ``forward``), and its response."""

    __slots__ = (
        "_frames",
        "_headers",
        "_pool",
        "_replays",
        "_request_ended",
        "_sent_at",
        "_unsent",
        "_upstream_slow",
        "detail",
        "duration",
        "forward",
        "head",
        "reason",
        "received",
        "request_id",
        "sent",
        "started",
        "state",
        "status",
        "stream",
        "tried",
        "upstream",
        "upstream_time",
        "visit",
    )

    def __init__(self, stream: ClientStream, visit: Visit, head: RequestHead, forward: Forward, started: float) -> None:
        self.stream = stream
        self.visit = visit
        self.head = head
        self.forward = forward
        self.started = started
        self.request_id = visit.next_request_id()
        self.state: State = CONNECTING
        self.upstream: UpstreamStream | None = None
        self.status = 0
        self.sent = 0
        self.received = 0
        self.duration = 0.0
        self.upstream_time: float | None = None
        self.reason = ""
        self.detail = ""
        self.tried: tuple[EndpointHealth, ...] = ()  # endpoints that could not be reached, or gave no answer
        self._pool = visit.snapshot.upstreams[forward.upstream]
        self._headers = visit.headers
        self._request_ended = bool(head.wire_head) or not head.has_body
        self._unsent = 0
        self._upstream_slow = False
        self._replays: tuple[Replay, ...] = ()

    def begin(self) -> None:
        """Find an upstream connection and send the request."""
        head, visit = self.head, self.visit
        if not self._request_ended:
            limit = visit.snapshot.settings.limits.request_body
            if limit is not None and head.block.length > limit:
                self.fail(413, _TOO_LARGE)
                return
        if not head.wire_head or visit.trusted:
            self._describe_visitor()
        upstream = self._pool.acquire()
        if upstream is None:
            self._connect()
        else:
            self._send(upstream, self.started)

    def _describe_visitor(self) -> None:
        """Where something about the request, or about who speaks for the visitor, is out of the ordinary."""
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
        self._pool.connect(self, self.visit.snapshot.timeouts.connect)

    def _move(self, state: State) -> None:
        if state not in TRANSITIONS[self.state]:
            raise AssertionError(f"an exchange cannot go from {self.state} to {state}")
        self.state = state

    # -- the request, called by the client's stream and by the pool

    def connected(self, stream: UpstreamStream) -> None:
        """The pool found or made a connection: send the request."""
        self._send(stream, self.visit.proxy.wall())

    def _send(self, upstream: UpstreamStream, now: float) -> None:
        self._move(WAITING)
        self.upstream = upstream
        self._sent_at = now
        upstream.send_request(self, self.head, self._headers, self.request_id)
        if self.head.wire_head:
            self.stream.deadline.set(_RESPONSE_HEADER, self.visit.snapshot.timeouts.response_header)
        else:
            self._await_response()

    def _await_response(self) -> None:
        """Where a body may follow; what of it has come already is told from within `resume_request`."""
        if self._replays:
            self._send_again(self._replays[-1])
        if self._request_ended:
            self.stream.deadline.set(_RESPONSE_HEADER, self.visit.snapshot.timeouts.response_header)
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
            self._touch(_TUNNEL)
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
            self.stream.deadline.set(_RESPONSE_HEADER, self.visit.snapshot.timeouts.response_header)
        self._upstream().send_end(content, trailers)

    def _take(self, content: bytes) -> bool:
        """Count content of the body; False if it was too much."""
        self.received += len(content)
        limit = self.visit.snapshot.settings.limits.request_body
        if limit is not None and self.received > limit:
            self.fail(413, _TOO_LARGE)
            return False
        return True

    def request_failed(self, status: int, detail: str) -> None:
        """The body is malformed."""
        self.fail(status, detail)

    def client_closed(self) -> bool:
        """The client sends no more: what it has asked for whole is answered."""
        return True

    def client_gone(self) -> None:
        """The client went away: the upstream's work is for nobody, so it is told by closing."""
        if self.state is ENDED:
            return
        self.status = self.status or 499  # nginx's number for it, in the log only
        if self.state is TUNNEL:
            self._upstream().finish(self.visit.proxy.loop.call_later)
            self.upstream = None
        self._end()

    def client_is_slow(self) -> None:
        """Read no more from the upstream until the client has taken what is there."""
        if self.upstream is not None:
            self.upstream.pause_response()

    def client_is_ready(self) -> None:
        """The client has taken what was there."""
        if self.upstream is not None:
            self.upstream.resume_response()

    def upstream_is_slow(self) -> None:
        """Read no more from the client until the upstream has taken what is there."""
        self._upstream_slow = True
        self.stream.pause_request(PauseReason.UPSTREAM)

    def upstream_is_ready(self) -> None:
        """The upstream has taken what was there."""
        self._upstream_slow = False
        self.stream.resume_request(PauseReason.UPSTREAM)

    def expired(self, timeout: Timeout) -> None:
        """A timeout of ``[timeouts]`` has passed; slow is not idle, so not while what waits becomes less."""
        if self._still_moving():
            self.stream.deadline.set(timeout, self.visit.snapshot.timeouts.stream_idle)
        elif timeout is _RESPONSE_HEADER:
            self._failed("no answer in time")
            self.fail(504, "The app did not answer in time.")
        elif timeout is Timeout.REQUEST_BODY and self._upstream_slow:
            self.fail(504, "The app did not read the request body in time.")
        elif timeout is Timeout.REQUEST_BODY:
            self.fail(408, "The request body did not arrive in time.")
        elif timeout is _TUNNEL:
            self._end()
            self.stream.finished()
        else:
            self.fail(504, "The response stopped.")

    def _still_moving(self) -> bool:
        """Whether what waits to be sent, either way, became less since this was asked last."""
        unsent = self.stream.unsent + (self.upstream.unsent if self.upstream is not None else 0)
        before, self._unsent = self._unsent, unsent
        return 0 < unsent != before

    # -- the response, called by the upstream's stream

    def response_whole(self, head: ResponseHead, content: bytes, trailers: bytes) -> None:
        """A complete response: pass it on, and be done."""
        upstream, self.upstream = self.upstream, None
        if upstream is None:
            raise AssertionError("a response without an upstream")
        if upstream.endpoint.health.failures:
            upstream.endpoint.health.answered()
        stream, visit = self.stream, self.visit
        proxy = visit.proxy
        now = proxy.wall()
        # Sums must not go backwards because the clock on the wall was set back. max() costs 0.1 µs more.
        seconds = now - self._sent_at
        self.upstream_time = seconds if seconds > 0.0 else 0.0
        self.status = head.status
        self.sent = len(content)
        stream.send_whole(head, content, trailers)
        self._pool.release(upstream)
        if self._upstream_slow:
            stream.resume_request(PauseReason.UPSTREAM)
        self._move(ENDED)
        seconds = now - self.started
        proxy.journal.forwarded(visit.visitor, self.head, self, seconds if seconds > 0.0 else 0.0)
        stream.finished()

    def _answered(self, head: ResponseHead) -> None:
        """The response has begun, and goes on."""
        self._upstream().endpoint.health.answered()
        self.upstream_time = self.visit.proxy.journal.since(self._sent_at)
        self.status = head.status

    def response_head(self, head: ResponseHead, content: bytes) -> None:
        """A response with a body that goes on."""
        self._answered(head)
        self._move(STREAMING)
        self.sent = len(content)
        self.stream.send_head(head, content)
        self._touch(_STREAM)

    def response_content(self, content: bytes) -> None:
        """More of the body, or bytes of the tunnel."""
        self.sent += len(content)
        if self.state is TUNNEL:
            self._touch(_TUNNEL)
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
        """1xx: pass it on (RFC 9110, 15.2), but for a 100 that the client has not asked for."""
        if head.status != 100 or self.head.block.expects_continue:
            self.stream.send_interim(head)

    def response_switch(self, head: ResponseHead, rest: bytes) -> None:
        """The exchange becomes a tunnel."""
        self._answered(head)
        self._move(TUNNEL)
        self.visit.proxy.journal.tunnel_opened()
        self._touch(_TUNNEL)
        self.sent = len(rest)
        self._frames = FrameTracker()
        self._frames.feed(rest)
        self.stream.switch(head, rest)

    def response_failed(self, detail: str) -> None:
        """What the app sends cannot be passed on."""
        self.fail(502, detail)

    def upstream_gone(self, error: Exception | None) -> None:
        """The upstream's connection is closed; that ends the response, one way or the other."""
        upstream, self.upstream = self.upstream, None
        if self.state is TUNNEL:
            self._end()
            self.stream.finished()
        elif self.state is STREAMING:
            self.fail(502, "The response is incomplete.")
        elif upstream is not None and self._may_be_sent_again(upstream):
            self._move(CONNECTING)
            if self._upstream_slow:
                self.upstream_is_ready()
            self._connect()
        else:
            self.fail(502, "The app closed the connection without an answer.")

    def _may_be_sent_again(self, upstream: UpstreamStream) -> bool:
        """On a fresh connection where a kept one was closed just when it was used again; else at another endpoint."""
        if upstream.heard:
            return False
        if upstream.replay is not None and len(self._replays) < MAX_REPLAYS:
            self._replays = (*self._replays, upstream.replay)
            return True
        if not upstream.used_before:
            self._failed("closed without an answer", upstream)
        if self.head.method not in IDEMPOTENT or self.head.has_body:
            return False
        return upstream.used_before or self._pool.has_another(self.tried)

    def _failed(self, why: str, upstream: UpstreamStream | None = None) -> None:
        upstream = upstream or self._upstream()
        self.detail = why
        self.tried = (*self.tried, upstream.endpoint)
        upstream.endpoint.failed(why, self.visit.proxy.loop.time())

    # -- the end

    def fail(self, status: int, detail: str) -> None:
        """End with an error of the gate's own; if the response had begun, by cutting it so that the client can tell."""
        if self.state is ENDED:
            return
        if self.state in (STREAMING, TUNNEL):
            self._end()
            self.stream.abort()
            return
        self.status = status
        self.sent = self.stream.send_error(status, detail, self.request_id, close=False)
        self._end()
        self.stream.finished()

    def judge_anew(self) -> None:
        """End if the client is let in no longer, so that it can tell."""
        if self.state is ENDED:
            return
        visit = self.visit
        proxy = visit.proxy
        now = proxy.wall()
        refusal = visit.withdrawn(self.head, self.forward, now)
        if refusal is None:
            return
        if refusal.pending:
            proxy.judge.ask(visit.snapshot, visit.tls.peer, self.judge_anew)
            return
        proxy.journal.revoked(refusal.reason)
        self.reason, self.detail = refusal.reason, refusal.detail
        self._withdraw(refusal, now)

    def _withdraw(self, refusal: Refuse, now: float) -> None:
        """A WebSocket is closed in order where its frames allow it. A download is cut at once, whatever the client has
        not read yet: it looks as truncated as it is. Where nothing has begun, the answer is 403.
        """
        stream = self.stream
        if self.state is TUNNEL and self._frames.between:
            self._close_tunnel(POLICY_VIOLATION)
        elif self.state in (STREAMING, TUNNEL):
            self._end()
            stream.reset()
        else:
            page = self.visit.refusal_page(self.head, refusal, self.request_id, now)
            self.status, self.sent = page.status, len(page.body)
            self._end()
            stream.refuse(page.status, page.headers, page.body)

    def drain(self) -> None:
        """The gate is stopping: a WebSocket is closed where its frames allow it, since it would never end by itself."""
        if self.state is TUNNEL and self._frames.between:
            self._close_tunnel(GOING_AWAY)

    def _close_tunnel(self, code: int) -> None:
        if not self._frames.closed:
            self.stream.send_content(close_frame(code, self.reason))
        self._end()
        self.stream.finished()

    def _end(self) -> None:
        """Let go of the upstream and write the line in the log."""
        if self.state is CONNECTING:
            self._pool.forget(self)
        self._move(ENDED)
        if self.upstream is not None:
            self.upstream.reset()
            self.upstream = None
        if self._upstream_slow:
            self.stream.resume_request(PauseReason.UPSTREAM)
        visit = self.visit
        journal = visit.proxy.journal
        journal.forwarded(visit.visitor, self.head, self, journal.since(self.started))

    def _upstream(self) -> UpstreamStream:
        if self.upstream is None:
            raise AssertionError("no upstream connection")
        return self.upstream

    def _touch(self, timeout: Timeout) -> None:
        timeouts = self.visit.snapshot.timeouts
        self.stream.deadline.set(timeout, timeouts.tunnel_idle if timeout is _TUNNEL else timeouts.stream_idle)
