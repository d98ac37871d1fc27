"""Two places of one app: both are used, one may fail, and health checks take it out and bring it back."""

from pathlib import Path

from aiohttp import web

from tests.app import App
from tests.gate_process import Gate, until
from tests.visitors import Visitors


def urls(*apps: App) -> str:
    return f"urls = {[app.url for app in apps]}"


def test_visitors_notice_nothing_when_a_place_goes_away(folder: Path, visitors: Visitors) -> None:
    """Its connections end, new ones are refused; everything goes to the other one."""
    alice = visitors.context("alice")
    with App() as first, App() as second:
        gate = Gate(folder, "", app=urls(first, second))
        with gate:
            for _ in range(6):
                assert gate.request(alice)[0] == 200
            assert len(first.asked) == len(second.asked) == 3
            second.run(second._runner.cleanup())
            for _ in range(6):
                assert gate.request(alice)[0] == 200
            assert len(first.asked) == 9
            gate.wait_for(lambda line: "ejected for 1 s: Connection refused" in line)


def test_an_app_can_take_itself_out_of_service(folder: Path, visitors: Visitors) -> None:
    """health_path: 503 there is 503 for visitors, and /readyz?verbose says so, until it is 200 again."""
    alice = visitors.context("alice")
    health = 503
    asked = []

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/healthz":
            return web.Response(status=health)
        asked.append(request.path)
        return web.Response()

    checks = 'health_path = "/healthz"\nhealth_interval = "1s"'
    with App(answer) as app, Gate(folder, app.url, app=checks) as gate:
        until(lambda: not gate.admin("/readyz?verbose")[1]["checks"]["upstream"]["ok"])
        status, headers, _ = gate.request(alice)
        assert (status, headers["retry-after"]) == (503, "1")
        assert asked == []
        health = 200
        until(lambda: gate.admin("/readyz?verbose")[1]["checks"]["upstream"]["ok"])
        assert gate.request(alice)[0] == 200
        assert asked == ["/"]
