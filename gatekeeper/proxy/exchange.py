"""One request of an admitted client and its response, from the first byte to the line in the access log."""

from typing import TYPE_CHECKING

from gatekeeper.errors import MessageError
from gatekeeper.gate.decision import Forward
from gatekeeper.proxy.deadline import Timeout
from gatekeeper.proxy.forwarding import believed_request_id, visitor_headers, whole_head
from gatekeeper.proxy.states import CONNECTING, ENDED, STREAMING, TRANSITIONS, TUNNEL, WAITING, PauseReason, Stage
from gatekeeper.proxy.websocket import GOING_AWAY, POLICY_VIOLATION, FrameTracker, close_frame
from gatekeeper.wire.framing import Body, Framing, chunk, last_chunk
from gatekeeper.wire.request import RequestHead
from gatekeeper.wire.response import ResponseHead, framing_line, incomplete_response, read_response
from gatekeeper.wire.rules import MessageRule

if TYPE_CHECKING:
    from gatekeeper.proxy.client.connection import Downstream
    from gatekeeper.proxy.upstream.endpoint import Endpoint
    from gatekeeper.proxy.upstream.http1 import UpstreamConnection


# RFC 9110, 9.2.2: what may be sent again when nobody knows whether it was carried out.
IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"})
# One 100 and a handful of 103 are use, more is an upstream gone wild.
MAX_INTERIM_RESPONSES = 16

_END = b"\r\n\r\n"
_CLOSE = b"Connection: close\r\n\r\n"
_RESPONSE_HEADER, _STREAM, _TUNNEL = Timeout.RESPONSE_HEADER, Timeout.STREAM, Timeout.TUNNEL


class Exchange:
    """A request that may go to an upstream (hence ``forward``), and what becomes of it."""

    # What most exchanges never change stands on the class: half of the cost of making one.
    stage = CONNECTING
    upstream: "UpstreamConnection | None" = None
    status = 0
    sent = 0
    received = 0
    duration = 0.0
    upstream_time: float | None = None
    reason = ""
    detail = ""
    tried: "tuple[Endpoint, ...]" = ()  # endpoints that could not be reached, or gave no answer
    _body: Body | None = None  # what of the request is still to come
    _first = b""
    _held = b""
    _interim = 0
    _response_body: Body | None = None
    _chunked = False
    _keep_alive = False

    def __init__(self, downstream: "Downstream", head: RequestHead, forward: Forward, started: float) -> None:
        self.downstream = downstream
        self.head = head
        self.forward = forward
        self.started = started
        self.request_id = downstream.next_request_id()
        if not head.wire_head:
            self._body = head.body()

    def begin(self, rest: bytes) -> None:
        """Find an upstream connection and send the request; ``rest`` is what came with its head."""
        snapshot = self.downstream.snapshot
        self._pool = snapshot.upstreams[self.forward.upstream]
        if self._body is not None:
            limit = snapshot.settings.limits.request_body
            if limit is not None and self.head.block.length > limit:
                self.fail(413, "The request body is too large.")
                return
            self._first = rest
        elif rest:
            self.downstream.buffer(rest)
        if self.head.wire_head and not self.downstream.trusted:
            request_id = self.request_id.encode("ascii")
            self._request = b"".join(
                (self.head.wire_head, self.downstream.headers, b"X-Request-Id: ", request_id, _END)
            )
        else:
            self._request = self._head_for_upstream()
        upstream = self._pool.take()
        if upstream is None:
            self._connect()
        else:
            self._send(upstream, self.started)

    def _head_for_upstream(self) -> bytes:
        """The request head where something about it, or about who speaks for the visitor, is out of the ordinary."""
        downstream, block = self.downstream, self.head.block
        proxy = downstream.address if downstream.trusted else None
        if proxy is not None:
            self.request_id = believed_request_id(block) or self.request_id
        headers = visitor_headers(downstream.headers, block, proxy, downstream.snapshot.trusts)
        return whole_head(self.head, headers, self._pool.authority, self.request_id)

    def _connect(self) -> None:
        downstream = self.downstream
        if self._body is not None:
            downstream.pause_reading(PauseReason.CONNECTING)
        downstream.deadline.cancel()  # the pool has its own
        self._pool.connect(self, downstream.snapshot.timeouts.connect)

    def _move(self, stage: Stage) -> None:
        if stage not in TRANSITIONS[self.stage]:
            raise AssertionError(f"an exchange cannot go from {self.stage} to {stage}")
        self.stage = stage

    # -- the request, called by the downstream and by the pool

    def connected(self, upstream: "UpstreamConnection") -> None:
        """The pool found or made a connection: send the request."""
        self._send(upstream, self.downstream.proxy.wall())

    def _send(self, upstream: "UpstreamConnection", now: float) -> None:
        self._move(WAITING)
        self.upstream = upstream
        upstream.exchange = self
        self._sent_at = now
        downstream = self.downstream
        upstream.transport.write(self._request)
        if self._body is None:
            downstream.deadline.set(_RESPONSE_HEADER, downstream.snapshot.timeouts.response_header)
        else:
            downstream.resume_reading(PauseReason.CONNECTING)
            first, self._first = self._first, b""
            self._request_body(first)

    def client_sent(self, data: bytes) -> None:
        """More from the client: body, bytes of the tunnel, or the next request ahead of its turn."""
        if self.stage is TUNNEL:
            self._touch(_TUNNEL)
            self._upstream().write(data)
        elif self._body is None:
            self.downstream.buffer(data)
        elif self.stage is CONNECTING:
            self._first += data
        else:
            self._request_body(data)

    def _request_body(self, data: bytes) -> None:
        body = self._body
        if body is None:
            raise AssertionError("the request is complete")
        try:
            content, rest = body.feed(data)
        except MessageError as error:
            self.fail(error.status, error.detail)
            return
        self.received += len(content)
        limit = self.downstream.snapshot.settings.limits.request_body
        if limit is not None and self.received > limit:
            self.fail(413, "The request body is too large.")
            return
        chunked = self.head.block.framing is Framing.CHUNKED
        out = chunk(content) if chunked else content
        if rest is None:
            self._touch(Timeout.REQUEST_BODY)
        else:
            out += last_chunk(body.trailers) if chunked else b""
            self._request_complete(rest)
        if out:
            self._upstream().write(out)

    def _request_complete(self, rest: bytes) -> None:
        self._body = None
        if rest:
            self.downstream.buffer(rest)
        if self.stage is WAITING:
            timeouts = self.downstream.snapshot.timeouts
            self.downstream.deadline.set(Timeout.RESPONSE_HEADER, timeouts.response_header)

    def client_finished(self, *, last: bool) -> bool:
        """The client sends no more; True if its request is whole, so that the answer still comes.

        Where it is the ``last`` one, the answer says so.
        """
        behind = self._behind()
        if behind is None or self.head.upgrade:
            return False
        if last and not behind:
            self.head = self.head.as_last()
            self._keep_alive = False
        return True

    def _behind(self) -> bytes | None:
        """What came behind a body that waits for an upstream; None where some of the request is still to come."""
        if self._body is None:
            return b""
        body = self.head.body()
        if body is None or self.stage is not CONNECTING:
            return None
        try:
            return body.feed(self._first)[1]
        except MessageError:
            return None

    def client_gone(self) -> None:
        """The client went away: the upstream's work is for nobody, so it is told by closing."""
        if self.stage is ENDED:
            return
        self.status = self.status or 499  # nginx's number for it, in the log only
        if self.stage is TUNNEL:
            self._upstream().finish(self.downstream.proxy.loop)
            self.upstream = None
        self._end()
        self.downstream.exchange = None

    def client_is_slow(self) -> None:
        """Read no more from the upstream until the client has taken what is there."""
        if self.upstream is not None:
            self.upstream.pause_reading()

    def client_is_ready(self) -> None:
        """The client has taken what was there."""
        if self.upstream is not None:
            self.upstream.resume_reading()

    def upstream_is_slow(self) -> None:
        """Read no more from the client until the upstream has taken what is there."""
        self.downstream.pause_reading(PauseReason.UPSTREAM)

    def upstream_is_ready(self) -> None:
        """The upstream has taken what was there."""
        self.downstream.resume_reading(PauseReason.UPSTREAM)

    def expired(self, wait: Timeout) -> None:
        """A timeout of ``[timeouts]`` has passed."""
        if wait is Timeout.RESPONSE_HEADER:
            self._unanswered("no answer in time")
            self.fail(504, "The app did not answer in time.")
        elif wait is Timeout.REQUEST_BODY and PauseReason.UPSTREAM in self.downstream.pause_reasons:
            self.fail(504, "The app did not take the request body in time.")
        elif wait is Timeout.REQUEST_BODY:
            self.fail(408, "The request body did not arrive in time.")
        elif wait is Timeout.TUNNEL:
            self._end()
            self.downstream.exchange_ended(keep_alive=False)
        else:
            self.fail(504, "The response stopped.")

    # -- the response, called by the upstream connection

    def upstream_sent(self, data: bytes) -> None:
        """More from the upstream: head, body, or bytes of the tunnel."""
        stage = self.stage
        if stage is WAITING:
            if self._held:
                data, self._held = self._held + data, b""
            self._response_head(data)
        elif stage is STREAMING:
            self._touch(_STREAM)
            self._response_content(data)
        elif stage is TUNNEL:
            self._touch(_TUNNEL)
            self.sent += len(data)
            self._frames.feed(data)
            self.downstream.write(data)
        else:
            raise AssertionError(f"an upstream sent something while {stage}")

    def upstream_gone(self, error: Exception | None) -> None:
        """The upstream's connection is closed; that ends the response, one way or the other."""
        upstream, self.upstream = self.upstream, None
        if self.stage is TUNNEL:
            self._end()
            self.downstream.exchange_ended(keep_alive=False)
        elif self.stage is STREAMING:
            self._response_cut(error)
        elif upstream is not None and self._may_be_sent_again(upstream):
            self._move(CONNECTING)
            self._connect()
        else:
            self.fail(502, "The app closed the connection without an answer.")

    def _may_be_sent_again(self, upstream: "UpstreamConnection") -> bool:
        """On a fresh connection where a kept one was closed just when it was used again; else at another endpoint."""
        if self._held or self._interim:
            return False
        if not upstream.used_before:
            self._unanswered("closed without an answer", upstream)
        if self.head.method not in IDEMPOTENT or self.head.body() is not None:
            return False
        return upstream.used_before or self._pool.has_another(self.tried)

    def _unanswered(self, why: str, upstream: "UpstreamConnection | None" = None) -> None:
        upstream = upstream or self._upstream()
        self.detail = why
        self.tried = (*self.tried, upstream.endpoint)
        upstream.endpoint.failed(why, self.downstream.proxy.loop.time())

    def _response_cut(self, error: Exception | None) -> None:
        response = self._response
        if error is None and response.framing is Framing.UNTIL_CLOSE:
            self._complete(b"", last_chunk() if self._chunked else b"")
        else:
            self.fail(502, "The response is incomplete.")

    def _response_head(self, data: bytes) -> None:
        end = data.find(b"\r\n\r\n") + 4
        try:
            if end < 4:
                incomplete_response(data)
                self._held = data
                return
            response = read_response(data if end == len(data) else data[:end])
            if response.status < 200:
                self._interim_response(response, data[end:])
                return
        except MessageError as error:
            self.fail(502, f"The app's response cannot be passed on: {error.detail}")
            return
        downstream, upstream = self.downstream, self._upstream()
        if upstream.endpoint.health.failures:
            upstream.endpoint.health.answered()
        self.upstream_time = downstream.proxy.since(self._sent_at)
        self.status = response.status
        self._response = response
        plain = self.head.wire_head and not downstream.warning and not downstream.proxy.draining
        if plain and response.content_length == len(data) - end:
            # Most responses: in one piece, to a plain request. The long way gives the same, and costs 2 µs more.
            self.sent = response.content_length
            last = b""
            if self.head.closes:
                last = response.wire_head[:-2] + _CLOSE + data[end:]
            else:
                downstream.write(response.wire_head + data[end:])
            self._release(upstream)
            self._move(ENDED)
            downstream.proxy.exchange_ended(self)
            downstream.exchange_ended(keep_alive=not last, last=last)
            return
        self._move(STREAMING)
        body = self._response_body = response.body(self.head.method)
        start = self._head_for_client(response, body)
        rest = data[end:]
        if body is None:
            self._complete(rest, start)
            return
        try:
            content, left = self._response_fed(rest)
        except MessageError as error:
            downstream.write(start)
            self.fail(502, f"The app's response is malformed: {error.detail}")
            return
        if left is None:
            downstream.write(start + content)
            self._touch(Timeout.STREAM)
        else:
            self._complete(left, start + content)

    def _head_for_client(self, response: ResponseHead, body: Body | None) -> bytes:
        keep_alive = self._keep_alive = self._keeps_alive(response, body)
        warning = self.downstream.warning
        if self.head.minor == 1:
            self._chunked = body is not None and response.framing is not Framing.LENGTH
            if keep_alive and not warning and (body is not None or response.framing is Framing.LENGTH):
                return response.wire_head
        framing = b""
        if response.framing is Framing.LENGTH or self._chunked:
            framing = framing_line(response.framing, response.length, response.status)
        connection = b"" if keep_alive else b"Connection: close\r\n"
        if keep_alive and self.head.minor == 0:
            connection = b"Connection: keep-alive\r\n"
        return response.fields + framing + warning + connection + b"\r\n"

    def _keeps_alive(self, response: ResponseHead, body: Body | None) -> bool:
        """Whether the client's connection goes on after this response."""
        delimited = body is None or response.framing is Framing.LENGTH or self.head.minor == 1
        return delimited and self._body is None and self.head.keep_alive and not self.downstream.proxy.draining

    def _interim_response(self, response: ResponseHead, rest: bytes) -> None:
        """1xx: pass it on (RFC 9110, 15.2), bounded; 101 makes a tunnel if the client asked for one."""
        self._interim += 1
        if self._interim > MAX_INTERIM_RESPONSES:
            raise MessageRule.RESPONSE_INTERIM.error()
        if response.status == 101:
            self._switch(response, rest)
            return
        unasked = response.status == 100 and not self.head.block.expects_continue
        if self.head.minor == 1 and not unasked:
            self.downstream.write(response.fields + b"\r\n")
        if rest:
            self._response_head(rest)

    def _switch(self, response: ResponseHead, rest: bytes) -> None:
        if not (self.head.upgrade and response.upgrade):
            raise MessageRule.RESPONSE_SWITCH.error()
        self.status = 101
        self._upstream().endpoint.health.answered()
        self.upstream_time = self.downstream.proxy.since(self._sent_at)
        self._move(TUNNEL)
        self.downstream.proxy.tunnel_opened()
        self._touch(Timeout.TUNNEL)
        self.sent = len(rest)
        self._frames = FrameTracker()
        self._frames.feed(rest)
        self.downstream.write(response.fields + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + rest)
        self.downstream.replay_buffered()

    def _response_fed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """What goes to the client for ``data``, and what is behind the body if this was its end."""
        body = self._response_body
        if body is None:
            raise AssertionError("the response has no body")
        content, left = body.feed(data)
        self.sent += len(content)
        if not self._chunked:
            return content, left
        return chunk(content) + (last_chunk(body.trailers) if left is not None else b""), left

    def _response_content(self, data: bytes) -> None:
        try:
            content, left = self._response_fed(data)
        except MessageError as error:
            self.fail(502, f"The app's response is malformed: {error.detail}")
            return
        if left is not None:
            self._complete(left, content)
        elif content:
            self.downstream.write(content)

    def _complete(self, left: bytes, last: bytes) -> None:
        """The response is whole with ``last``. The upstream's connection is kept only if nobody can doubt its state."""
        upstream = self.upstream
        settled = self._body is None and not (self.received and upstream and upstream.transport.get_write_buffer_size())
        if upstream is not None and self._response.reusable and not left and settled:
            self._release(upstream)
        self._end()
        self.downstream.exchange_ended(keep_alive=self._keep_alive, last=last)

    def _release(self, upstream: "UpstreamConnection") -> None:
        self.upstream = upstream.exchange = None
        self._pool.release(upstream)

    # -- the end

    def fail(self, status: int, detail: str) -> None:
        """End with an error of the gate's own; if the response had begun, by cutting it so that the client can tell."""
        if self.stage is ENDED:
            return
        downstream = self.downstream
        begun = self.stage in (STREAMING, TUNNEL)
        if begun:
            self._end()
            downstream.exchange = None
            downstream.abort()
            return
        keep_alive = self._body is None and self.head.keep_alive and not downstream.proxy.draining
        self.status = status
        self.sent = downstream.fail(status, detail, self.head, self.request_id, close=not keep_alive)
        self._end()
        downstream.exchange_ended(keep_alive=keep_alive)

    def drain(self) -> None:
        """The gate is stopping: a WebSocket is closed where its frames allow it, since it would never end by itself."""
        if self.stage is TUNNEL and self._frames.between:
            self.cut(GOING_AWAY)

    def cut(self, code: int = POLICY_VIOLATION) -> bool:
        """The client is let in no longer: end what has begun so that it can tell. False if no response has begun.

        A WebSocket is closed in order where its frames allow it. A download is cut without a TLS goodbye and at
        once, whatever the client has not read yet: it looks as truncated as it is.
        """
        if self.stage not in (STREAMING, TUNNEL):
            return False
        downstream = self.downstream
        in_order = self.stage is TUNNEL and self._frames.between
        if in_order and not self._frames.closed:
            downstream.write(close_frame(code, self.reason))
        self._end()
        if in_order:
            downstream.exchange_ended(keep_alive=False)
        else:
            downstream.exchange = None
            downstream.transport.abort()
        return True

    def end_with(self, status: int, sent: int) -> None:
        """The gate has given an answer of its own, and the connection ends with it."""
        self.status, self.sent = status, sent
        self._end()
        self.downstream.exchange = None

    def _end(self) -> None:
        """Let go of the upstream and write the line in the log."""
        downstream = self.downstream
        if self.stage is CONNECTING:
            self._pool.forget(self)
        self._move(ENDED)
        if self.upstream is not None:
            self.upstream.close()
            self.upstream = None
        if downstream.pause_reasons:
            downstream.resume_reading(PauseReason.UPSTREAM)
            downstream.resume_reading(PauseReason.CONNECTING)
        downstream.proxy.exchange_ended(self)

    def _upstream(self) -> "UpstreamConnection":
        if self.upstream is None:
            raise AssertionError("no upstream connection")
        return self.upstream

    def _touch(self, wait: Timeout) -> None:
        timeouts = self.downstream.snapshot.timeouts
        seconds = timeouts.tunnel_idle if wait is _TUNNEL else timeouts.stream_idle
        self.downstream.deadline.set(wait, seconds)
