"""Requests of an HTTP/2 connection that wait until an OCSP responder has said something about their client."""

from typing import Protocol

from gatekeeper.proxy.client.http2_stream import Http2Stream
from gatekeeper.proxy.states import PauseReason
from gatekeeper.proxy.visit import Visit


class Owner(Protocol):
    """The codec of the connection."""

    visit: Visit

    def is_under_way(self, stream: Http2Stream) -> bool:
        """Whether the client still waits for this response."""


class PendingRequests:
    """Puts requests aside, and dispatches them when the responder has answered, or did not in time."""

    __slots__ = ("_owner", "_streams")

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._streams: list[Http2Stream] = []

    def add(self, stream: Http2Stream) -> None:
        """Put a request aside."""
        self._streams.append(stream)
        stream.pause_request(PauseReason.CONNECTING)
        if len(self._streams) == 1:
            self._owner.visit.ask(self._asked)

    def _asked(self) -> None:
        owner, visit = self._owner, self._owner.visit
        pending, self._streams = self._streams, []
        for stream in pending:
            if not owner.is_under_way(stream):
                continue
            now = visit.proxy.wall()
            authorizer = visit.authorizer(now)
            if not authorizer.admitted and authorizer.pending:
                self.add(stream)
            else:
                stream.dispatch_late(authorizer, now)
