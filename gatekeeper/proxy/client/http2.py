"""HTTP/2 to a client: the codec of one connection (RFC 9113). Each request has an `http2_stream.Http2Stream`.

Frames, windows and limits against floods are `gatekeeper.wire.http2`'s; what a refusal, a reload and the end of the
gate mean for a connection with many requests is decided here.
"""

from typing import Final

from gatekeeper.errors import HTTP2Error
from gatekeeper.gate.decision import Denied
from gatekeeper.proxy.client.http2_pending import PendingRequests
from gatekeeper.proxy.client.http2_refusals import Refusals
from gatekeeper.proxy.client.http2_request import Owner
from gatekeeper.proxy.client.http2_stream import Http2Stream
from gatekeeper.proxy.client.misdirected import MisdirectedHosts
from gatekeeper.proxy.deadline import StreamDeadline, StreamDeadlines, Timeout
from gatekeeper.proxy.proxy import Proxy
from gatekeeper.proxy.states import PauseReason
from gatekeeper.proxy.streams import Codec, Link
from gatekeeper.proxy.visit import Visit
from gatekeeper.telemetry.log_lines import HTTP_2
from gatekeeper.telemetry.metrics import Cell
from gatekeeper.wire.http2.frames import ErrorCode
from gatekeeper.wire.http2.requests import RejectedRequest
from gatekeeper.wire.http2.server import ServerConnection, ServerHandler
from gatekeeper.wire.http2.stream import Stream
from gatekeeper.wire.request import RequestHead

# RFC 9113, 6.8: at least a round trip between the two GOAWAYs of a server that stops.
DRAIN_SECONDS: Final = 1.0
# A member costs 0.08 µs for each access by its class.
_IDLE: Final = Timeout.IDLE


class Http2(Codec, ServerHandler, Owner):
    """The codec of one connection. ``link`` and ``visit`` are the connection's."""

    __slots__ = (
        "_corked",
        "_header",
        "_pending",
        "_proxy",
        "_refusals",
        "_scheduled",
        "_slow",
        "_snapshot",
        "_streams",
        "_unsent",
        "connection",
        "deadlines",
        "link",
        "misdirected",
        "visit",
    )

    def __init__(self, link: Link, visit: Visit) -> None:
        self.link = link
        self.visit = visit
        self._proxy: Proxy = visit.proxy
        visit.settle_protocol(HTTP_2)
        self._proxy.metrics.change(Cell.HTTP2_CONNECTIONS, 1)
        authorizer = visit.authorizer(self._proxy.wall())
        self._snapshot = snapshot = visit.snapshot
        streams = snapshot.settings.limits.http2_streams
        # RFC 9113, 6.5.2. Who will be refused whatever the request is told to ask one at a time; what was sent before
        # that was read is answered all the same.
        stranger = isinstance(authorizer.fixed_decision, Denied) and not authorizer.pending
        self.connection = ServerConnection(
            self, snapshot.blocks, max_streams=1 if stranger else streams, cache=authorizer.admitted
        )
        self.connection.max_streams = streams
        self._streams: dict[int, Http2Stream] = {}
        self.deadlines = StreamDeadlines(self._proxy.loop)
        self._pending = PendingRequests(self)
        self.misdirected = MisdirectedHosts(visit)
        self._corked = False  # `flush` follows, or is under way
        self._scheduled = self._slow = False
        self._refusals: Refusals | None = None
        self._header: StreamDeadline | None = None
        self._unsent = 0
        self._await_request()
        self.flush()
        if self._proxy.draining:
            self.drain()

    # -- called by the connection

    def receive(self, data: bytes) -> None:
        """Decrypted bytes: frames."""
        snapshot = self._proxy.snapshot
        if snapshot is not self._snapshot:
            self._snapshot = snapshot
            self.connection.renew(snapshot.blocks)
        connection = self.connection
        self._corked = True
        connection.receive(data, self._proxy.loop.time())
        self._corked = False
        if connection.out or connection.ready or connection.sent_goaway >= 0:
            self.flush()

    def close_notify_received(self) -> None:
        """The client sends no more (RFC 8446, 6.1): answer complete requests, as far as its windows allow."""
        self._corked = True
        for stream in list(self._streams.values()):
            stream.client_closed()
        self._corked = False
        if self._streams:
            self.connection.go_away()
            self.flush()
        else:
            self.link.close()

    def fin_received(self) -> None:
        """TCP was closed for writing, which ends TLS: what the client has not received by now may never arrive."""
        for stream in list(self._streams.values()):
            if stream.handler is not None:
                stream.handler.client_closed()

    def connection_lost(self) -> None:
        """The client is gone: tell the handlers of its requests."""
        self._slow = True
        self._proxy.metrics.change(Cell.HTTP2_CONNECTIONS, -1)
        if self._refusals is not None:
            self._refusals.forget()
        self._lose_streams()
        if self._header is not None:
            self._header.end()
        self.deadlines.end()

    def pause_writing(self) -> None:
        """The transport's buffer is full: further data waits in its stream, or unread in the kernel."""
        self._slow = True
        self.link.pause_reading(PauseReason.AHEAD)

    def resume_writing(self) -> None:
        """The transport's buffer has drained."""
        self._slow = False
        self.flush()
        if not self._slow:
            self.link.resume_reading(PauseReason.AHEAD)

    def expired(self, timeout: Timeout) -> None:
        """No request has come for a time, or the beginning of one: close, unless the client still takes a response."""
        if timeout is Timeout.REQUEST_HEADER:
            if self.link.paused:  # the rest may have come, unread
                self.header_begun()
            else:
                self.connection.expire_block()
            return
        unsent = sum([stream.unsent for stream in self.connection.streams.values()])
        before, self._unsent = self._unsent, unsent
        if self._streams or 0 < unsent != before:
            self._await_request()
            return
        self.connection.go_away()
        self.flush()
        self.link.linger()

    def judge_anew(self) -> None:
        """The verdict may have changed: tell every request under way."""
        for stream in list(self._streams.values()):
            if stream.handler is not None:
                stream.handler.judge_anew()

    def drain(self) -> None:
        """Announce the end in two steps, so that no request in transit is lost (RFC 9113, 6.8)."""
        self.connection.drain()
        for stream in list(self._streams.values()):
            if stream.handler is not None:
                stream.handler.drain()
        self.flush()
        self._proxy.loop.call_later(DRAIN_SECONDS, self._go_away)

    def _go_away(self) -> None:
        if not self.link.closing:
            self.connection.go_away()
            self.flush()

    # -- called by the wire's connection

    def request(self, stream: Stream, head: RequestHead, ended: bool) -> None:
        """A request: judged anew, whatever the verdict about the last one was."""
        visit = self.visit
        visit.requests += 1
        now = self._proxy.wall()
        authorizer = visit.authorizer(now)
        self.connection.cache = authorizer.admitted
        own = self._streams[stream.id] = Http2Stream(self, stream, head)
        self._proxy.metrics.http2_streams += 1
        if not authorizer.admitted and authorizer.pending:
            self._pending.add(own)
        else:
            own.dispatch(authorizer, now)

    def rejected(self, stream: Stream, request: RejectedRequest) -> None:
        """A request that is malformed or too large: the answer says why, and the connection ends as after a 403:
        whoever sends one has no claim on a second. For what is malformed, an error follows the answer (RFC 9113,
        8.1.1).
        """
        visit, error = self.visit, request.error
        visit.requests += 1
        now = self._proxy.wall()
        visit.authorizer(now)
        own = self._streams[stream.id] = Http2Stream(self, stream, request.head)
        own.malformed = error.status == 400
        self._proxy.metrics.http2_streams += 1
        request_id = visit.next_request_id()
        sent = visit.send_error(own, request.head, error.status, error.detail, request_id, close=False)
        self._proxy.journal.answered(visit.visitor, request.head, error.status, sent, request_id, now, error.detail)
        self.refused()
        own.finished()

    def header_begun(self) -> None:
        """Limit the time for the rest of a header. Streams that end meanwhile set the link's own deadline."""
        if self._header is None:
            self._header = StreamDeadline(self.deadlines, self.expired)
        self._header.set(Timeout.REQUEST_HEADER, self.visit.snapshot.timeouts.request_header)

    def probed(self) -> None:
        """The client has read all its refusals."""
        if self._refusals is not None:
            self._refusals.all_read()

    def going_away(self, last_stream_id: int, code: int) -> None:
        """The client sends no further request. Those under way go on."""

    def failed(self, error: HTTP2Error) -> None:
        """The client broke a rule of the whole connection (RFC 9113, 5.4.1): it is told which, and that is all."""
        self._lose_streams()
        last = self.connection.data_to_send()
        self._slow = True
        self.link.linger(last)

    def _lose_streams(self) -> None:
        streams, self._streams = self._streams, {}
        self._proxy.metrics.http2_streams -= len(streams)
        for stream in streams.values():
            stream.lost()

    # -- called by the streams, and for those that wait

    def is_under_way(self, stream: Http2Stream) -> bool:
        """Whether the client still waits for this response."""
        return self._streams.get(stream.id) is stream

    def flush(self) -> None:
        """Send what is due, while the transport's buffer has room. Within a call of `receive` it waits for the end."""
        if self._corked or self._slow:
            return
        connection = self.connection
        if not connection.ready and connection.sent_goaway < 0:  # nearly always
            if data := connection.data_to_send():
                self.link.write(data)
            return
        self._corked = True
        while data := connection.data_to_send():
            self.link.write(data)
            if self._slow or not connection.ready:
                break
        self._corked = False
        if connection.sent_goaway >= 0 and not self._streams and not connection.streams and not self._slow:
            self._slow = True
            self.link.linger()

    def _flush_scheduled(self) -> None:
        self._scheduled = False
        self.flush()

    def ended(self, stream_id: int, unsent: int) -> None:
        """A request is finished, and so many bytes of its response wait in the stream. With further ones under way,
        its response is sent together with those that come in this turn of the loop: with 32 requests under way that
        saves a third of what a request costs.
        """
        streams, proxy = self._streams, self._proxy
        if streams.pop(stream_id, None) is not None:
            proxy.metrics.http2_streams -= 1
            if not streams:  # as `_await_request`
                self.link.deadline.set(_IDLE, self.visit.snapshot.timeouts.idle)
        if not streams or unsent:
            self.flush()
        elif not (self._scheduled or self._corked or self._slow):
            self._scheduled = True
            proxy.loop.call_soon(self._flush_scheduled)

    def refused(self) -> None:
        """A request got its last answer; the connection ends soon."""
        if self._refusals is None:
            self._refusals = Refusals(self._proxy.loop, self.connection, self._go_away)
        self._refusals.add()

    def broken(self) -> None:
        """A malformed request whose stream is closed is an error of the connection (RFC 9113, 5.4.1), unless others are
        under way: to some clients, theirs would be lost with it.
        """
        if not self._streams:
            self.connection.go_away(ErrorCode.PROTOCOL_ERROR)
            self.flush()

    def _await_request(self) -> None:
        self.link.deadline.set(_IDLE, self.visit.snapshot.timeouts.idle)
