"""A fresh Chromium, the .p12 from ``gatekeeper ca issue``, and the app: its page, its WebSocket, its events."""

import signal
from pathlib import Path

import pytest

from tests.e2e.authority import ca, ca_json
from tests.e2e.browser.chromium import Chromium, Home
from tests.e2e.browser.conftest import EC
from tests.gate_process import Gate

ECHO = """new Promise((done, fail) => {
    window.socket = new WebSocket(`wss://${location.host}/ws`);
    socket.onopen = () => socket.send('hello');
    socket.onmessage = message => done(message.data);
    socket.onerror = () => fail('the WebSocket failed');
})"""
REFUSED_SOCKET = """new Promise(done => {{
    const socket = new WebSocket('wss://localhost:{}/ws');
    socket.onerror = socket.onopen = event => done(event.type);
}})"""
HEADLINE = "document.querySelector('h1').innerText"
EVENT = """new Promise((done, fail) => {
    window.source = new EventSource('/events');
    source.onmessage = message => done(message.data);
    source.onerror = () => fail('the events failed');
})"""

# A statement whose value would be a promise is awaited; this one is only begun here, and awaited later.
WATCH = """window.ended = Promise.all([
    new Promise(done => socket.onclose = event => done(event.code)),
    new Promise(done => source.onerror = event => done(event.type)),
]); 0"""


@pytest.mark.parametrize("profile", [(), ("--compat",)], ids=["modern", "compat"])
def test_a_browser_is_let_in(profile: tuple[str, ...], office: Path, home: Home, gate: Gate) -> None:
    """Both forms of the .p12 are imported, and the page, the WebSocket and the events know who it is."""
    name = "old phone" if profile else "laptop"
    issued = ca_json(office, "issue", name, *EC, *profile)
    home.import_bundle(office / "ca" / f"{name}.p12", issued["password"])
    with Chromium(home) as browser:
        assert browser.go(gate.address) == 200
        assert browser.text == f"Hello, CN={name}"
        assert browser.run(ECHO) == "HELLO"
        assert browser.run(EVENT) == f"for CN={name}"


def test_a_browser_without_a_certificate_reads_why_not(home: Home, gate: Gate) -> None:
    """403 and the page for an address, and no WebSocket."""
    with Chromium(home) as browser:
        assert browser.run(REFUSED_SOCKET.format(gate.port)) == "error"
        assert browser.go(gate.address) == 403
        assert browser.run(HEADLINE) == "No certificate was sent"


def test_a_browser_that_was_refused_gets_its_certificate(office: Path, home: Home, gate: Gate) -> None:
    """Refused, then the .p12 is imported: a private tab of the running browser is let in, and so is the next start."""
    issued = ca_json(office, "issue", "late", *EC)
    with Chromium(home) as browser:
        assert browser.go(gate.address) == 403
        home.import_bundle(office / "ca" / "late.p12", issued["password"])
        browser.open_tab(private=True)
        assert browser.go(gate.address) == 200
    with Chromium(home) as browser:
        assert browser.go(gate.address) == 200


def test_a_browser_whose_certificate_is_revoked_is_out(office: Path, home: Home, gate: Gate) -> None:
    """`ca revoke` and SIGHUP: the open WebSocket and the open events end, and the same tab gets the refusal."""
    issued = ca_json(office, "issue", "stolen", *EC)
    home.import_bundle(office / "ca" / "stolen.p12", issued["password"])
    with Chromium(home) as browser:
        assert browser.go(gate.address) == 200
        assert browser.run(ECHO) == "HELLO"
        assert browser.run(EVENT) == "for CN=stolen"
        browser.run(WATCH)
        ca(office, "revoke", "stolen")
        gate.signal(signal.SIGHUP)
        assert browser.run("ended") == [1008, "error"]
        assert browser.go(gate.address) == 403
        assert browser.run(HEADLINE) == "Your certificate has been revoked"
