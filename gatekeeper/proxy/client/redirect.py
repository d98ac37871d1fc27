"""Plain HTTP (``server.redirect``): redirects everybody to https, answers http-01 challenges, and reaches no app.

The Location contains the request's Host, and only if that name is in one of the gate's certificates, so that nobody can
make a cache redirect others elsewhere.
"""

import asyncio
import os
from typing import cast

from gatekeeper.errors import MessageError
from gatekeeper.proxy.client.connection import LINGER_SECONDS
from gatekeeper.proxy.deadline import Deadline, Timeout
from gatekeeper.proxy.proxy import Proxy
from gatekeeper.proxy.visit import recipient_of
from gatekeeper.refusal.answer import Answer
from gatekeeper.telemetry.log_lines import Visitor
from gatekeeper.wire.https_url import https_url
from gatekeeper.wire.request import RequestHead, unreadable_head, without_empty_lines
from gatekeeper.wire.response import own_response

_CHALLENGES = b"/.well-known/acme-challenge/"
_CHALLENGE_HEADERS = (("Content-Type", "application/octet-stream"), ("Cache-Control", "no-store"))


class RedirectConnection(asyncio.Protocol):
    """One client that speaks plain HTTP: one request, one response. ``client`` is its address with port, for the log;
    ``port`` is the gate's for https, which the Location names if the request's Host names a port.
    """

    transport: asyncio.Transport

    def __init__(self, proxy: Proxy, client: str, address: str, port: int) -> None:
        self.address = address
        self._proxy = proxy
        self._client = client
        self._port = port
        self._received = b""
        self._answered = False
        self._deadline = Deadline(proxy.loop, self._expired)

    # -- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._proxy.opened(self)
        self._deadline.set(Timeout.REQUEST_HEADER, self._proxy.snapshot.timeouts.request_header)

    def data_received(self, data: bytes) -> None:
        if self._answered:
            return
        already = len(self._received)
        self._received = received = without_empty_lines(self._received + data)
        end = received.find(b"\r\n\r\n", max(0, already - 3)) + 4
        try:
            if end < 4:
                self._proxy.snapshot.reader.incomplete(received)
                return
            line, _, block = received[:end].partition(b"\r\n")
            head = self._proxy.snapshot.reader.read(line, block, cache=False)
        except MessageError as error:
            self._fail(unreadable_head(received), error.status, error.detail)
        else:
            self._answer(head)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._deadline.end()
        self._proxy.closed(self)

    # -- called by the proxy

    def judge_anew(self) -> None:
        """Nothing to do: nobody is admitted here."""

    def drain(self) -> None:
        """The gate is stopping: close unless the response is on its way."""
        if not self._answered:
            self.transport.close()

    def abort(self) -> None:
        """Close at once."""
        self.transport.abort()

    # -- the answer

    def _answer(self, head: RequestHead) -> None:
        if head.target.startswith(_CHALLENGES) and (said := self._challenge(head)):
            self._send(head, Answer(200, _CHALLENGE_HEADERS, said), _new_request_id())
            return
        url = https_url(head.block.host, head.target, self._port)
        if url is None or not self._proxy.snapshot.tls.names.carries(head.block.host):
            self._fail(head, 400, "No certificate of this gate carries the name in the Host header.")
            return
        # RFC 9110, 15.4.9: 308 keeps the method. Old clients know only 301, which is as good for GET and HEAD.
        status = 301 if head.method in (b"GET", b"HEAD") else 308
        headers = (("Content-Type", "text/plain; charset=utf-8"), ("Location", url))
        self._send(head, Answer(status, headers, f"{url}\n".encode("ascii")), _new_request_id())

    def _challenge(self, head: RequestHead) -> bytes:
        """The response to an http-01 challenge (RFC 8555, 8.3); b"" if there is no such challenge."""
        acme = self._proxy.snapshot.settings.acme
        if acme is None or head.method not in (b"GET", b"HEAD"):
            return b""
        from gatekeeper.acme.folder import ACMEFolder  # for who orders certificates

        return ACMEFolder(acme.folder).token(head.target[len(_CHALLENGES) :].decode("ascii", "replace"))

    def _fail(self, head: RequestHead, status: int, detail: str) -> None:
        request_id = _new_request_id()
        page = self._proxy.snapshot.pages.failed(status, detail, recipient_of(head, request_id))
        self._send(head, page, request_id, detail)

    def _send(self, head: RequestHead, answer: Answer, request_id: str, detail: str = "") -> None:
        """Send the response, and end the connection. What the client still sends is read and discarded, so that the
        kernel does not reset the connection before the client has the response.
        """
        proxy, now = self._proxy, self._proxy.wall()
        self._answered, self._received = True, b""
        self.transport.write(
            own_response(answer.status, answer.headers, answer.body, method=head.method, close=True, now=now)
        )
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._deadline.set(Timeout.LINGER, LINGER_SECONDS)
        sent = len(answer.body)
        proxy.journal.answered(Visitor(self._client), head, answer.status, sent, request_id, now, detail)

    def _expired(self, timeout: Timeout) -> None:
        if timeout is Timeout.REQUEST_HEADER and self._received:
            self._fail(unreadable_head(self._received), 408, "The request header did not arrive in time.")
        else:
            self.transport.abort()


def _new_request_id() -> str:
    return os.urandom(16).hex()
