"""A request that the gate answers itself: its small body is read, and a thread looks the response up.

Where the response is given out only once, the gate watches until the client has received all of it, or is gone.
"""

import logging
from enum import Enum, auto

from gatekeeper.gate.verdict import Identity
from gatekeeper.local.request import InvitationEvent, Reply, Request
from gatekeeper.proxy.deadline import Timeout
from gatekeeper.proxy.forwarding import visitor_address
from gatekeeper.proxy.streams import ClientStream, RequestHandler
from gatekeeper.proxy.visit import Visit
from gatekeeper.wire.request import RequestHead
from gatekeeper.wire.response import read_response

_log = logging.getLogger("gatekeeper")

# A form with one field, or a certificate request: the largest RSA key makes one of 4 KiB.
MAX_BODY = 16 * 1024
# For all of such a body.
BODY_SECONDS = 10.0
# A disk answers in milliseconds, a file server that is away never.
REPLY_SECONDS = 30.0
# For all of a file of a few KiB to arrive. Whoever keeps the connection open afterwards is not waited for any longer.
DELIVERY_SECONDS = 30.0
# How often the kernel is asked whether it has arrived. An HTTP/2 client keeps its connection, so nothing else tells.
DELIVERY_CHECK_SECONDS = 0.25
# Of a User-Agent, enough to recognise it by.
LONGEST_AGENT = 256

_CONTINUE = read_response(b"HTTP/1.1 100 Continue\r\n\r\n")
_TOO_LARGE = "The request body is too large."


class Step(Enum):
    """The state of a local request."""

    READING = auto()  # the body is not here yet
    ASKING = auto()  # the answer is being looked up
    DELIVERING = auto()  # something that is given out once is on its way
    ENDED = auto()


class LocalRequest(RequestHandler):
    """One request that the gate answers itself. ``identity`` is set if the client's certificate is good."""

    __slots__ = (
        "_content",
        "_delivery_ends",
        "_identity",
        "_reply",
        "_request",
        "_request_id",
        "_step",
        "_stream",
        "_visit",
        "head",
        "started",
    )

    def __init__(
        self, stream: ClientStream, visit: Visit, head: RequestHead, identity: Identity | None, started: float
    ) -> None:
        self.head = head
        self.started = started
        self._stream = stream
        self._visit = visit
        self._request_id = visit.next_request_id()
        self._identity = identity
        self._step = Step.READING
        self._content = b""
        self._delivery_ends = 0.0  # by the loop's clock
        self._request: Request | None = None
        self._reply: Reply | None = None

    def begin(self) -> None:
        """Look the response up, after the body if there is one."""
        block = self.head.block
        if not self.head.has_body:
            self._ask()
        elif block.length > MAX_BODY:
            self.fail(413, _TOO_LARGE)
        else:
            self._stream.deadline.set(Timeout.REQUEST_BODY, BODY_SECONDS)
            if block.expects_continue:
                self._stream.send_interim(_CONTINUE)

    # -- called by the client's stream

    def request_content(self, content: bytes) -> None:
        """More of the body."""
        self._content += content
        if len(self._content) > MAX_BODY:
            self.fail(413, _TOO_LARGE)

    def request_end(self, content: bytes, trailers: bytes) -> None:
        """The end of the body."""
        self.request_content(content)
        if self._step is Step.READING:
            self._ask()

    def fail(self, status: int, sentence: str) -> None:
        """Answer with an error, and close: nobody knows where the next request begins, or if the reply still comes."""
        if self._step is Step.ENDED:
            return
        sent = self._visit.send_error(self._stream, self.head, status, sentence, self._request_id, close=True)
        self._end(status, sent, sentence)
        self._stream.finished()

    def client_closed(self) -> bool:
        """The client sends no more. The kernel still knows how much of the response has arrived.

        No response is sent any more: what is given out once must not go to a client that may be leaving.
        """
        if self._step is Step.DELIVERING:
            self._settle(whole=self._stream.delivered())
        else:
            self.client_gone()
        return False

    def client_gone(self) -> None:
        """The connection broke. What has arrived is unknown, so the response counts as not delivered."""
        if self._step is Step.DELIVERING:
            self._settle(whole=False)
        elif self._step is not Step.ENDED:
            self._end(499, 0, "the client left")  # nginx's number for it, in the log only

    def client_is_slow(self) -> None:
        """Does nothing: the response is sent in one piece."""

    def client_is_ready(self) -> None:
        """Does nothing: the response is sent in one piece."""

    def judge_anew(self) -> None:
        """Does nothing: the decision was made when the response was looked up."""

    def drain(self) -> None:
        """Does nothing: a local request is short."""

    def expired(self, timeout: Timeout) -> None:
        """A time limit has passed."""
        if self._step is Step.DELIVERING:
            self._check_delivery()
        elif timeout is Timeout.REQUEST_BODY:
            self.fail(408, "The request body did not arrive in time.")
        else:
            self.fail(503, "Invitations are not available at the moment.")

    # -- the answer

    def _ask(self) -> None:
        visit = self._visit
        snapshot = visit.snapshot
        self._step = Step.ASKING
        self._stream.deadline.set(Timeout.REPLY, REPLY_SECONDS)
        if snapshot.invitations is None:
            raise AssertionError("there are no local requests without invitations")
        self._request = Request(
            method=self.head.method,
            path=self.head.target.partition(b"?")[0],
            block=self.head.block,
            body=self._content,
            address=visitor_address(visit.address, self.head.block, snapshot.trusts),
            identity=self._identity,
            request_id=self._request_id,
            now=self.started,
            invitations=snapshot.invitations,
            pages=snapshot.pages,
            routes=snapshot.routes.all,
            authorities=snapshot.authorities_on(self.head.block.host),
            policy=snapshot.policy,
        )
        visit.proxy.local.handle(self._request, self._answered)

    def _answered(self, reply: Reply) -> None:
        self._reply = reply
        if reply.event is not None:
            self._visit.proxy.metrics.invitation_event(reply.event)
        if self._step is not Step.ASKING:  # the client has gone meanwhile
            self._settle(whole=False)
            return
        once = reply.handing_out is not None
        self._stream.send_own(reply.status, reply.headers, reply.body, close=once)
        if once:
            self._step = Step.DELIVERING
            self._delivery_ends = self._visit.proxy.loop.time() + DELIVERY_SECONDS
            self._stream.deadline.set(Timeout.DELIVERY, DELIVERY_CHECK_SECONDS)
            return
        self._end(reply.status, len(reply.body), reply.note)
        self._stream.finished()

    def _check_delivery(self) -> None:
        """Ask the kernel whether the response has arrived: the client may keep the connection open afterwards."""
        whole = self._stream.delivered()
        if not whole and self._visit.proxy.loop.time() < self._delivery_ends:
            self._stream.deadline.set(Timeout.DELIVERY, DELIVERY_CHECK_SECONDS)
            return
        self._settle(whole=whole)
        self._stream.finished()

    def _settle(self, *, whole: bool) -> None:
        reply, request = self._reply, self._request
        if reply is None or request is None or reply.handing_out is None:
            return
        event = InvitationEvent.DOWNLOADED if whole else InvitationEvent.INTERRUPTED
        proxy = self._visit.proxy
        proxy.local.settle(request.invitations, reply.handing_out, whole=whole)
        proxy.metrics.invitation_event(event)
        _log.info(
            "invitations: %s: %s by %s, %s",
            event,
            ascii(reply.handing_out.invitation.name),
            request.address,
            ascii(request.header(b"user-agent")[:LONGEST_AGENT]),
        )
        if self._step is not Step.ENDED:
            self._end(reply.status, len(reply.body), "" if whole else "the download broke off")

    def _end(self, status: int, sent: int, note: str) -> None:
        self._step = Step.ENDED
        visit = self._visit
        visit.proxy.journal.answered(visit.visitor, self.head, status, sent, self._request_id, self.started, note)
