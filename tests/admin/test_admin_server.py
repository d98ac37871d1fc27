"""What operators and orchestrators ask."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import ClientSession

from gatekeeper.admin.server import MOST_CONNECTIONS, Admin, bars, page
from gatekeeper.admin.status import Check
from gatekeeper.process.listeners import open_listener
from gatekeeper.settings.addresses import parse_listen
from tests.gate_process import PATIENCE

REPORT: dict[str, Any] = {
    "version": "1.2.3",
    "form": "compiled",
    "ready": False,
    "checks": {"upstream": {"ok": False, "detail": "no connection to default", "decides": True}},
    "configuration": "/etc/gatekeeper/gatekeeper.toml",
    "uptime_seconds": 90061.0,
    "tls": {"mode": "every_certificate", "reason": ""},
    "supervisor": 41,
    "upgrades_failed": 0,
    "workers": [{"pid": 42, "state": "serving", "uptime_seconds": 5.0, "connections": 7}],
    "worker_restarts": 1,
    "last_reload": {"time": "2027-01-01T00:00:00Z", "ok": False, "message": "no <b>CA</b>"},
    "certificates": [
        {"kind": "client_ca", "subject": "CN=<script>alert(1)</script>", "not_after": "2027", "days_left": 3}
    ],
    "crls": [{"issuer": "CN=Home CA", "next_update": "2027", "days_left": 2, "revoked": 5}],
    "upstreams": [{"name": "default", "up": False, "places": ["http://127.0.0.1:8000"], "latency": None}],
    "warnings": ["the CRL of CN=<i>x</i> is stale"],
    "connections": 7,
    "http2_connections": 5,
    "tunnels": 1,
    "requests": 1000,
    "refusals": {"expired": 3, "revoked": 0},
    "refusal_history": {"seconds": 1800, "counts": [0] * 46 + [1, 100]},
    "expiring_clients": 2,
    "handshakes": {"ok": 1, "failed": 0},
    "access_log_lost": 2,
}


class StatusSource:
    """A status that is told what to say."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks

    async def checks(self, *, verbose: bool = False) -> Mapping[str, Check]:
        return {name: check for name, check in self._checks.items() if verbose or check.decides}

    async def report(self) -> dict[str, Any]:
        return REPORT

    async def metrics(self) -> str:
        return "gatekeeper_connections 7\n"


def ask(checks: Mapping[str, Check], path: str, method: str = "GET", accept: str = "*/*") -> tuple[int, Any]:
    status, text, _ = ask_whole(checks, path, method, accept)
    return status, json.loads(text) if text.startswith("{") else text


def ask_whole(
    checks: Mapping[str, Check], path: str, method: str, accept: str, **more: str
) -> tuple[int, str, Mapping[str, str]]:
    async def talk() -> tuple[int, str, Mapping[str, str]]:
        listener = open_listener(parse_listen("127.0.0.1:0"))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}{path}"
        admin = Admin(StatusSource(checks), hosts=lambda: ["gate.example.com"])
        await admin.start(listener)
        try:
            async with (
                ClientSession(headers={"Accept": accept} | more) as session,
                session.request(method, url, allow_redirects=False) as answer,
            ):
                return answer.status, await answer.text(), dict(answer.headers)
        finally:
            await admin.stop()

    return asyncio.run(talk())


def test_metrics_are_prometheus_text() -> None:
    """The content type names the format's version, which Prometheus insists on."""
    status, text, headers = ask_whole({}, "/metrics", "GET", "*/*")
    assert (status, text) == (200, "gatekeeper_connections 7\n")
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


TELLING = ["/status", "/metrics", "/readyz?verbose"]


@pytest.mark.parametrize("path", TELLING)
@pytest.mark.parametrize(
    "host", ["attacker.example", "attacker.example:9000", "localhost.attacker.example", "mylocalhost"]
)
def test_a_page_with_a_name_of_its_own_learns_nothing(path: str, host: str) -> None:
    """DNS rebinding: the browser takes our answer for the page's own, whose name points to 127.0.0.1."""
    status, text, _ = ask_whole({}, path, "GET", "*/*", Host=host)
    assert (status, text) == (421, "admin.hosts does not list the name of this request\n")


def test_a_name_that_is_none_is_malformed() -> None:
    """RFC 9112, 3.2: 400 for a Host that is no host."""
    assert ask_whole({}, "/status", "GET", "*/*", Host="[x]:1")[0] == 400


@pytest.mark.parametrize("path", TELLING)
@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LocalHost.:9000", "gate.localhost:9000", "127.0.0.1:9000", "[::1]:9000", "[::1]", "10.0.0.7"),
        *("gate.example.com", "Gate.Example.com:9000"),
    ],
)
def test_whoever_asks_by_a_known_name_is_told(path: str, host: str) -> None:
    """Addresses, which no page can point elsewhere, localhost (RFC 6761, 6.3), and what is configured."""
    assert ask_whole({}, path, "GET", "*/*", Host=host)[0] == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_may_use_any_name(path: str) -> None:
    """They tell nothing that is not to be known, and orchestrators name their targets as they like."""
    assert ask_whole({}, path, "GET", "*/*", Host="anything.example")[0] == 200


def test_status_is_json_unless_a_page_is_asked_for() -> None:
    """curl gets JSON, a browser the page."""
    assert ask({}, "/status") == (200, REPORT)
    status, text, headers = ask_whole({}, "/status", "GET", "text/html,*/*;q=0.8")
    assert status == 200
    assert text.startswith("<!doctype html>")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert headers["Cache-Control"] == "no-store"


def test_nothing_on_the_page_is_markup_but_the_page_itself() -> None:
    """A certificate's subject is whatever somebody wrote there."""
    text = page(REPORT)
    assert "7 open connections (5 in HTTP/2)" in text
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "no &lt;b&gt;CA&lt;/b&gt;" in text
    assert "<i>x" not in text


def test_an_app_without_responses_has_no_latency() -> None:
    """Nothing is shown as 0 ms that was not measured."""
    quiet = REPORT["upstreams"][0]
    latency = {"seconds": 300, "responses": 7, "median": 0.0021, "p95": 1.5}
    text = page(REPORT | {"upstreams": [quiet, quiet | {"latency": latency}]})
    assert text.count('<td class="number quiet">–</td>') == 2
    assert '<td class="number">2.1 ms</td><td class="number">1.5 s</td>' in text


def test_the_page_loads_nothing() -> None:
    """No outside resources."""
    assert "http" not in page(REPORT | {"upstreams": []}).replace('http-equiv="refresh"', "")


def test_healthz_says_that_the_process_lives() -> None:
    """Whatever its checks say: a restart would not help."""
    assert ask({"upstream": Check(False, "is down")}, "/healthz") == (200, {"status": "ok"})


def test_readyz_names_each_check() -> None:
    """200 only if all are fine."""
    assert ask({"listening": Check(True)}, "/readyz") == (
        200,
        {"status": "ready", "checks": {"listening": {"ok": True, "detail": "", "decides": True}}},
    )
    status, told = ask({"listening": Check(True), "draining": Check(False, "the gate is stopping")}, "/readyz")
    assert status == 503
    assert told["status"] == "not ready"
    assert told["checks"]["draining"] == {"ok": False, "detail": "the gate is stopping", "decides": True}


def test_a_check_that_does_not_decide_is_told_to_who_asks_for_it() -> None:
    """`?verbose` names it, and the gate is ready all the same."""
    checks = {"listening": Check(True), "upstream": Check(False, "no connection to default", decides=False)}
    assert ask(checks, "/readyz")[0] == 200
    assert "upstream" not in ask(checks, "/readyz")[1]["checks"]
    status, told = ask(checks, "/readyz?verbose")
    assert status == 200
    assert told["checks"]["upstream"] == {"ok": False, "detail": "no connection to default", "decides": False}


def test_other_paths_are_not_there() -> None:
    """Nor other methods."""
    assert ask({}, "/other")[0] == 404
    assert ask({}, "/healthz", "POST")[0] == 405


def test_the_bare_address_leads_to_the_page() -> None:
    """For people who know host and port alone."""
    status, _, headers = ask_whole({}, "/", "GET", "text/html")
    assert (status, headers["Location"]) == (302, "/status")


def test_an_answer_ends_its_connection() -> None:
    """So that nobody keeps a descriptor of a worker, and the next question may reach another one."""
    assert ask_whole({}, "/healthz", "GET", "*/*")[2]["Connection"] == "close"
    assert ask_whole({}, "/nowhere", "GET", "*/*")[2]["Connection"] == "close"


def play(seconds: float, connections: int, rest: bytes = b"") -> tuple[bytes, bytes]:
    """What the first of so many connections, none of which ends its request, and a newcomer are answered. The first one
    sends the ``rest`` of its request after the newcomer has its answer.
    """

    async def talk() -> tuple[bytes, bytes]:
        listener = open_listener(parse_listen("127.0.0.1:0"))
        admin = Admin(StatusSource({}), seconds=seconds)
        await admin.start(listener)
        port = listener.getsockname()[1]
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(connections)]
        for _, writer in held:
            writer.write(b"GET /healthz HTTP/1.1\r\n")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = await reader.read()
        held[0][1].write(rest)
        answers = await held[0][0].read(), answer
        for _, each in (*held, (reader, writer)):
            each.close()
        await admin.stop()
        return answers

    return asyncio.run(asyncio.wait_for(talk(), PATIENCE))


def test_who_has_connected_is_answered_when_the_worker_leaves() -> None:
    """Also who has not asked yet. During an upgrade the successor accepts on the same socket, so nobody can tell."""

    async def talk() -> bytes:
        listener = open_listener(parse_listen("127.0.0.1:0"))
        admin = Admin(StatusSource({}))
        await admin.start(listener)
        port = listener.getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        other, asking = await asyncio.open_connection("127.0.0.1", port)
        asking.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        await other.read()  # so both were accepted
        stopping = asyncio.create_task(admin.stop())
        await asyncio.sleep(0)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = await reader.read()
        await stopping
        for each in (writer, asking):
            each.close()
        return answer

    assert asyncio.run(asyncio.wait_for(talk(), PATIENCE)).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(("seconds", "connections"), [(2.0, 1), (1000.0, MOST_CONNECTIONS)])
def test_nobody_can_occupy_it(seconds: float, connections: int) -> None:
    """A request that is never finished is given a time, and one of too many is the first to go."""
    first, newcomer = play(seconds, connections)
    assert first == b""
    assert newcomer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_as_many_as_there_may_be_are_served() -> None:
    """The newcomer is the last one that has room."""
    for answer in play(1000.0, MOST_CONNECTIONS - 1, b"Host: a\r\n\r\n"):
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_nonsense_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    """A scanner on the admin listener must not fill the log, least of all with tracebacks."""
    assert ask({}, "/" + "a" * 10_000)[0] == 414
    assert caplog.text == ""


def test_an_admin_listener_that_was_never_started_can_be_stopped() -> None:
    """`admin.listen = "off"`."""
    asyncio.run(Admin(StatusSource({})).stop())


def test_refusals_are_drawn_over_time() -> None:
    """The highest bar fills the picture, one refusal beside a hundred is still seen, none draws nothing."""
    assert bars([0, 1, 100]) == [
        (1, 64, 0, "0 refusals, 1 h ago"),
        (11, 62, 2, "1 refusal, 0.5 h ago"),
        (21, 0, 64, "100 refusals, 0 h ago"),
    ]
    assert '<rect x="471" y="0" width="8" height="64"><title>100 refusals, 0 h ago</title></rect>' in page(REPORT)
    assert "<svg" not in page(REPORT | {"refusal_history": {"seconds": 1800, "counts": [0] * 48}})


def test_certificates_of_clients_that_end_soon_are_counted() -> None:
    """With the command that names them; nothing where there are none."""
    assert "2 client certificates seen here end soon" in page(REPORT)
    assert "seen here" not in page(REPORT | {"expiring_clients": 0})
