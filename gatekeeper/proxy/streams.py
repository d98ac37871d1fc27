"""The narrow interfaces between the client's side, an exchange, and the app's side. No code, only Protocols.

A codec (`client.http1`) knows how one HTTP version writes requests and answers on one connection. It tells a
`RequestHandler` what the client sends, free of framing, and offers it a `ClientStream` for the answer. On the other
side an `UpstreamStream` takes a request and tells a `ResponseHandler` what the app answers. `exchange.Exchange` is both
handlers, for any pair of codecs.

Content and trailers are bytes without framing: a codec counts lengths, takes chunks apart and writes its own. In a
tunnel (a WebSocket) content is the bytes of the tunnel, both ways.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from gatekeeper.proxy.deadline import Deadline, Timeout
from gatekeeper.proxy.states import PauseReason
from gatekeeper.proxy.upstream.health import Health
from gatekeeper.wire.request import RequestHead
from gatekeeper.wire.response import ResponseHead

Headers = tuple[tuple[str, str], ...]


class ClientStream(Protocol):
    """Carries the response to one request: an HTTP/1.1 connection, or one stream of an HTTP/2 connection."""

    deadline: Deadline
    """Of this request."""

    @property
    def unsent(self) -> int:
        """Bytes accepted from the gate, but not yet taken by the kernel or by the client's window."""

    def pause_request(self, why: PauseReason) -> None:
        """Take no more content from the client until every reason for it is gone.

        While there is no upstream (`PauseReason.CONNECTING`) what has come is kept back as well; it is told by
        `RequestHandler.request_content` from within `resume_request`.
        """

    def resume_request(self, why: PauseReason) -> None:
        """Take one reason back."""

    def send_interim(self, head: ResponseHead) -> None:
        """A 1xx response (RFC 9110, 15.2); dropped where the client's version has none."""

    def send_whole(self, head: ResponseHead, content: bytes, trailers: bytes) -> None:
        """A response that is complete."""

    def send_head(self, head: ResponseHead, content: bytes) -> None:
        """The head of a response with a body that goes on, and what has come of it."""

    def send_content(self, content: bytes) -> None:
        """More of the body."""

    def send_end(self, content: bytes, trailers: bytes) -> None:
        """The end of the body."""

    def send_own(self, status: int, headers: Headers, body: bytes, *, close: bool) -> None:
        """An answer of the gate itself; ``close`` if no further request may follow on the connection."""

    def switch(self, head: ResponseHead, rest: bytes) -> None:
        """The app has switched protocols; ``rest`` are its first bytes of the tunnel."""

    def finished(self) -> None:
        """The request is dealt with. The last call: the next request may begin inside of it."""

    def refuse(self, status: int, headers: Headers, body: bytes) -> None:
        """403, and `finished`. The connection ends, so that the client can come with another certificate."""

    def abort(self, code: int = 0) -> None:
        """Cut the answer so that the client can tell; what was sent before may still arrive. ``code`` is the app's of
        HTTP/2, for a client that speaks it too.
        """

    def reset(self) -> None:
        """Cut the answer at once, with all that is unsent."""

    def delivered(self) -> bool:
        """Whether the client's kernel has acknowledged all that was sent."""


class RequestHandler(Protocol):
    """Handles one request: `exchange.Exchange` or `local_request.LocalRequest`. The codec calls it."""

    def begin(self) -> None:
        """The codec is ready for answers. What came of the body is told afterwards."""

    def request_content(self, content: bytes) -> None:
        """More of the request's body."""

    def request_end(self, content: bytes, trailers: bytes) -> None:
        """The end of the request's body. Never called for a request without one."""

    def fail(self, status: int, detail: str) -> None:
        """The body is malformed: answer with this error."""

    def client_closed(self) -> bool:
        """The client has said that it sends no more, and its request is complete. Whether the answer still comes."""

    def client_gone(self) -> None:
        """Nobody waits for the answer any more."""

    def client_is_slow(self) -> None:
        """The client does not take what was sent."""

    def client_is_ready(self) -> None:
        """The client has taken what was sent."""

    def expired(self, timeout: Timeout) -> None:
        """The stream's deadline has passed."""

    def judge_anew(self) -> None:
        """The verdict about the client may be another one now: end if this request would be refused."""

    def drain(self) -> None:
        """The gate stops: end what would not end by itself."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What was sent of a request's body to an app that did not begin with the request; ``ended`` if that was all."""

    content: bytes
    trailers: bytes
    ended: bool


class UpstreamStream(Protocol):
    """Carries one request to an app: an HTTP/1.1 connection, or one stream of an HTTP/2 connection."""

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
        """Bytes accepted from the gate, but not yet taken by the kernel or by the app's window."""

    def send_request(self, handler: "ResponseHandler", head: RequestHead, headers: bytes, request_id: str) -> None:
        """Send a request's head. ``headers`` are the lines about the visitor."""

    def send_content(self, content: bytes) -> None:
        """More of the request's body, or of the tunnel."""

    def send_end(self, content: bytes, trailers: bytes) -> None:
        """The end of the request's body."""

    def pause_response(self) -> None:
        """Take nothing more from the app until `resume_response`."""

    def resume_response(self) -> None:
        """Go on after `pause_response`."""

    def release(self, now: float) -> None:
        """The response is whole. The connection is kept only if nobody can doubt its state."""

    def reset(self) -> None:
        """Give the request up, with whatever is on its way: the app must not take it for a finished one."""

    def finish(self, call_later: Callable[..., Any]) -> None:
        """End a tunnel behind what is on its way."""


class ResponseHandler(Protocol):
    """Handles one response: `exchange.Exchange`. The upstream's codec calls it."""

    def response_whole(self, head: ResponseHead, content: bytes, trailers: bytes) -> None:
        """A complete response in one call: most are."""

    def response_head(self, head: ResponseHead, content: bytes) -> None:
        """The head of a response with a body that goes on, and what has come of it."""

    def response_content(self, content: bytes) -> None:
        """More of the body, or of the tunnel."""

    def response_end(self, content: bytes, trailers: bytes) -> None:
        """The end of the body."""

    def response_interim(self, head: ResponseHead) -> None:
        """A 1xx response other than 101."""

    def response_switch(self, head: ResponseHead, rest: bytes) -> None:
        """101: the app has switched protocols, as the request asked."""

    def fail(self, status: int, detail: str) -> None:
        """What the app sends cannot be passed on: answer with this error, or cut a response that has begun."""

    def upstream_gone(self, error: Exception | None) -> None:
        """The connection is closed before the response was complete."""

    def upstream_is_slow(self) -> None:
        """The app does not take what was sent."""

    def upstream_is_ready(self) -> None:
        """The app has taken what was sent."""


class EndpointHealth(Protocol):
    """What an exchange reads from and reports to an endpoint."""

    health: Health

    def failed(self, why: str, now: float) -> None:
        """A request that was sent there got no answer."""


class Waiter(Protocol):
    """Waits for an upstream connection. ``tried`` are endpoints that could not be reached or gave no response."""

    tried: tuple[EndpointHealth, ...]
    detail: str

    def connected(self, stream: UpstreamStream) -> None:
        """A connection is there."""

    def fail(self, status: int, detail: str) -> None:
        """There will be none."""


class Codec(Protocol):
    """One HTTP version on one client connection: bytes in, answers out through the connection."""

    def receive(self, data: bytes) -> None:
        """Decrypted bytes from the client."""

    def close_notify_received(self) -> None:
        """The client sends no more, but still reads (RFC 8446, 6.1)."""

    def fin_received(self) -> None:
        """The client has closed its TCP connection for writing, and TLS ends with it."""

    def connection_lost(self) -> None:
        """Nothing can be sent any more."""

    def pause_writing(self) -> None:
        """The client does not take what was sent."""

    def resume_writing(self) -> None:
        """The client has taken what was sent."""

    def expired(self, timeout: Timeout) -> None:
        """The connection's deadline has passed."""

    def judge_anew(self) -> None:
        """The verdict about the client may be another one now."""

    def drain(self) -> None:
        """The gate stops: close soon if nothing is under way."""
