"""The page that Chromium loads, and what is made of what it tells."""

import re
from pathlib import Path
from typing import Any, cast

from benchmarks.browser import RESOURCES, Pages, open_page, write_page
from tests.e2e.browser.chromium import Chromium


class Browser:
    """Tells the status of the page, and protocol and status of each resource."""

    def __init__(self, status: int, told: list[list[Any]]) -> None:
        self.status = status
        self.told = told
        self.address = ""

    def go(self, address: str) -> int:
        self.address = address
        return self.status

    def run(self, script: str) -> Any:
        return self.told


def opened(browser: Browser) -> list[str]:
    return open_page(cast("Chromium", browser), 8443, Pages("h2", 2))


def test_the_page_names_every_resource(tmp_path: Path) -> None:
    """Each is a file beside it, of one of three kinds."""
    write_page(tmp_path, RESOURCES)
    page = (tmp_path / "page" / "index.html").read_text()
    names = set(re.findall(r'(?:href|src)="([^"]+)"', page))
    assert names == {file.name for file in (tmp_path / "page").iterdir()} - {"index.html"}
    assert len(names) == RESOURCES
    assert {Path(name).suffix for name in names} == {".css", ".js", ".svg"}


def test_a_page_that_came_as_wanted_has_no_faults() -> None:
    """Every resource by the protocol that is measured."""
    browser = Browser(200, [["h2", 200], ["h2", 200]])
    assert opened(browser) == []
    assert browser.address == "https://localhost:8443/page/index.html"


def test_a_page_that_was_refused_is_a_fault() -> None:
    """What came then is no page."""
    assert opened(Browser(403, [])) == ["the page got 403", "0 of 0 resources came by h2"]


def test_another_protocol_or_status_is_a_fault() -> None:
    """Or one would compare HTTP/1.1 with itself."""
    assert opened(Browser(200, [["http/1.1", 200], ["h2", 404]])) == ["0 of 2 resources came by h2"]
