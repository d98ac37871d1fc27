"""How ``gatekeeper check`` sums up routes."""

from gatekeeper.cli.check import route_line
from gatekeeper.gate.routes import compile_route
from gatekeeper.settings import RouteSettings


def test_where_a_route_leads_and_for_whom() -> None:
    """Public, for everybody who is verified, or by how many rules."""
    lines = [
        route_line(compile_route(RouteSettings.model_validate(table), f"routes[{index}]"))
        for index, table in enumerate(
            (
                {"path": "/hook", "methods": "POST", "public": True},
                {"path": "/admin/*", "allow": [{"cn": "a"}, {"cn": "b"}], "deny": [{"serial": "01"}]},
                {"hosts": "x.example", "upstream": "api"},
            )
        )
    ]
    assert lines == [
        "routes[0] POST /hook to default, public",
        "routes[1] /admin/* to default, rules: 2 under allow, 1 under deny",
        "routes[2] x.example/* to api, every verified visitor",
    ]
