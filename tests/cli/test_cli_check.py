"""What ``gatekeeper check`` says of routes."""

import pytest

from gatekeeper.cli.check import route_line
from gatekeeper.gate.routes import compile_route
from gatekeeper.settings.access import RouteSettings


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({}, "routes[0] /*: every method, to default, for every verified visitor"),
        (
            {"path": "/hook", "methods": ["POST"], "public": True, "upstream": "ci"},
            "routes[0] /hook: POST, to ci, for everybody",
        ),
        (
            {"path": "/admin/*", "methods": ["GET"], "allow": [{"ou": "ops"}], "deny": [{"cn": "mallory"}]},
            "routes[0] /admin/*: GET, HEAD, to default, for one kind of visitor, but for 1 under deny",
        ),
        (
            {"allow": [{"ou": "ops"}, {"cn": "alice"}]},
            "routes[0] /*: every method, to default, for 2 kinds of visitors",
        ),
    ],
)
def test_a_route_is_told_in_a_line(settings: dict[str, object], line: str) -> None:
    """Which requests, where to, and above all for whom."""
    assert route_line(compile_route(RouteSettings.model_validate(settings), "routes[0]")) == line
