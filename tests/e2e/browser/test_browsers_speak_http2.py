"""Chromium and Firefox show h2 for the app, its WebSocket and a refusal, as their developer tools would."""

import json
from pathlib import Path

import pytest

from tests.e2e.authority import ca_json
from tests.e2e.browser.chromium import Chromium, Home
from tests.e2e.browser.conftest import EC
from tests.e2e.browser.firefox import Firefox
from tests.gate_process import Gate, until
from tests.tools import needs

PROTOCOL = "performance.getEntriesByType('navigation')[0].nextHopProtocol"
# What a page of an app does: many resources at once, and a WebSocket beside them.
FETCHED = """Promise.all([...Array(40).keys()].map(number => fetch(`/${number}`).then(one => one.text()))).then(() =>
    [...new Set(performance.getEntriesByType('resource').map(one => one.nextHopProtocol))].join())"""
ECHO = """new Promise((done, fail) => {
    const socket = new WebSocket(`wss://${location.host}/ws`);
    socket.onopen = () => socket.send('hello');
    socket.onmessage = message => done(message.data);
    socket.onerror = () => fail('the WebSocket failed');
})"""


@pytest.fixture
def bundle(office: Path, request: pytest.FixtureRequest) -> tuple[Path, str]:
    """A .p12 and its password."""
    name = request.node.name
    issued = ca_json(office, "issue", name, *EC)
    return office / "ca" / f"{name}.p12", issued["password"]


def logged(gate: Gate, name: str) -> list[tuple[str, str, int]]:
    """Client, version and status of what somebody asked for."""
    lines = [line for line in gate.log_lines() if f'"CN={name}"' in line]
    read = [json.loads(line) for line in lines]
    return [(line["client"], line["protocol"], line["status"]) for line in read]


def test_chromium(home: Home, gate: Gate, bundle: tuple[Path, str]) -> None:
    """Page, 40 resources and the WebSocket share one connection. The developer tools say h2 of each, and 200 of the
    WebSocket: by HTTP/1.1 that is 101 (RFC 8441, 5).
    """
    home.import_bundle(*bundle)
    with Chromium(home) as browser:
        browser.watch_network()
        assert browser.go(gate.address) == 200
        assert browser.run(PROTOCOL) == "h2"
        assert browser.run(FETCHED) == "h2"
        assert browser.run(ECHO) == "HELLO"
        shown = {(protocol, status) for address, protocol, status in browser.responses if "favicon" not in address}
        assert len(browser.responses) > 40
        assert shown == {("h2", 200)}
        assert browser.websockets == [200]
    assert_one_connection(gate, "test_chromium")


def test_chromium_refused(home: Home, gate: Gate) -> None:
    """The developer tools say h2 of the page that says why."""
    with Chromium(home) as browser:
        browser.watch_network()
        assert browser.go(gate.address) == 403
        assert browser.run(PROTOCOL) == "h2"
        assert browser.responses[0] == (f"{gate.address}/", "h2", 403)
        assert "certificate" in browser.text


def test_firefox(tmp_path: Path, office: Path, gate: Gate, bundle: tuple[Path, str]) -> None:
    """As Chromium."""
    needs("firefox-esr")
    with Firefox(tmp_path, office / "ca" / "ca.crt", bundle) as browser:
        assert browser.go(gate.address) == 200
        assert browser.run(PROTOCOL) == "h2"
        assert browser.run(FETCHED) == "h2"
        assert browser.run(ECHO) == "HELLO"
    assert_one_connection(gate, "test_firefox")


def test_firefox_refused(tmp_path: Path, office: Path, gate: Gate) -> None:
    """As Chromium."""
    needs("firefox-esr")
    with Firefox(tmp_path, office / "ca" / "ca.crt") as browser:
        assert browser.go(gate.address) == 403
        assert browser.run(PROTOCOL) == "h2"


def assert_one_connection(gate: Gate, name: str) -> None:
    """The WebSocket's line comes when it is closed."""
    until(lambda: any(status == 101 for *_, status in logged(gate, name)))
    lines = logged(gate, name)
    assert {protocol for _, protocol, _ in lines} == {"HTTP/2.0"}
    assert len({client for client, *_ in lines}) == 1
