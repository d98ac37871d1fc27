"""What the hand-written documents name is there: files, keys, reasons, make words."""

import re
from pathlib import Path

import pytest

from gatekeeper.gate.verdict import Reason
from gatekeeper.settings.tables import Settings, table_at

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("config/**/*.md")])
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
FILES = re.compile(r"`((?:config|docs|tests|benchmarks|gatekeeper)/[^`\s*…]+|\.ci/run)`")
KEYS = re.compile(rf"`((?:{'|'.join(Settings.model_fields)})(?:\.[a-z_]+)+)`")
MAKE = re.compile(r"(?:`|^ +(?:sudo )?)make ([a-z]+)", re.MULTILINE)
LINKS = re.compile(r"\]\((?!https?://|#)([^)#]+)")
ANCHORS = re.compile(r"\]\((?!https?://)([^)#]*\.md)?#([^)]+)\)")
FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
PIPES = re.compile(r"(?<!\\)\|")
WORDS = re.compile(r"^\.PHONY: (.+)$", re.MULTILINE).search((ROOT / "Makefile").read_text())[1].split()


@pytest.mark.parametrize("name", NAMES)
def test_files_that_are_named_exist(name: str) -> None:
    """A path in backquotes, from the top of the repository, and the target of each link."""
    text = (ROOT / name).read_text()
    paths = [ROOT / path for path in FILES.findall(text)] + [
        (ROOT / name).parent / link for link in LINKS.findall(text)
    ]
    assert [path for path in paths if not path.exists()] == []


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("docs/")])
def test_links_of_the_site_stay_in_it(name: str) -> None:
    """The site is made of docs/ alone, and `make docs` takes no link that leads out of it."""
    assert [link for link in LINKS.findall((ROOT / name).read_text()) if link.startswith("../")] == []


@pytest.mark.parametrize("name", NAMES)
def test_rows_have_as_many_cells_as_their_header(name: str) -> None:
    """GitHub Flavored Markdown 0.29, 4.10: a pipe ends a cell, inside a code span too, unless it is escaped."""
    lines = FENCED.sub("", (ROOT / name).read_text()).splitlines()
    wrong, cells = [], 0
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if not line.lstrip().startswith("|"):
            cells = 0
            continue
        found = len(PIPES.findall(line.strip()))
        if not cells and re.fullmatch(r"[|:\s-]+", following):
            cells = found
        if found != cells:
            wrong.append(line)
    assert wrong == []


@pytest.mark.parametrize("name", NAMES)
def test_keys_that_are_named_exist(name: str) -> None:
    """A key of the configuration, written as table and key."""
    for key in KEYS.findall((ROOT / name).read_text()):
        *tables, last = key.split(".")
        assert last in table_at(tuple(tables)).named_fields(), key


@pytest.mark.parametrize("name", NAMES)
def test_make_words_that_are_named_exist(name: str) -> None:
    """Each `make word`, in backquotes or on a line of its own."""
    for word in MAKE.findall((ROOT / name).read_text()):
        assert word in WORDS, word


@pytest.mark.parametrize("pattern", [KEYS, MAKE, ANCHORS])
def test_some_page_names_what_must_exist(pattern: re.Pattern[str]) -> None:
    """A pattern that finds nothing would hold nothing."""
    assert sum(len(pattern.findall((ROOT / name).read_text())) for name in NAMES) > 20


def test_operations_explains_every_reason() -> None:
    """The table of reasons has one row for each, and no other."""
    text = (ROOT / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| `([a-z_]+)` \|", text.partition("| reason |")[2], re.MULTILINE)
    assert rows == [reason.value for reason in Reason]


def test_the_page_of_metrics_has_every_metric() -> None:
    """One row for each name that the code writes, and no other."""
    written = set(re.findall(r'"(gatekeeper_[a-z0-9_]+)"', (ROOT / "gatekeeper" / "admin" / "status.py").read_text()))
    rows = re.findall(r"^\| `(gatekeeper_[a-z0-9_]+)", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
    assert set(rows) == written
    assert len(rows) == len(written)


def test_the_page_of_headers_has_every_header() -> None:
    """Each header that a preset may set is named."""
    page = (ROOT / "docs" / "headers.md").read_text()
    written = {
        name
        for module in (ROOT / "gatekeeper" / "wire" / "presets").glob("*.py")
        for name in re.findall(r'\("((?:X-|Client-|Remote-)[A-Za-z-]+)", ', module.read_text())
    }
    assert len(written) > 10
    assert [name for name in sorted(written) if f"`{name}`" not in page] == []


@pytest.mark.parametrize("name", ["README.md", "docs/index.md"])
def test_every_page_is_listed(name: str) -> None:
    """A page that neither the README nor the first page of the site names is found by nobody."""
    page = ROOT / name
    linked = {(page.parent / link).resolve() for link in LINKS.findall(page.read_text())}
    pages = {path for path in ROOT.glob("docs/*.md") if path.name != "index.md"}
    assert sorted(path.name for path in pages - linked) == []


@pytest.mark.parametrize("name", NAMES)
def test_anchors_that_are_linked_exist(name: str) -> None:
    """The part of a link behind the hash is a heading of that page, written as GitHub and the site write it."""
    page = ROOT / name
    for file, anchor in ANCHORS.findall(FENCED.sub("", page.read_text())):
        target = page.parent / file if file else page
        assert anchor in anchors(target), f"{file}#{anchor}"


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
