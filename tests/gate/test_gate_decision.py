"""What becomes of a request: verdict, route and rules together."""

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import gatekeeper
from gatekeeper.gate.decision import (
    ELSEWHERE,
    Authorizer,
    Decision,
    Denied,
    Forward,
    Maintenance,
    Preflight,
    asked_from,
    is_open,
)
from gatekeeper.gate.routes import (
    AMBIGUOUS,
    EVERYTHING,
    LOCAL,
    LOCAL_ADMITTED,
    MAINTENANCE,
    UNKNOWN,
    Routes,
    StaticDocument,
)
from gatekeeper.gate.rules import compile_rule
from gatekeeper.gate.verdict import Admit, Identity, Reason, Refuse, Verdict
from gatekeeper.settings.access import RouteSettings, RuleSettings
from tests.people import ALICE

BOB = replace(ALICE, common_names=("bob",), organizational_units=("ops",), sha256="ef" * 32)
NOBODY = Refuse(Reason.NO_CERTIFICATE, "No client certificate was sent.")
EXPIRED = Refuse(Reason.EXPIRED, "The certificate has expired.", ALICE)


def admitted(certificate: Any = ALICE) -> Admit:
    return Admit(Identity(certificate), until=float("inf"))


def decide(
    verdict: Verdict,
    *tables: dict[str, Any],
    method: str = "GET",
    target: str = "/",
    preflight: Preflight | None = None,
) -> Decision:
    routes = Routes([RouteSettings.model_validate(table) for table in tables])
    authorizer = Authorizer(verdict, routes)
    decision = authorizer.decide(method.encode(), b"x.example", target.encode(), preflight)
    assert authorizer.fixed_decision in (None, decision)
    return decision


def test_without_routes_whoever_is_admitted_is_forwarded() -> None:
    """The decision is made once, for every request of the connection."""
    authorizer = Authorizer(admitted(), Routes([]))
    assert authorizer.fixed_decision == Forward("default", Identity(ALICE), EVERYTHING)
    assert authorizer.decide(b"GET", b"x", b"/") == authorizer.fixed_decision


@pytest.mark.parametrize(
    ("verdict", "pending"), [(admitted(), False), (EXPIRED, False), (replace(EXPIRED, pending=True), True)]
)
def test_only_a_pending_refusal_waits_for_the_ocsp_responder(verdict: Verdict, pending: bool) -> None:
    """Every other verdict is final, and nobody is asked about it."""
    assert Authorizer(verdict, Routes([])).pending is pending


@pytest.mark.parametrize("verdict", [NOBODY, EXPIRED])
def test_without_routes_nobody_else_is(verdict: Refuse) -> None:
    """The verdict is the answer."""
    authorizer = Authorizer(verdict, Routes([]))
    assert authorizer.fixed_decision == Denied(verdict)
    assert authorizer.decide(b"GET", b"x", b"/") == Denied(verdict)


def test_a_refused_visitor_is_refused_everywhere_at_once() -> None:
    """Where no route opens anything, none is looked for."""
    routes = Routes([RouteSettings.model_validate({"path": "/api/*"})])
    assert Authorizer(NOBODY, routes).fixed_decision == Denied(NOBODY)
    assert Authorizer(admitted(), routes).fixed_decision is None


def test_a_route_without_rules_lets_every_verified_visitor_through() -> None:
    """To its upstream."""
    decision = decide(admitted(), {"upstream": "api"})
    assert isinstance(decision, Forward)
    assert (decision.upstream, decision.identity, decision.rule) == ("api", Identity(ALICE), None)


def test_any_rule_that_allows_suffices() -> None:
    """The decision names the one that fitted."""
    decision = decide(admitted(), {"allow": [{"cn": "bob"}, {"cn": "alice"}, {"ou": "dev"}]})
    assert isinstance(decision, Forward)
    assert decision.rule is not None
    assert decision.rule.text == 'allow[1]: cn = "alice"'


def test_whoever_no_rule_allows_is_refused() -> None:
    """403 not_allowed, with the certificate; the reason tells the visitor nothing of the rules."""
    decision = decide(admitted(), {"path": "/admin/*", "allow": [{"ou": "ops"}]}, target="/admin/")
    assert isinstance(decision, Denied)
    assert decision.refusal == Refuse(Reason.NOT_ALLOWED, "The certificate is good, but not allowed here.", ALICE)
    assert decision.route is not None
    assert (decision.route.text, decision.rule) == ("routes[0] /admin/*", None)


def test_deny_wins() -> None:
    """Over a rule that allows, and where nothing else is asked."""
    for allow in ({"allow": [{"cn": "alice"}]}, {}):
        decision = decide(admitted(), {"deny": [{"serial": "FF"}, {"cn": "alice"}], **allow})
        assert isinstance(decision, Denied)
        assert decision.refusal.reason is Reason.NOT_ALLOWED
        assert decision.rule is not None
        assert decision.rule.text == 'deny[1]: cn = "alice"'


def test_a_rule_that_denies_need_not_be_sure_of_the_issuer() -> None:
    """An authority of the same name that should not exist is denied too: in doubt, nobody is let through."""
    doubtful = Admit(Identity(ALICE, issuer_is_known=False), until=float("inf"))
    assert isinstance(decide(doubtful, {"deny": [{"issuer": "Home CA"}]}), Denied)


def test_who_is_not_denied_is_let_through() -> None:
    """A route that only denies allows everybody else."""
    assert isinstance(decide(admitted(BOB), {"deny": [{"cn": "alice"}]}), Forward)


def test_a_refusal_by_a_route_is_final() -> None:
    """The first route that matches decides; none further down gives a second chance."""
    decision = decide(admitted(), {"path": "/a/*", "allow": [{"cn": "bob"}]}, {"path": "/*"}, target="/a/b")
    assert isinstance(decision, Denied)


@pytest.mark.parametrize("verdict", [NOBODY, EXPIRED])
@pytest.mark.parametrize("target", ["/", "/unknown", "/a/../b", "/a/b"])
def test_the_verdict_comes_before_everything_else(verdict: Refuse, target: str) -> None:
    """Without a certificate nobody finds out which paths exist: neither by a 404 nor by a 400."""
    tables = ({"path": "/a/*", "allow": [{"cn": "alice"}]}, {"path": "/", "deny": [{"cn": "alice"}]})
    assert decide(verdict, *tables, target=target) == Denied(verdict)


def test_whoever_was_let_in_gets_404_and_400() -> None:
    """No route, and a path that can be read in two ways."""
    assert decide(admitted(), {"path": "/a/*"}, target="/b") is UNKNOWN
    assert decide(admitted(), {"path": "/a/*"}, target="/b/../a") is AMBIGUOUS


@pytest.mark.parametrize("verdict", [NOBODY, EXPIRED])
def test_public_routes_need_no_certificate(verdict: Refuse) -> None:
    """And one that came along is passed on only if it is good."""
    decision = decide(verdict, {"path": "/hook", "public": True, "upstream": "hooks"}, {"path": "/*"}, target="/hook")
    assert isinstance(decision, Forward)
    assert (decision.upstream, decision.identity) == ("hooks", None)


def test_a_good_certificate_on_a_public_route_is_passed_on() -> None:
    """The app learns who it is if somebody is."""
    decision = decide(admitted(), {"public": True})
    assert isinstance(decision, Forward)
    assert decision.identity == Identity(ALICE)


def test_a_public_route_opens_its_methods_only() -> None:
    """Another method is for the next route."""
    decision = decide(NOBODY, {"path": "/hook", "methods": "POST", "public": True}, {"path": "/*"}, target="/hook")
    assert decision == Denied(NOBODY)


def test_documents_are_for_everybody() -> None:
    """What the gate itself publishes, a verdict or not."""
    routes = Routes([], documents=(b"/keys",))
    for verdict in (NOBODY, EXPIRED, admitted()):
        assert isinstance(Authorizer(verdict, routes).decide(b"GET", b"x", b"/keys"), StaticDocument)
    assert Authorizer(NOBODY, routes).decide(b"GET", b"x", b"/") == Denied(NOBODY)


ASKS = Preflight(b"https://app.example.com", b"PUT")


@pytest.mark.parametrize("origins", [True, ["https://app.example.com"], ["https://x", "https://app.example.com"]])
def test_a_preflight_passes_where_the_route_says_so(origins: Any) -> None:
    """To the upstream of the route that would take the request itself, as nobody."""
    tables = ({"methods": "PUT", "upstream": "api", "cors_preflight": origins}, {"upstream": "rest"})
    decision = decide(NOBODY, *tables, method="OPTIONS", preflight=ASKS)
    assert isinstance(decision, Forward)
    assert (decision.upstream, decision.identity) == ("api", None)


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"cors_preflight": False},
        {"cors_preflight": ["https://app.example.com.evil.example"]},
        {"cors_preflight": ["http://app.example.com"]},
        {"cors_preflight": True, "methods": ["GET", "OPTIONS"]},
        {"cors_preflight": True, "path": "/elsewhere/*"},
    ],
    ids=str,
)
def test_other_preflights_need_a_certificate(table: dict[str, Any]) -> None:
    """Not opted in, another origin, another method, another path."""
    assert decide(NOBODY, table, method="OPTIONS", preflight=ASKS) == Denied(NOBODY)


def test_a_preflight_to_an_ambiguous_path_needs_a_certificate() -> None:
    """What opens one path must not open another."""
    tables = ({"path": "/api/*", "cors_preflight": True}, {"path": "/*"})
    assert decide(NOBODY, *tables, method="OPTIONS", target="/api/../x", preflight=ASKS) == Denied(NOBODY)


def test_a_preflight_asks_for_no_rule() -> None:
    """It only asks what may be asked; the request that follows is judged."""
    table = {"cors_preflight": True, "allow": [{"cn": "bob"}]}
    decision = decide(admitted(), table, method="OPTIONS", preflight=ASKS)
    assert isinstance(decision, Forward)
    assert decision.identity == Identity(ALICE)


def test_an_options_request_that_is_none_is_like_any_other() -> None:
    """Only what says that it is a preflight passes."""
    assert decide(NOBODY, {"cors_preflight": True}, method="OPTIONS") == Denied(NOBODY)


def test_a_cached_decision_is_the_same() -> None:
    """The second time too, for each route by itself."""
    routes = Routes(
        [
            RouteSettings.model_validate(table)
            for table in ({"path": "/a/*", "allow": [{"cn": "bob"}]}, {"path": "/b/*"})
        ]
    )
    authorizer = Authorizer(admitted(), routes)
    for _ in range(2):
        assert isinstance(authorizer.decide(b"GET", b"x", b"/a/1"), Denied)
        assert isinstance(authorizer.decide(b"GET", b"x", b"/b/1"), Forward)
        assert authorizer.decide(b"GET", b"x", b"/c") is UNKNOWN


def test_strangers_do_not_fill_the_memory() -> None:
    """What they ask for is looked up each time."""
    routes = Routes([RouteSettings()])
    Authorizer(NOBODY, routes).decide(b"GET", b"x", b"/1")
    assert routes.cached_match.cache_info().currsize == 0  # type: ignore[attr-defined]
    Authorizer(admitted(), routes).decide(b"GET", b"x", b"/1")
    assert routes.cached_match.cache_info().currsize == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "target", ["/.gatekeeper/me", "/.gatekeeper/me/", "/.gatekeeper/renew", "/.well-known/est/simplereenroll"]
)
def test_the_gates_pages_about_a_visitor_need_a_certificate(target: str) -> None:
    """An invitation is for those who have none yet; what is said about a visitor and signed for it is not."""
    routes = Routes([], local=True)
    assert Authorizer(NOBODY, routes).decide(b"GET", b"x", target.encode()) == Denied(NOBODY)
    assert Authorizer(admitted(), routes).decide(b"GET", b"x", target.encode()) is LOCAL_ADMITTED
    assert Authorizer(admitted(), routes).decide(b"GET", b"x", b"/.well-known/est/simplereenroll/") is UNKNOWN
    assert Authorizer(NOBODY, routes).decide(b"GET", b"x", b"/.gatekeeper/invite/x") is LOCAL


def test_nobody_else_makes_a_forward() -> None:
    """Nothing can reach an upstream without asking here: no other file of the package calls ``Forward``."""
    root = Path(gatekeeper.__file__).parent
    makers = {
        file.relative_to(root).as_posix()
        for file in root.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "Forward"
    }
    assert makers == {"gate/decision.py"}


def test_maintenance_closes_all_that_is_forwarded_and_nothing_else() -> None:
    """Whom a rule names still gets through; who is refused is refused, and what does not exist is not spoken of."""
    routes = Routes([RouteSettings.model_validate(table) for table in ({"path": "/a", "public": True}, {"path": "/b"})])
    closed = Maintenance((compile_rule(RuleSettings(cn="bob"), "allow[0]"),))
    open_to_alice = Maintenance((compile_rule(RuleSettings(cn="alice"), "allow[0]"),))
    for maintenance, visitor, targets in (
        (closed, admitted(), {b"/a": MAINTENANCE, b"/b": MAINTENANCE, b"/c": UNKNOWN}),
        (closed, NOBODY, {b"/a": MAINTENANCE, b"/b": Denied(NOBODY), b"/c": Denied(NOBODY)}),
        (open_to_alice, NOBODY, {b"/a": MAINTENANCE}),
    ):
        authorizer = Authorizer(visitor, routes, maintenance)
        assert {target: authorizer.decide(b"GET", b"x", target) for target in targets} == targets
    let_through = Authorizer(admitted(), routes, open_to_alice)
    assert all(isinstance(let_through.decide(b"GET", b"x", target), Forward) for target in (b"/a", b"/b"))
    assert Authorizer(admitted(), Routes([]), closed).fixed_decision is MAINTENANCE


def test_maintenance_tells_nobody_that_a_route_is_open_to_others() -> None:
    """Whoever a route refuses gets the same 403 as before, and need not come back later."""
    routes = Routes([RouteSettings.model_validate({"deny": [{"cn": "alice"}]})])
    assert isinstance(Authorizer(admitted(), routes, Maintenance()).decide(b"GET", b"x", b"/"), Denied)


def test_maintenance_holds_for_preflights() -> None:
    """They reach the app without a certificate."""
    routes = Routes([RouteSettings.model_validate({"cors_preflight": True})])
    assert Authorizer(NOBODY, routes, Maintenance()).decide(b"OPTIONS", b"x", b"/", ASKS) is MAINTENANCE


@pytest.mark.parametrize("known", [True, False])
def test_an_issuer_that_may_be_another_exempts_nobody_from_maintenance(known: bool) -> None:
    """As under ``allow``: anybody with a trusted authority can make one below it with this name."""
    exempt = Maintenance((compile_rule(RuleSettings(issuer="Home CA"), "allow[0]"),))
    visitor = Admit(Identity(ALICE, issuer_is_known=known), until=float("inf"))
    decision = Authorizer(visitor, Routes([]), exempt).fixed_decision
    assert isinstance(decision, Forward) if known else decision is MAINTENANCE


@pytest.mark.parametrize("table", [{}, {"public": True}, {"allow": [{"cn": "alice"}]}])
def test_a_route_may_ask_where_a_request_comes_from(table: dict[str, Any]) -> None:
    """Beside its other rules, and on a public route too: from elsewhere nobody is let through."""
    decision = decide(admitted(), {"allow_from": ["192.168.0.0/16", "fd00::/8"], **table})
    assert asked_from(decision, "192.168.7.1") is decision
    assert asked_from(decision, "fd00::1") is decision
    for address in ("192.169.0.1", "::1", "unix", ""):
        refused = asked_from(decision, address)
        assert isinstance(refused, Denied)
        assert refused.refusal == Refuse(Reason.NOT_ALLOWED, ELSEWHERE, ALICE)


def test_an_address_gives_nobody_anything() -> None:
    """Who is refused by another rule stays refused wherever the request comes from."""
    denied = decide(admitted(BOB), {"allow_from": ["0.0.0.0/0"], "allow": [{"cn": "alice"}]})
    assert isinstance(denied, Denied)
    assert asked_from(denied, "192.0.2.1") is denied
    assert asked_from(decide(NOBODY, {"allow_from": ["0.0.0.0/0"]}), "192.0.2.1") == Denied(NOBODY)


def test_whether_a_route_is_open_from_here() -> None:
    """For the start page: by rules and by address."""
    (route,) = Routes([RouteSettings.model_validate({"path": "/*", "allow_from": ["192.168.0.0/16"]})]).all
    assert is_open(route, Identity(ALICE), "192.168.0.1")
    assert not is_open(route, Identity(ALICE), "127.0.0.1")
