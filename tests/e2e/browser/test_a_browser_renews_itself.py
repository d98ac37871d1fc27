"""`ca renew --invite`, then /.gatekeeper/me in a browser that is let in: it says who it is, and fetches the renewal."""

from pathlib import Path

from tests.app import App
from tests.e2e.authority import ca_json
from tests.e2e.browser.chromium import Chromium, Home
from tests.e2e.browser.conftest import EC, small_app
from tests.e2e.browser.test_refusals_look_right import SCREENS
from tests.gate_process import Gate, until

BUTTON = "document.querySelector('button')"


def test_a_browser_renews_itself(office: Path, home: Home, gate: Gate, pictures: Path) -> None:
    """The button is there for exactly this certificate; a click uses the renewal up, and the page says so."""
    del gate  # while it runs, browsers choose a certificate by themselves
    folder = office / "renewing"
    invitations = folder / "invitations"
    invitations.mkdir(0o700, parents=True)
    for source, target in (("ca.crt", "ca.crt"), ("localhost.crt", "server.crt"), ("localhost.key", "server.key")):
        (folder / target).write_bytes((office / "ca" / source).read_bytes())
    issued = ca_json(office, "issue", "tablet", "--days", "20", *EC)
    home.import_bundle(office / "ca" / "tablet.p12", issued["password"])
    tables = (
        f'[invitations]\nfolder = "{invitations}"\n'
        '[[routes]]\npath = "/admin/*"\nallow = [{ ou = "ops" }]\n[[routes]]\npath = "/*"\n'
    )
    with App(small_app) as app, Gate(folder, app.url, tables=tables) as own, Chromium(home) as browser:
        me = f"{own.address}/.gatekeeper/me"
        assert browser.go(me) == 200
        assert "/admin/*" in browser.text
        assert browser.run(BUTTON) is None
        ca_json(office, "renew", "tablet", "--invite", "--invitations", invitations, "--url", own.address)
        for screen, (width, height, scheme) in SCREENS.items():
            browser.look(width, height, scheme)
            assert browser.go(me) == 200
            browser.picture(pictures / f"me-{screen}.png")
            assert browser.run("document.documentElement.scrollWidth <= innerWidth"), screen
        browser.run(f"{BUTTON}.click(); 0")
        until(lambda: list(invitations.glob("*/used-*")))
        until(lambda: not list(invitations.rglob("*.p12")))  # destroyed after the rename that says so
        assert browser.go(me) == 200
        assert browser.run(BUTTON) is None
        assert browser.reported == []
