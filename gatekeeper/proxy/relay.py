"""The part of an exchange that does not depend on HTTP messages: backpressure, timeouts, and how it ends.

A `Relay` stands between a client's stream and an upstream's, for any pair of HTTP versions. `exchange.Exchange` derives
from it and handles the messages.
"""

from gatekeeper.gate.decision import Forward
from gatekeeper.gate.routes import NoRoute
from gatekeeper.gate.verdict import Refuse
from gatekeeper.proxy.deadline import Timeout
from gatekeeper.proxy.states import CONNECTING, ENDED, STREAMING, TRANSITIONS, TUNNEL, PauseReason, State, illegal_move
from gatekeeper.proxy.streams import (
    ClientStream,
    EndpointHealth,
    Replay,
    RequestHandler,
    ResponseHandler,
    UpstreamStream,
)
from gatekeeper.proxy.visit import Visit
from gatekeeper.proxy.websocket import GOING_AWAY, POLICY_VIOLATION, FrameTracker, close_frame
from gatekeeper.telemetry.log_lines import Outcome
from gatekeeper.wire.request import RequestHead


class Relay(RequestHandler, ResponseHandler, Outcome):
    """An admitted request (hence ``forward``) under way, and what the access log records of it.

    A base class and not a separate object, which would have to be made for each request.

    ``status`` is the response's, 0 before it. ``sent`` and ``received`` are bytes of content to and from the client.
    ``started`` is seconds since the epoch, ``duration`` and ``upstream_time`` are seconds. ``tried`` are endpoints that
    could not be reached or did not answer. ``reason`` and ``detail`` say why the exchange ended early; ``detail`` also
    why the last of ``tried`` failed.
    """

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
    received: int  # set where a body is to come
    duration: float  # set at the end
    _frames: FrameTracker | None  # set in a tunnel; None where it is no WebSocket

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
        self.upstream_time: float | None = None
        self.reason = ""
        self.detail = ""
        self.tried: tuple[EndpointHealth, ...] = ()
        self._pool = visit.snapshot.upstreams[forward.upstream]
        self._headers = visit.headers
        self._request_ended = True if head.wire_head else not head.has_body  # bool() is a call
        self._unsent = 0
        self._upstream_slow = False
        self._replays: tuple[Replay, ...] = ()

    def _move(self, state: State) -> None:
        if state not in TRANSITIONS[self.state]:
            raise illegal_move(self.state, state)
        self.state = state

    # -- called by the client's stream

    def client_closed(self) -> bool:
        """The client sends no more. A complete request is still answered, and a tunnel goes on one way if it can; not
        a WebSocket, which says all that it has to say before that.
        """
        if not self.head.upgrade:
            return True
        return self.state is TUNNEL and self._frames is None and self._upstream().send_eof()

    def client_gone(self) -> None:
        """The client is gone: cancel the request at the app by closing or resetting its stream."""
        if self.state is ENDED:
            return
        self.status = self.status or 499  # nginx's number for it, in the log only
        if self.state is TUNNEL:
            self._upstream().finish(self.visit.proxy.loop.call_later)
            self.upstream = None
        self._end()

    def client_is_slow(self) -> None:
        """Stop reading from the app until the client has taken what is buffered."""
        if self.upstream is not None:
            self.upstream.pause_response()

    def client_is_ready(self) -> None:
        """The client has taken what was buffered: read from the app again."""
        if self.upstream is not None:
            self.upstream.resume_response()

    # -- called by the upstream's stream

    def upstream_is_slow(self) -> None:
        """Stop reading from the client until the app has taken what is buffered."""
        self._upstream_slow = True
        self.stream.pause_request(PauseReason.UPSTREAM)

    def upstream_is_ready(self) -> None:
        """The app has taken what was buffered: read from the client again."""
        self._upstream_slow = False
        self.stream.resume_request(PauseReason.UPSTREAM)

    # -- time limits

    def _touch(self, timeout: Timeout) -> None:
        self.stream.deadline.set(timeout, self._pool.timeouts.stream_idle)

    def expired(self, timeout: Timeout) -> None:
        """A timeout of ``[timeouts]`` has passed. While the amount of buffered data shrinks, the peer is slow and not
        idle, and gets more time.
        """
        if self._still_moving():
            self.stream.deadline.set(timeout, self._pool.timeouts.stream_idle)
        elif timeout is Timeout.RESPONSE_HEADER:
            self._failed("no answer in time")
            self.fail(504, "The app did not answer in time.", self.detail)
        elif timeout is Timeout.REQUEST_BODY and self._upstream_slow:
            self.fail(504, "The app did not read the request body in time.")
        elif timeout is Timeout.REQUEST_BODY:
            self.fail(408, "The request body did not arrive in time.")
        elif timeout is Timeout.TUNNEL:
            self._end()
            self.stream.finished()
        elif self.stream.unsent:
            self.fail(504, "The client did not read the response in time.")
        else:
            self.fail(504, "The response stopped.")

    def _still_moving(self) -> bool:
        """Whether the amount of unsent data, in both directions, has changed since the last call, and is not 0."""
        unsent = self.stream.unsent + (self.upstream.unsent if self.upstream is not None else 0)
        before, self._unsent = self._unsent, unsent
        return 0 < unsent != before

    # -- the end

    def fail(self, status: int, sentence: str, why: str = "", code: int = 0) -> None:
        """End with an error response of the gate's own. A response that has begun is cut, detectably for the client.

        The client is told ``sentence``, the log ``why`` if there is more to say. ``code`` is the one of the app's
        RST_STREAM. gRPC gives it a meaning (PROTOCOL-HTTP2.md, "HTTP2 Transport Mapping"), so a call gets it in any
        case.
        """
        if self.state is ENDED:
            return
        self.detail = why or sentence
        if self.state in (STREAMING, TUNNEL) or (code and self.visit.is_grpc(self.head)):
            self.status = self.status or status
            self._end()
            self.stream.abort(code)
            return
        self.status = status
        stream = self.stream
        self.sent = self.visit.send_error(stream, self.head, status, sentence, self.request_id, close=False)
        self._end()
        stream.finished()

    def judge_anew(self) -> None:
        """End the exchange if the request would be refused now, detectably for the client."""
        if self.state is ENDED:
            return
        visit = self.visit
        proxy = visit.proxy
        now = proxy.wall()
        refusal = visit.withdrawn(self.head, self.forward, now)
        if refusal is None:
            return
        if isinstance(refusal, NoRoute):
            self._withdraw_route(refusal)
            return
        if refusal.pending:
            visit.ask(self.judge_anew)
            return
        visit.tls.forget_session()
        proxy.journal.revoked(refusal.reason)
        self.reason, self.detail = refusal.reason, refusal.detail
        self._withdraw(refusal, now)

    def _withdraw(self, refusal: Refuse, now: float) -> None:
        """End because of a refusal: with a 403 if no response has begun."""
        if not self._cut():
            page = self.visit.refusal_page(self.head, refusal, self.request_id, now)
            self.status, self.sent = page.status, len(page.body)
            self._end()
            self.stream.refuse(page.status, page.headers, page.body)

    def _withdraw_route(self, gone: NoRoute) -> None:
        """End because the route is gone: if no response has begun, with what a new request would get."""
        self.detail = gone.detail
        if not self._cut():
            self.fail(gone.status, gone.detail)

    def _cut(self) -> bool:
        """End a response that has begun; False if none has.

        A WebSocket is closed by a close frame if it is between two frames. A download is cut at once, without what is
        unsent, so that the client sees it truncated.
        """
        if self._is_between_frames():
            self._close_tunnel(POLICY_VIOLATION)
        elif self.state in (STREAMING, TUNNEL):
            self._end()
            self.stream.reset()
        else:
            return False
        return True

    def drain(self) -> None:
        """The gate is stopping: close a WebSocket if it is between two frames, since it would not end by itself."""
        if self._is_between_frames():
            self._close_tunnel(GOING_AWAY)

    def _is_between_frames(self) -> bool:
        return self.state is TUNNEL and self._frames is not None and self._frames.between

    def _close_tunnel(self, code: int) -> None:
        if self._frames is not None and not self._frames.closed:
            self.stream.send_content(close_frame(code, self.reason))
        self._end()
        self.stream.finished()

    def _end(self) -> None:
        """Release the upstream stream and write the log line."""
        if self.state is TUNNEL:
            self.visit.proxy.journal.tunnel_closed()
        self._move(ENDED)
        if self.upstream is not None:
            self.upstream.reset()
            self.upstream = None
        if self._upstream_slow:
            self.stream.resume_request(PauseReason.UPSTREAM)
        visit = self.visit
        visit.proxy.requests.end(self)
        journal = visit.proxy.journal
        self.duration = journal.since(self.started)
        journal.ended(visit.visitor, self.head, self)

    def _upstream(self) -> UpstreamStream:
        if self.upstream is None:
            raise AssertionError("no upstream connection")
        return self.upstream

    def _failed(self, why: str, upstream: UpstreamStream | None = None) -> None:
        upstream = upstream or self._upstream()
        self.detail = why
        self.tried = (*self.tried, upstream.endpoint)
        upstream.endpoint.failed(why, self.visit.proxy.loop.time())
