"""Dispatches a request by its head: the only place that gets a decision and carries it out."""

from typing import Final

from gatekeeper.gate.decision import Authorizer, Denied, Forward, asked_from
from gatekeeper.gate.routes import LocalRoute, NoRoute, Route, StaticDocument
from gatekeeper.gate.verdict import Refuse
from gatekeeper.proxy.buffered_exchange import exchange_for
from gatekeeper.proxy.exchange import Exchange
from gatekeeper.proxy.local_request import LocalRequest
from gatekeeper.proxy.request_limits import RequestLimits, client_of
from gatekeeper.proxy.streams import ClientStream, RequestHandler
from gatekeeper.proxy.visit import Visit
from gatekeeper.telemetry.metrics import Cell
from gatekeeper.wire.preflight import read_preflight
from gatekeeper.wire.request import RequestHead
from gatekeeper.wire.webdav import answer_to

_DOCUMENT_HEADERS: Final = (("Content-Type", "application/json"), ("Cache-Control", "max-age=300"))


def dispatch(
    stream: ClientStream, visit: Visit, authorizer: Authorizer, head: RequestHead, now: float
) -> RequestHandler | None:
    """The handler that the codec passes the rest of the request to; None if the request has been answered.

    Fails closed: only a `Forward` reaches an upstream, and only the authorizer makes one.
    """
    snapshot = visit.snapshot
    if snapshot.hosts is not None:
        authorizer = visit.authorizer_on(head.block.host, authorizer, now)
    decision = authorizer.fixed_decision
    if decision is None:
        preflight = read_preflight(head) if head.method == b"OPTIONS" else None
        decision = authorizer.decide(head.method, head.block.host, head.target, preflight)
        if snapshot.routes.ask_addresses:
            decision = asked_from(decision, visit.address)
    client = ""
    if snapshot.request_limits is not None:
        client = client_of(authorizer, decision, visit.address)
        if _is_limited(stream, visit, snapshot.request_limits, client, head, now):
            return None
    if isinstance(decision, Forward):
        if decision.identity is None:
            visit.go_unnamed()
        if decision.route.prefix and _is_answered_below(stream, visit, decision.route, head, now):
            return None
        exchange = (
            Exchange(stream, visit, head, decision, now)
            if head.wire_head
            else exchange_for(stream, visit, head, decision, now)
        )
        if client:
            visit.proxy.requests.begin(exchange, client)
        return exchange
    if isinstance(decision, LocalRoute):
        return LocalRequest(stream, visit, head, authorizer.identity, now)
    if isinstance(decision, Denied):
        _refuse(stream, visit, head, decision.refusal, now)
        return None
    _answer(stream, visit, head, decision, now)
    return None


def _refuse(stream: ClientStream, visit: Visit, head: RequestHead, refusal: Refuse, now: float) -> None:
    """RFC 9110, 15.5.4. Nothing of a body is read, not even after an Expect: the 403 comes instead of the 100."""
    visit.tls.forget_session()
    request_id = visit.next_request_id()
    page = visit.refusal_page(head, refusal, request_id, now)
    stream.refuse(page.status, page.headers, page.body)
    visit.proxy.journal.refused(visit.visitor, head, refusal, len(page.body), request_id, now)


def _is_limited(
    stream: ClientStream, visit: Visit, limits: RequestLimits, client: str, head: RequestHead, now: float
) -> bool:
    """Whether the client has sent too many requests, and has been told so: 429 (RFC 6585, 4)."""
    proxy = visit.proxy
    wait = proxy.requests.wait(limits, client, proxy.loop.time())
    if not wait:
        return False
    request_id, detail = visit.next_request_id(), "Too many requests."
    sent = visit.send_error(stream, head, 429, detail, request_id, close=False, retry_after=wait)
    proxy.metrics.change(Cell.RATE_LIMITED, 1)
    proxy.journal.answered(visit.visitor, head, 429, sent, request_id, now, detail)
    stream.finished()
    return True


def _answer(
    stream: ClientStream, visit: Visit, head: RequestHead, decision: StaticDocument | NoRoute, now: float
) -> None:
    """What is the gate's own, or nowhere."""
    request_id = visit.next_request_id()
    if isinstance(decision, StaticDocument):
        status, detail, body = 200, "", visit.snapshot.documents[decision.path]
        stream.send_own(status, _DOCUMENT_HEADERS, body, close=False)
        sent = len(body)
    else:
        status, detail = decision.status, decision.detail
        sent = visit.send_error(stream, head, status, detail, request_id, close=False)
    visit.proxy.journal.answered(visit.visitor, head, status, sent, request_id, now, detail)
    stream.finished()


def _is_answered_below(stream: ClientStream, visit: Visit, route: Route, head: RequestHead, now: float) -> bool:
    """Whether a request on a route with ``strip_prefix`` is none for the app, and has been answered."""
    if route.lacks_slash:
        _add_slash(stream, visit, head, now)
        return True
    instead = answer_to(head, route.prefix, visit.snapshot.routes.match)
    if instead is None:
        return False
    _answer(stream, visit, head, instead, now)
    return True


def _add_slash(stream: ClientStream, visit: Visit, head: RequestHead, now: float) -> None:
    """Redirect to the same path with a slash behind it: relative links in a page would lead out of the route.

    Relative to where the visitor is, which may be below a prefix that a proxy took off. RFC 9110, 15.4.9: 308 keeps the
    method.
    """
    status = 301 if head.method in (b"GET", b"HEAD") else 308
    path, mark, query = head.target.decode("ascii").partition("?")
    location = f"./{path.rpartition('/')[2]}/{mark}{query}"
    stream.send_own(status, (("Location", location), ("Cache-Control", "no-store")), b"", close=False)
    visit.proxy.journal.answered(visit.visitor, head, status, 0, visit.next_request_id(), now, "")
    stream.finished()
