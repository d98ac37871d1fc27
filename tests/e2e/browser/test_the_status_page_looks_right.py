"""The operator's page, as a real browser shows it. The pictures stay in artefacts/pictures."""

from pathlib import Path

from tests.e2e.browser.chromium import Chromium, Home
from tests.e2e.browser.test_refusals_look_right import SCREENS
from tests.gate_process import Gate


def test_the_status_page_looks_right(home: Home, gate: Gate, pictures: Path) -> None:
    """It names the certificates and the app; nothing sticks out at the side, and the browser has no complaint."""
    with Chromium(home) as browser:
        browser.go(gate.address)
        for screen, (width, height, scheme) in SCREENS.items():
            browser.look(width, height, scheme)
            assert browser.go(f"http://127.0.0.1:{gate.admin_port}/status") == 200
            browser.picture(pictures / f"status-{screen}.png")
            assert browser.run("document.documentElement.scrollWidth <= innerWidth"), screen
        assert "Home CA" in browser.text
        assert [said for said in browser.reported if "status of 403" not in said] == []
