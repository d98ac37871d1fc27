"""Requests on an HTTP/2 connection that was made for another host: 421 Misdirected Request (RFC 9110, 15.5.20)."""

from typing import Final

from gatekeeper.gate.decision import Authorizer, Denied
from gatekeeper.gate.paths import read_host
from gatekeeper.gate.verdict import Refuse
from gatekeeper.proxy.streams import ClientStream
from gatekeeper.proxy.visit import Visit
from gatekeeper.wire.request import RequestHead

# No browser sends requests for so many hosts on one connection.
MAX_HOSTS: Final = 100


class MisdirectedHosts:
    """The hosts for which the client of one connection has received 421.

    Browsers share a connection between hosts with the same address. They then do not ask the user for a certificate, or
    for another one if that host has its own authorities. After 421 they repeat the request on a new connection. Each
    host gets 421 once: if the new connection got it as well, they would repeat the request for ever.
    """

    __slots__ = ("_hosts", "_visit")

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._hosts: set[str] = set()

    def answered(self, stream: ClientStream, head: RequestHead, authorizer: Authorizer, now: float) -> bool:
        """Whether the request was answered with 421, on the page of the refusal. Ask where the visitor has shown no
        certificate, and where hosts have their own authorities.
        """
        visit = self._visit
        if visit.snapshot.hosts is not None:
            authorizer = visit.authorizer_on(head.block.host, authorizer, now)
            if authorizer.admitted:
                return False
        elif visit.tls.peer.leaf is not None:
            return False
        refusal = None if visit.is_grpc(head) else self._refusal(head, authorizer)  # gRPC clients do not know 421
        if refusal is None:
            return False
        self._answer(stream, head, refusal, now)
        return True

    def _refusal(self, head: RequestHead, authorizer: Authorizer) -> Refuse | None:
        """The refusal that a connection for the request's own host may avoid; None if none, or 421 was sent."""
        host, name = read_host(head.block.host), self._visit.tls.server_name
        if name is None or host is None or host in self._hosts or host == name.lower():
            return None
        decision = authorizer.fixed_decision or authorizer.decide(head.method, head.block.host, head.target, None)
        if not isinstance(decision, Denied) or len(self._hosts) >= MAX_HOSTS:
            return None
        self._hosts.add(host)
        return decision.refusal

    def _answer(self, stream: ClientStream, head: RequestHead, refusal: Refuse, now: float) -> None:
        visit = self._visit
        visit.tls.forget_session()
        request_id = visit.next_request_id()
        page = visit.refusal_page(head, refusal, request_id, now)
        stream.send_own(421, page.headers, page.body, close=False)
        journal, sent = visit.proxy.journal, len(page.body)
        journal.answered(visit.visitor, head, 421, sent, request_id, now, "the connection is another host's")
        stream.finished()
