"""The decision: what becomes of a request. Nothing reaches an upstream without a `Forward`, and only `Authorizer` makes
one.

The server calls this on each request, and so does ``gatekeeper explain``.
"""

from dataclasses import dataclass

from gatekeeper.gate.addresses import within
from gatekeeper.gate.routes import MAINTENANCE, LocalRoute, NoRoute, Route, RouteMatch, Routes, StaticDocument
from gatekeeper.gate.rules import Rule
from gatekeeper.gate.verdict import Admit, Identity, Reason, Refuse, Verdict

ELSEWHERE = "This is not open to your network address."
"""What a request gets to hear that comes from outside of ``routes.allow_from``."""


@dataclass(frozen=True, slots=True)
class Forward:
    """Forward to the upstream of this name, with ``identity``; only public routes and preflights have None.

    ``route`` matched the request; ``rule`` is the one under ``allow`` that matched, None if none was required.
    """

    upstream: str
    identity: Identity | None
    route: Route
    rule: Rule | None = None


@dataclass(frozen=True, slots=True)
class Denied:
    """403. ``route`` and ``rule`` are set where they, and not the certificate alone, are the reason."""

    refusal: Refuse
    route: Route | None = None
    rule: Rule | None = None


Decision = Forward | Denied | StaticDocument | LocalRoute | NoRoute


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Only visitors that a rule of ``allow`` names reach an upstream."""

    allow: tuple[Rule, ...] = ()

    def exempts(self, identity: Identity | None) -> bool:
        """Whether this visitor is let through; nobody without a certificate is."""
        return identity is not None and any(rule.vouches_for(identity) for rule in self.allow)


@dataclass(frozen=True, slots=True)
class Preflight:
    """The request that a browser sends before one from another origin (Fetch standard, CORS-preflight request)."""

    origin: bytes
    method: bytes


class Authorizer:
    """Decides about a visitor's requests until its verdict expires.

    ``fixed_decision`` is the decision for every request if all go the same way, else None.
    ``admitted`` tells whether the visitor's certificate is good. Maintenance begins and ends with a new snapshot, so it
    is decided about once for each route, not for each request.
    """

    __slots__ = ("_closed", "_find", "_known", "_routes", "_verdict", "admitted", "fixed_decision")

    def __init__(self, verdict: Verdict, routes: Routes, maintenance: Maintenance | None = None) -> None:
        self._verdict = verdict
        self._routes = routes
        self._closed = maintenance is not None and not maintenance.exempts(self.identity)
        self.admitted = isinstance(verdict, Admit)
        self._find = routes.find if self.admitted else routes.look
        self._known: dict[RouteMatch, Decision] = {}  # no larger than the number of routes
        self.fixed_decision: Decision | None = None
        if routes.everywhere is not None:
            self.fixed_decision = self._decide(routes.everywhere)
        elif isinstance(verdict, Refuse) and not routes.opens_anything:
            self.fixed_decision = Denied(verdict)

    def decide(self, method: bytes, host: bytes, target: bytes, preflight: Preflight | None = None) -> Decision:
        """What becomes of a request with this method, Host header and target (in origin-form, or ``*``)."""
        if preflight is not None:
            forward = self._let_preflight_pass(preflight, host, target)
            if forward is not None:
                return forward
        found = self._find(method, host, target)
        decision = self._known.get(found)
        if decision is None:
            decision = self._known[found] = self._decide(found)
        return decision

    def _decide(self, found: RouteMatch) -> Decision:
        """Fails closed: without a verdict that admits, only what is public is given, and the rest not spoken of."""
        verdict = self._verdict
        if isinstance(found, StaticDocument) or (isinstance(found, LocalRoute) and found.everybody):
            return found
        if isinstance(found, Route) and found.public:
            return MAINTENANCE if self._closed else Forward(found.upstream, self.identity, found)
        if isinstance(verdict, Refuse):
            return Denied(verdict)
        if isinstance(found, NoRoute | LocalRoute):
            return found
        decision = _apply(found, verdict.identity)
        return MAINTENANCE if self._closed and isinstance(decision, Forward) else decision

    def _let_preflight_pass(self, preflight: Preflight, host: bytes, target: bytes) -> Forward | NoRoute | None:
        """The route is that of the request that is to follow; a browser shows no certificate before (Fetch, 4.8)."""
        route = self._routes.look(preflight.method, host, target)
        if isinstance(route, Route) and route.takes_preflight(preflight.origin):
            return MAINTENANCE if self._closed else Forward(route.upstream, self.identity, route)
        return None

    @property
    def refusal(self) -> Refuse | None:
        """Why the visitor is let in nowhere but where it is public; None if the certificate is good."""
        return self._verdict if isinstance(self._verdict, Refuse) else None

    @property
    def pending(self) -> bool:
        """Whether nothing can be decided before an OCSP responder was asked."""
        return isinstance(self._verdict, Refuse) and self._verdict.pending

    @property
    def identity(self) -> Identity | None:
        """The visitor as whom everything is done; None for who is let in nowhere but where it is public."""
        return self._verdict.identity if isinstance(self._verdict, Admit) else None


def is_open(route: Route, identity: Identity, address: str) -> bool:
    """Whether a route lets somebody through who asks from ``address``; another route may take the request before it."""
    decision = Forward(route.upstream, identity, route) if route.public else _apply(route, identity)
    return isinstance(asked_from(decision, address), Forward)


def _apply(route: Route, identity: Identity) -> Forward | Denied:
    """The rules of the route: deny wins, and where something is allowed, nothing else is."""
    denied = route.denies(identity)
    allowed = route.allows(identity)
    if denied is not None or (route.allow and allowed is None):
        refusal = Refuse(Reason.NOT_ALLOWED, "The certificate is good, but not allowed here.", identity.certificate)
        return Denied(refusal, route, denied)
    return Forward(route.upstream, identity, route, allowed)


def asked_from(decision: Decision, address: str) -> Decision:
    """The decision for a request from this address: ``allow_from`` of the route decides, for public routes too.

    What is no address, such as "unix", is in no network.
    """
    if not isinstance(decision, Forward) or not decision.route.networks or within(address, decision.route.networks):
        return decision
    certificate = None if decision.identity is None else decision.identity.certificate
    return Denied(Refuse(Reason.NOT_ALLOWED, ELSEWHERE, certificate), decision.route)
