"""Sent nothing but a QR code and a password: link, page, one button, import, and in the app.

The pictures stay in artefacts/pictures for people to look at.
"""

import plistlib
import re
from pathlib import Path

import pytest

from gatekeeper.refusal.catalogue import catalogues
from tests.cli.test_cli_qr import seen
from tests.e2e.authority import ca, ca_json
from tests.e2e.browser.chromium import Chromium, Home
from tests.e2e.browser.conftest import EC
from tests.gate_process import Gate, until
from tests.local.test_local_page import ANDROID, CHROMEOS, FIREFOX, IPHONE, LINUX, MAC, WINDOWS

PHONE, WIDE = (375, 740), (1280, 800)
DEVICES = {
    "iphone": (IPHONE, "", PHONE, ".mobileconfig"),
    "android": (ANDROID, "Android", PHONE, ".p12"),
    "mac": (MAC, "", WIDE, ".p12"),
    "windows": (WINDOWS, "Windows", WIDE, ".p12"),
    "firefox": (FIREFOX, "", WIDE, ".p12"),
    "linux": (LINUX, "Linux", WIDE, ".p12"),
    "chromeos": (CHROMEOS, "Chrome OS", WIDE, ".p12"),
}
BUTTON = "document.querySelector('form button')"
HEADLINE = "document.querySelector('h1')?.innerText"
FITS = "document.documentElement.scrollWidth <= innerWidth"


def read_code(printed: str) -> str:
    """What a camera reads on the screen of the administrator."""
    lines = [line for line in printed.splitlines() if set(line) & set("▀▄█") and not set(line) - set("▀▄█ ")]
    width = max(map(len, lines)) + 4
    (link,) = seen(["", "", *lines, "", ""], width)
    return link


def logged(gate: Gate, *words: str) -> list[str]:
    """The lines of the access log with these words."""
    return [line for line in gate.log_lines() if all(word in line for word in words)]


@pytest.mark.parametrize("device", DEVICES)
def test_an_invitation_brings_a_device_in(
    device: str, office: Path, home: Home, gate: Gate, pictures: Path, tmp_path: Path
) -> None:
    """In well under a minute; afterwards the link is worth nothing, and no log knows it."""
    agent, platform, (width, height), suffix = DEVICES[device]
    folder = ("--invitations", "invitations", "--url", gate.address)
    printed = ca(office, "invite", device, "--qr", *EC, *folder)
    password = re.findall(r"^Password of the certificate: (\S+)$", printed, re.MULTILINE)[0]
    link = read_code(printed)
    with Chromium(home) as browser:
        browser.pretend(agent, platform)
        browser.keep_downloads(tmp_path)
        assert browser.go(link) == 200
        for scheme in ("light", "dark"):
            browser.look(width, height, scheme)
            browser.picture(pictures / f"invitation-{device}-{scheme}.png")
            assert browser.run(FITS)
        assert browser.run("document.scripts.length + performance.getEntriesByType('resource').length") == 0
        assert browser.reported == []
        browser.run("document.querySelector('main a').click()")
        until(lambda: browser.sees(HEADLINE) == catalogues()["en"].topics["no_certificate"].what)
        until(lambda: logged(gate, agent, '"reason":"no_certificate"'))
        assert not logged(gate, agent, '"referer"')
        assert browser.go(link) == 200
        browser.run(f"{BUTTON}.click()")
        browser.wait_for_download()
        bundle = file = tmp_path / f"{device}{suffix}"
        if suffix == ".mobileconfig":
            bundle = tmp_path / "inside.p12"
            bundle.write_bytes(plistlib.loads(file.read_bytes())["PayloadContent"][0]["PayloadContent"])
        home.import_bundle(bundle, password)
        browser.open_tab(private=True)
        assert browser.go(gate.address) == 200
        assert browser.text == f"Hello, CN={device}"
        before = len(logged(gate, '"status":410'))
        until(lambda: browser.go(link) == 410)
        assert browser.run(HEADLINE) == catalogues()["en"].topics["invitation_used"].what
        browser.look(width, height, "light")
        browser.picture(pictures / f"invitation-{device}-used.png")
    until(lambda: len(logged(gate, '"status":410')) > before)
    states = {one["name"]: one["state"] for one in ca_json(office, "invite", "--list", *folder)}
    assert states[device] == "used"
    token = link.rpartition("/")[2]
    assert token not in gate.log.read_text() + "".join(gate.err + gate.out)
