"""A request to the gate itself: its small body is read, it is answered on another thread, and the answer is sent.

Where the answer is something that is given out once, the client is watched until it has all of it or has gone.
"""

import array
import asyncio
import fcntl
import logging
import termios
from enum import Enum, auto
from typing import TYPE_CHECKING

from gatekeeper.errors import MessageError
from gatekeeper.gate.verdict import Identity
from gatekeeper.local.question import Event, Question, Reply
from gatekeeper.proxy.deadline import Timeout
from gatekeeper.proxy.forwarding import visitor_address
from gatekeeper.wire.framing import Body
from gatekeeper.wire.request import RequestHead
from gatekeeper.wire.response import own_response

if TYPE_CHECKING:
    from gatekeeper.proxy.client.connection import Downstream
    from gatekeeper.proxy.upstream.http1 import UpstreamConnection

_log = logging.getLogger("gatekeeper")

# A form with one field, or a certificate request: the largest RSA key makes one of 4 KiB.
MAX_BODY = 16 * 1024
# For all of such a body.
BODY_SECONDS = 10.0
# A disk answers in milliseconds, a file server that is away never.
REPLY_SECONDS = 30.0
# For all of a file of a few KiB to arrive. Whoever keeps the connection open afterwards is not waited for any longer.
DELIVERY_SECONDS = 30.0


class Step(Enum):
    """Where a local request stands."""

    READING = auto()  # the body is not here yet
    ASKING = auto()  # the answer is being looked up
    DELIVERING = auto()  # something that is given out once is on its way
    ENDED = auto()


class LocalRequest:
    """One request that the gate itself answers, to the connection in the place of an `Exchange`. It has no upstream."""

    upstream: "UpstreamConnection | None" = None

    def __init__(self, downstream: "Downstream", head: RequestHead, identity: Identity | None, now: float) -> None:
        self.downstream = downstream
        self.head = head
        self.started = now
        self.request_id = downstream.next_request_id()
        self._identity = identity
        self._step = Step.READING
        self._body: Body | None = head.body()
        self._content = b""
        self._question: Question | None = None
        self._reply: Reply | None = None
        self._keep_alive = False

    def begin(self, rest: bytes) -> None:
        """Read the body, if there is one; ``rest`` is what came with the head."""
        downstream, block = self.downstream, self.head.block
        if self._body is None:
            self._ask(rest)
            return
        if block.length > MAX_BODY:
            self._fail(413, "The request body is too large.")
            return
        downstream.deadline.set(Timeout.REQUEST_BODY, BODY_SECONDS)
        if block.expects_continue and not rest:
            downstream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.client_sent(rest)

    # -- called by the downstream

    def client_sent(self, data: bytes) -> None:
        """More from the client: body, or the next request ahead of its turn."""
        if self._body is None:
            self.downstream.buffer(data)
            return
        try:
            content, rest = self._body.feed(data)
        except MessageError as error:
            self._fail(error.status, error.detail)
            return
        self._content += content
        if len(self._content) > MAX_BODY:
            self._fail(413, "The request body is too large.")
        elif rest is not None:
            self._body = None
            self._ask(rest)

    def client_finished(self, *, last: bool) -> bool:
        """The client sends no more; never True: what is given out once does not go to somebody who may be leaving."""
        return False

    def client_closed(self) -> None:
        """The client has said that it is done; the kernel still knows what has arrived."""
        if self._step is Step.DELIVERING:
            self._settle(whole=self._arrived())
        else:
            self.client_gone()

    def client_gone(self) -> None:
        """The connection broke, and nobody knows what has arrived: nothing, then."""
        if self._step is Step.DELIVERING:
            self._settle(whole=False)
        elif self._step is not Step.ENDED:
            self._end(499, 0, "the client left")  # nginx's number for it, in the log only

    def client_is_slow(self) -> None:
        """Nothing more comes."""

    def client_is_ready(self) -> None:
        """Nothing more comes."""

    def drain(self) -> None:
        """The gate is stopping; a local request is short."""

    def expired(self, wait: Timeout) -> None:
        """A time limit has passed."""
        if self._step is Step.DELIVERING:
            # A client that has all of it, and only keeps the connection open, has it.
            self._settle(whole=self._arrived())
            self.downstream.exchange_ended(keep_alive=False)
        elif wait is Timeout.REQUEST_BODY:
            self._fail(408, "The request body did not arrive in time.")
        else:
            self._fail(503, "Invitations cannot be looked up at the moment.")

    # -- the answer

    def _ask(self, rest: bytes) -> None:
        downstream, snapshot = self.downstream, self.downstream.snapshot
        if rest:
            downstream.buffer(rest)
        self._step = Step.ASKING
        downstream.deadline.set(Timeout.REPLY, REPLY_SECONDS)
        if snapshot.invitations is None:
            raise AssertionError("there are no local requests without invitations")
        self._question = Question(
            method=self.head.method,
            path=self.head.target.partition(b"?")[0],
            block=self.head.block,
            body=self._content,
            address=visitor_address(downstream.address, self.head.block, snapshot.trusts),
            identity=self._identity,
            request_id=self.request_id,
            now=self.started,
            invitations=snapshot.invitations,
            pages=snapshot.pages,
            routes=snapshot.routes.all,
        )
        downstream.proxy.local.ask(self._question, self._answered)

    def _answered(self, reply: Reply) -> None:
        self._reply = reply
        if reply.event is not None:
            self.downstream.proxy.metrics.invited(reply.event)
        if self._step is not Step.ASKING:  # the client has gone meanwhile
            self._settle(whole=False)
            return
        self._send(reply.status, reply.headers, reply.body)
        if reply.handing_out is not None:
            self._step = Step.DELIVERING
            self.downstream.deadline.set(Timeout.DELIVERY, DELIVERY_SECONDS)
            return
        self._end(reply.status, len(reply.body), reply.note)
        self.downstream.exchange_ended(keep_alive=self._keep_alive)

    def _send(self, status: int, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
        downstream = self.downstream
        once = self._reply is not None and self._reply.handing_out is not None
        self._keep_alive = self.head.keep_alive and not downstream.proxy.draining and not once
        close, now = not self._keep_alive, downstream.proxy.wall()
        downstream.write(own_response(status, headers, body, method=self.head.method, close=close, now=now))

    def _fail(self, status: int, detail: str) -> None:
        """Nobody knows where the next request begins, or whether the answer comes after all: the connection ends."""
        sent = self.downstream.fail(status, detail, self.head, self.request_id, close=True)
        self._end(status, sent, detail)
        self.downstream.exchange_ended(keep_alive=False)

    def _arrived(self) -> bool:
        """Whether the client's kernel has acknowledged every byte."""
        transport = self.downstream.transport
        return not transport.get_write_buffer_size() and self.downstream.proxy.unsent(transport) == 0

    def _settle(self, *, whole: bool) -> None:
        reply, question = self._reply, self._question
        if reply is None or question is None or reply.handing_out is None:
            return
        event = Event.DOWNLOADED if whole else Event.INTERRUPTED
        proxy = self.downstream.proxy
        proxy.local.settle(question.invitations, reply.handing_out, whole=whole)
        proxy.metrics.invited(event)
        _log.info(
            "invitations: %s: %s by %s, %s",
            event,
            ascii(reply.handing_out.invitation.name),
            question.address,
            ascii(question.header(b"user-agent")[:LONGEST_AGENT]),
        )
        if self._step is not Step.ENDED:
            self._end(reply.status, len(reply.body), "" if whole else "the download broke off")

    def _end(self, status: int, sent: int, note: str) -> None:
        self._step = Step.ENDED
        downstream = self.downstream
        downstream.exchange = None
        downstream.proxy.answered(downstream, self.head, status, sent, self.request_id, self.started, note)


# Of a User-Agent, enough to recognise it by.
LONGEST_AGENT = 256


def unsent_bytes(transport: asyncio.BaseTransport) -> int | None:
    """How many bytes of a connection the other side has not acknowledged yet; None if the kernel cannot say.

    SIOCOUTQ (tcp(7)), which for a socket is the number of TIOCOUTQ.
    """
    socket = transport.get_extra_info("socket")
    count = array.array("i", [0])
    try:
        fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, count)
    except (OSError, ValueError, AttributeError):
        return None
    return count[0]
