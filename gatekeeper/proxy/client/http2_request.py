"""What a client sends with a request of HTTP/2: content on its way from the wire's stream to the request's handler."""

from dataclasses import replace
from typing import Final, Protocol

from gatekeeper.proxy.client.misdirected import MisdirectedHosts
from gatekeeper.proxy.deadline import Deadline, StreamDeadline, StreamDeadlines, Timeout
from gatekeeper.proxy.states import PauseReason
from gatekeeper.proxy.streams import Link, RequestHandler
from gatekeeper.proxy.visit import Visit
from gatekeeper.proxy.websocket import accept_of, new_key
from gatekeeper.wire.http2.stream import Stream, StreamHandler
from gatekeeper.wire.request import RequestHead

_NOT_PAUSED: Final[frozenset[PauseReason]] = frozenset()


class Owner(Protocol):
    """The codec of the connection."""

    __slots__ = ()

    link: Link
    visit: Visit
    deadlines: StreamDeadlines
    misdirected: MisdirectedHosts

    def flush(self) -> None:
        """Send what is due."""

    def ended(self, stream_id: int, unsent: int) -> None:
        """The request is finished: send the end of its response, of which so many bytes wait in the stream."""

    def refused(self) -> None:
        """The request got 403."""

    def broken(self) -> None:
        """The request was malformed, and the client has had time to read why."""


class Http2Request(StreamHandler):
    """The client's half of a request's stream. `http2_stream.Http2Stream` is the other half, the answer.

    ``id`` is the stream's number, ``paused`` why the client gets no further credit for its body, and ``malformed``
    whether an error follows the answer.
    """

    __slots__ = (
        "_accept",
        "_end",
        "_has_body",
        "_held",
        "_owner",
        "_stream",
        "_tunnel",
        "_uncredited",
        "_unsent",
        "_visit",
        "deadline",
        "handler",
        "head",
        "id",
        "malformed",
        "paused",
    )

    def __init__(self, owner: Owner, stream: Stream, head: RequestHead) -> None:
        self._owner = owner
        self._stream = stream
        self._visit = owner.visit
        self.id = stream.id
        self.deadline: Deadline = StreamDeadline(owner.deadlines, self._expired)
        self.handler: RequestHandler | None = None
        self.head = head
        self.malformed = False
        self.paused = _NOT_PAUSED
        self._accept = b""  # of a WebSocket handshake
        self._tunnel = False  # it came about
        self._has_body = False
        self._held: list[bytes] | None = None  # of the body, while there is nobody to give it to
        self._end: bytes | None = None  # trailers that wait behind it
        self._uncredited = 0
        self._unsent = 0
        stream.handler = self
        if not head.wire_head:
            self._has_body = head.has_body or bool(head.upgrade)
            if head.upgrade:
                self._give_key(head)

    def _give_key(self, head: RequestHead) -> None:
        """RFC 8441, 5: HTTP/2 has no Sec-WebSocket-Key, but the app's HTTP/1.1 handshake needs one."""
        key = new_key()
        self._accept = accept_of(key)
        block = head.block
        line = b"Sec-WebSocket-Key: %b\r\n" % key
        self.head = replace(head, block=replace(block, forward=block.forward + line))

    def finished(self) -> None:
        """The request is finished."""
        raise NotImplementedError

    def _expired(self, timeout: Timeout) -> None:
        """The client, or the app, has kept the other waiting for too long."""
        raise NotImplementedError

    # -- called by the wire's stream

    def content(self, data: bytes) -> None:
        """More of the body, or bytes of the tunnel."""
        handler = self.handler
        if handler is None or PauseReason.CONNECTING in self.paused or (self._accept and not self._tunnel):
            if self._held is None:
                self._held = []
            self._held.append(data)
            return
        if self._has_body:
            handler.request_content(data)
        if self.paused and self.handler is not None:
            self._uncredited += len(data)
        elif self.handler is not None:
            self._stream.consumed(len(data))

    def end(self, trailers: bytes) -> None:
        """The end of the body, or of the tunnel."""
        handler = self.handler
        if self._held or handler is None or PauseReason.CONNECTING in self.paused:
            self._end = trailers
        elif self._accept:
            # The client closes its half of a tunnel: a WebSocket says all that it has to say before that.
            handler.client_gone()
            self.finished()
        elif self._has_body:
            handler.request_end(b"", trailers)

    # -- the request, called by the handler

    def pause_request(self, why: PauseReason) -> None:
        """Give no more credit (RFC 9113, 6.9): at most one window of content follows."""
        self.paused |= {why}

    def resume_request(self, why: PauseReason) -> None:
        """Remove one reason, and give credit again if it was the last."""
        self.paused -= {why}
        if why is PauseReason.CONNECTING and not (self._accept and not self._tunnel):
            self._release()
        if not self.paused and self._uncredited:
            size, self._uncredited = self._uncredited, 0
            self._stream.consumed(size)
        self._owner.flush()

    def _release(self) -> None:
        """Pass on what was held back."""
        held, self._held = self._held, None
        for data in held or ():
            if self.handler is not None:
                self.content(data)
        end, self._end = self._end, None
        if end is not None and self.handler is not None:
            self.end(end)
