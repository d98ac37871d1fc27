"""Decides what happens to a request. Nothing reaches an upstream without a `Forward`, which only `Authorizer` makes.

The server calls this for each request, and so does ``gatekeeper explain``.
"""

from dataclasses import dataclass

from gatekeeper.gate.addresses import within
from gatekeeper.gate.routes import MAINTENANCE, LocalRoute, NoRoute, Route, RouteMatch, Routes, StaticDocument
from gatekeeper.gate.rules import Rule
from gatekeeper.gate.verdict import Admit, Identity, Reason, Refuse, Verdict

ELSEWHERE = "This is not open to your network address."
"""The detail of a refusal because the request comes from outside ``routes.allow_from``."""


@dataclass(frozen=True, slots=True)
class Forward:
    """Forward to the upstream of this name, as ``identity``, which is None only for public routes and preflights.

    ``route`` matched the request; ``rule`` is the rule under ``allow`` that matched, None if none was required.
    """

    upstream: str
    identity: Identity | None
    route: Route
    rule: Rule | None = None


@dataclass(frozen=True, slots=True)
class Denied:
    """403. ``route`` and ``rule`` are set if they are the reason, and not the certificate alone."""

    refusal: Refuse
    route: Route | None = None
    rule: Rule | None = None


Decision = Forward | Denied | StaticDocument | LocalRoute | NoRoute


@dataclass(frozen=True, slots=True)
class Maintenance:
    """The site is closed. Only visitors that match a rule in ``allow`` reach an upstream."""

    allow: tuple[Rule, ...] = ()

    def exempts(self, identity: Identity | None) -> bool:
        """Whether this visitor is let through. A visitor without a certificate never is."""
        return identity is not None and any(rule.vouches_for(identity) for rule in self.allow)


@dataclass(frozen=True, slots=True)
class Preflight:
    """The origin and method that a CORS-preflight request announces (Fetch standard, 4.8)."""

    origin: bytes
    method: bytes


class Authorizer:
    """Decides about a visitor's requests until its verdict expires.

    ``fixed_decision`` is the decision for every request if it is the same for all, else None. ``admitted``: whether the
    visitor's certificate is good. Maintenance begins and ends with a new snapshot, so its decision is cached for each
    route, like every other.
    """

    __slots__ = ("_closed", "_known", "_match", "_routes", "_verdict", "admitted", "fixed_decision")

    def __init__(self, verdict: Verdict, routes: Routes, maintenance: Maintenance | None = None) -> None:
        self._verdict = verdict
        self._routes = routes
        self._closed = maintenance is not None and not maintenance.exempts(self.identity)
        self.admitted = isinstance(verdict, Admit)
        self._match = routes.cached_match if self.admitted else routes.match
        self._known: dict[RouteMatch, Decision] = {}  # no larger than the number of routes
        self.fixed_decision: Decision | None = None
        if routes.everywhere is not None:
            self.fixed_decision = self._decide(routes.everywhere)
        elif isinstance(verdict, Refuse) and not routes.opens_anything:
            self.fixed_decision = Denied(verdict)

    def decide(self, method: bytes, host: bytes, target: bytes, preflight: Preflight | None = None) -> Decision:
        """Decide about a request with this method, Host header and target (in origin-form, or ``*``)."""
        if preflight is not None:
            forward = self._let_preflight_pass(preflight, host, target)
            if forward is not None:
                return forward
        found = self._match(method, host, target)
        decision = self._known.get(found)
        if decision is None:
            decision = self._known[found] = self._decide(found)
        return decision

    def _decide(self, found: RouteMatch) -> Decision:
        """Fails closed: without an admitting verdict, only what is public is served. The response is the same for
        routes that exist and for those that do not, so that strangers cannot explore them.
        """
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
        """Find the route of the request that will follow. A browser sends a preflight without a certificate (Fetch,
        4.8).
        """
        route = self._routes.match(preflight.method, host, target)
        if isinstance(route, Route) and route.takes_preflight(preflight.origin):
            return MAINTENANCE if self._closed else Forward(route.upstream, self.identity, route)
        return None

    @property
    def refusal(self) -> Refuse | None:
        """Why the visitor may use public routes only; None if the certificate is good."""
        return self._verdict if isinstance(self._verdict, Refuse) else None

    @property
    def pending(self) -> bool:
        """Whether an OCSP responder has to be asked before anything can be decided."""
        return isinstance(self._verdict, Refuse) and self._verdict.pending

    @property
    def identity(self) -> Identity | None:
        """Whom requests are forwarded as; None for a visitor who may use public routes only."""
        return self._verdict.identity if isinstance(self._verdict, Admit) else None


def is_open(route: Route, identity: Identity, address: str) -> bool:
    """Whether a route lets this visitor through from ``address``. Not checked: whether an earlier route takes the
    request.
    """
    return isinstance(asked_from(_apply(route, identity), address), Forward)


def _apply(route: Route, identity: Identity) -> Forward | Denied:
    """Apply the route's rules: deny wins, and if there are rules under ``allow``, one of them must match. Public routes
    have none.
    """
    denied = route.denies(identity)
    allowed = route.allows(identity)
    if denied is not None or (route.allow and allowed is None):
        refusal = Refuse(Reason.NOT_ALLOWED, "The certificate is good, but not allowed here.", identity.certificate)
        return Denied(refusal, route, denied)
    return Forward(route.upstream, identity, route, allowed)


def asked_from(decision: Decision, address: str) -> Decision:
    """Apply the route's ``allow_from`` to a decision; it counts for public routes too."""
    if not isinstance(decision, Forward) or not decision.route.networks or within(address, decision.route.networks):
        return decision
    certificate = None if decision.identity is None else decision.identity.certificate
    return Denied(Refuse(Reason.NOT_ALLOWED, ELSEWHERE, certificate), decision.route)
