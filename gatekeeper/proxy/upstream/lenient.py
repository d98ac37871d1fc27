"""Connections to an app whose responses are repaired before the strict reader gets them (``upstream.lenient``).

A response that the strict reader takes as it came is passed on like any other. Every other one ends its connection, and
so does every chunked one, since only its body tells whether that is well-formed: what follows on a connection where
the end of a response is uncertain could be taken for the answer to somebody else's request.
"""

from contextlib import suppress
from dataclasses import replace

from gatekeeper.errors import MessageError
from gatekeeper.proxy.streams import ResponseHandler
from gatekeeper.proxy.upstream.endpoint import Endpoint, PlaceOnConnection
from gatekeeper.proxy.upstream.http1 import UpstreamConnection
from gatekeeper.wire.framing import CHUNKED, ChunkedBody, UntilCloseBody
from gatekeeper.wire.lenient import repaired_head, split_head
from gatekeeper.wire.response import ResponseHead, read_response


class LenientConnection(UpstreamConnection):
    """As `UpstreamConnection`, with a `gatekeeper.wire.lenient` in front of its reader."""

    __slots__ = ()
    lenient = True

    def connection_lost(self, error: Exception | None) -> None:
        """A chunked body may end with the connection, where its last chunk has come."""
        body = self._body
        if error is None and isinstance(body, ChunkedBody) and body.lacks_only_its_end:
            self._body = UntilCloseBody()
        super().connection_lost(error)

    def _read_head(self, handler: ResponseHandler, data: bytes) -> None:
        data, self._buffered = self._buffered + data, b""
        self.heard = True
        try:
            found = split_head(data)
            if found is None:
                self._buffered = data
                return
            head, rest = found
            strict = _strict_head(head)
        except MessageError as error:
            handler.response_malformed(error)
            return
        super()._read_head(handler, strict + rest)

    def _begin_body(self, handler: ResponseHandler, head: ResponseHead, data: bytes) -> None:
        if head.framing is CHUNKED:
            head = replace(head, reusable=False)
        super()._begin_body(handler, head, data)


def _strict_head(head: bytes) -> bytes:
    """The head itself if the strict reader takes it, else what can be made of it."""
    if head.endswith(b"\r\n\r\n"):  # as the strict reader expects
        with suppress(MessageError):
            read_response(head)
            return head
    return repaired_head(head)


class LenientEndpoint(Endpoint):
    """An endpoint whose connections are lenient."""

    def _make(self) -> PlaceOnConnection:
        return LenientConnection(self)
