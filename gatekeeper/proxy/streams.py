"""The interfaces between the client's side, an exchange, and the app's side. No code, only Protocols.

Who implements one derives from it: compiled, a call then goes by a table (20 instructions) and not by the name (250).

A codec (`client.http1`, `client.http2`) implements one HTTP version on one client connection. It passes what the client
sends, without framing, to a `RequestHandler`, which answers through a `ClientStream`. On the other side an
`UpstreamStream` sends a request and passes the app's response to a `ResponseHandler`. `exchange.Exchange` is both
handlers, for any pair of HTTP versions.

Content and trailers are bytes without framing: each codec removes the framing of its side and writes its own. In a
tunnel (a WebSocket) content is the bytes of the tunnel, in both directions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from gatekeeper.errors import MessageError
from gatekeeper.proxy.deadline import Deadline, Timeout
from gatekeeper.proxy.states import PauseReason
from gatekeeper.proxy.upstream.health import Health
from gatekeeper.wire.request import RequestHead
from gatekeeper.wire.response import ResponseHead

Headers = tuple[tuple[str, str], ...]


class ClientStream(Protocol):
    """Carries the response to one request: an HTTP/1.1 connection, or one stream of an HTTP/2 connection."""

    __slots__ = ()

    deadline: Deadline
    """Of this request."""

    @property
    def unsent(self) -> int:
        """Bytes that wait in the transport's buffer, or for the client's HTTP/2 window."""

    def pause_request(self, why: PauseReason) -> None:
        """Stop reading content from the client until every reason is removed again.

        While there is no upstream (`PauseReason.CONNECTING`), content that has come already is held back too;
        `resume_request` passes it to `RequestHandler.request_content`.
        """

    def resume_request(self, why: PauseReason) -> None:
        """Remove one reason, and read again if it was the last."""

    def send_interim(self, head: ResponseHead) -> None:
        """A 1xx response (RFC 9110, 15.2); dropped for a client of HTTP/1.0."""

    def send_whole(self, head: ResponseHead, content: bytes, trailers: bytes) -> None:
        """A complete response."""

    def send_head(self, head: ResponseHead, content: bytes) -> None:
        """The head of a response, and the beginning of its body."""

    def send_content(self, content: bytes) -> None:
        """More of the body."""

    def send_end(self, content: bytes, trailers: bytes) -> None:
        """The end of the body."""

    def send_own(self, status: int, headers: Headers, body: bytes, *, close: bool) -> None:
        """A response of the gate's own; ``close`` if no further request may follow on the connection."""

    def switch(self, head: ResponseHead, rest: bytes) -> None:
        """101: the app has switched protocols; ``rest`` are its first bytes in the tunnel."""

    def finished(self) -> None:
        """The request is finished. The last call: the next request may begin inside of it."""

    def refuse(self, status: int, headers: Headers, body: bytes) -> None:
        """403, and `finished`. The connection ends, so that the client can come with another certificate."""

    def abort(self, code: int = 0) -> None:
        """Cut the answer so that the client can tell; what was sent before may still arrive. ``code`` is the app's of
        HTTP/2, for a client that speaks it too.
        """

    def reset(self) -> None:
        """Cut the response at once, and discard what is unsent."""

    def delivered(self) -> bool:
        """Whether the client's kernel has acknowledged every byte that was sent."""


class RequestHandler(Protocol):
    """Handles one request: `exchange.Exchange` or `local_request.LocalRequest`. The codec calls it."""

    __slots__ = ()

    def begin(self) -> None:
        """Start. A response may be sent from now on; content of the body follows afterwards."""

    def request_content(self, content: bytes) -> None:
        """More of the request's body."""

    def request_end(self, content: bytes, trailers: bytes) -> None:
        """The end of the request's body. Never called for a request without one."""

    def fail(self, status: int, sentence: str) -> None:
        """The request's body is malformed: answer with this error."""

    def client_closed(self) -> bool:
        """The client sends no more, and its request is complete. Returns whether it will still be answered."""

    def client_gone(self) -> None:
        """The client is gone."""

    def client_is_slow(self) -> None:
        """The buffer towards the client is full."""

    def client_is_ready(self) -> None:
        """The buffer towards the client has drained."""

    def expired(self, timeout: Timeout) -> None:
        """The stream's deadline has passed."""

    def judge_anew(self) -> None:
        """The verdict about the client may have changed: end if this request would be refused now."""

    def drain(self) -> None:
        """The gate is stopping: end what would not end by itself."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What was sent of a request's body to an app that did not begin with the request; ``ended`` if that was all."""

    content: bytes
    trailers: bytes
    ended: bool


class UpstreamStream(Protocol):
    """Carries one request to an app: an HTTP/1.1 connection, or one stream of an HTTP/2 connection."""

    __slots__ = ()

    used_before: bool
    """Whether another request went over the connection: then the app may have closed it just now."""
    heard: bool
    """Whether anything of a response has come."""

    @property
    def replay(self) -> Replay | None:
        """Set where the app has not begun with the request (RFC 9113, 8.7), and all of it can be sent again."""

    @property
    def endpoint(self) -> "EndpointHealth":
        """Where it goes."""

    @property
    def unsent(self) -> int:
        """Bytes that wait in the transport's buffer, or for the app's HTTP/2 window."""

    def send_request(self, handler: "ResponseHandler", head: RequestHead, headers: bytes, request_id: str) -> None:
        """Send a request's head. ``headers`` are the lines about the visitor."""

    def send_content(self, content: bytes) -> None:
        """More of the request's body, or of the tunnel."""

    def send_end(self, content: bytes, trailers: bytes) -> None:
        """The end of the request's body."""

    def send_eof(self) -> bool:
        """The client's half of a tunnel is closed; whether the app can be told so, and the other half stays open."""

    def pause_response(self) -> None:
        """Stop reading from the app until `resume_response`."""

    def resume_response(self) -> None:
        """Undo `pause_response`."""

    def release(self, now: float) -> None:
        """The response is complete. The connection is kept only if its state is certain."""

    def reset(self) -> None:
        """Cancel the request, in a way that the app cannot mistake for its end."""

    def finish(self, call_later: Callable[..., Any]) -> None:
        """End a tunnel once what is buffered has been sent."""


class ResponseHandler(Protocol):
    """Handles one response: `exchange.Exchange`. The upstream's codec calls it."""

    __slots__ = ()

    def response_whole(self, head: ResponseHead, content: bytes, trailers: bytes) -> None:
        """A complete response. Most come in this one call."""

    def response_head(self, head: ResponseHead, content: bytes) -> None:
        """The head of a response, and the beginning of its body."""

    def response_content(self, content: bytes) -> None:
        """More of the body, or of the tunnel."""

    def response_end(self, content: bytes, trailers: bytes) -> None:
        """The end of the body."""

    def response_interim(self, head: ResponseHead) -> None:
        """A 1xx response other than 101."""

    def response_switch(self, head: ResponseHead, rest: bytes) -> None:
        """101: the app has switched protocols, as the request asked."""

    def response_malformed(self, error: MessageError) -> None:
        """The app's response is malformed: answer with 502, or cut a response that has begun."""

    def upstream_gone(self, error: Exception | None) -> None:
        """The connection was closed before the response was complete."""

    def upstream_is_slow(self) -> None:
        """The buffer towards the app is full."""

    def upstream_is_ready(self) -> None:
        """The buffer towards the app has drained."""


class EndpointHealth(Protocol):
    """What an exchange reads from and reports to an endpoint."""

    __slots__ = ()

    health: Health

    def failed(self, why: str, now: float) -> None:
        """A request that was sent there got no answer."""


class Waiter(Protocol):
    """Waits for an upstream connection. ``tried`` are endpoints that could not be reached or gave no response."""

    tried: tuple[EndpointHealth, ...]
    detail: str
    """Why the last of ``tried`` failed, "" if none did."""

    def connected(self, stream: UpstreamStream) -> None:
        """A connection is there."""

    def fail(self, status: int, sentence: str, why: str = "") -> None:
        """No connection can be had: answer with this error. ``why`` is for the log only."""


class Codec(Protocol):
    """One HTTP version on one client connection: parses what comes in, and answers through the connection."""

    __slots__ = ()

    def receive(self, data: bytes) -> None:
        """Decrypted bytes from the client."""

    def close_notify_received(self) -> None:
        """The client sends no more, but still reads (RFC 8446, 6.1)."""

    def fin_received(self) -> None:
        """The client has closed its TCP connection for writing, without close_notify."""

    def connection_lost(self) -> None:
        """The connection is closed."""

    def pause_writing(self) -> None:
        """The buffer towards the client is full."""

    def resume_writing(self) -> None:
        """The buffer towards the client has drained."""

    def expired(self, timeout: Timeout) -> None:
        """The connection's deadline has passed."""

    def judge_anew(self) -> None:
        """The verdict about the client may have changed: end the requests that would be refused now."""

    def drain(self) -> None:
        """The gate is stopping: close soon if no request is under way."""


class Link(Protocol):
    """A client connection, as far as a codec and its streams know it: `client.connection.ClientConnection`."""

    __slots__ = ()

    deadline: Deadline

    @property
    def closing(self) -> bool:
        """Whether the connection is closed, or the last response on it has been sent."""

    @property
    def unsent(self) -> int:
        """Bytes that wait in the transport's buffer."""

    @property
    def paused(self) -> set[PauseReason]:
        """Why reading is paused at the moment."""

    def write(self, data: bytes) -> None:
        """Encrypt and send."""

    def pause_reading(self, why: PauseReason) -> None:
        """Stop reading until every reason is removed again."""

    def resume_reading(self, why: PauseReason) -> None:
        """Remove one reason, and read again if it was the last."""

    def linger(self, last: bytes = b"") -> None:
        """Send ``last`` and close_notify, and give the client time to read it."""

    def close(self, last: bytes = b"") -> None:
        """Send ``last`` and close_notify, and close: the client sends no more, and no request is left to answer."""

    def abort_tls(self) -> None:
        """Close without close_notify, once the buffer is sent."""

    def abort(self) -> None:
        """Close at once."""

    def delivered(self) -> bool:
        """Whether the client's kernel has acknowledged every byte that was sent."""
