"""Configuration in README and docs is what the gate takes."""

import tomllib
from pathlib import Path

import pytest

from gatekeeper.config.load import load
from gatekeeper.errors import ConfigurationError
from tests.configurations import CLIENT_AUTH, SERVER, UPSTREAM
from tests.documents import PAGES, ROOT, Block, blocks

EXAMPLES = [
    pytest.param(block, id=f"{page.relative_to(ROOT)}:{block.line}")
    for page in PAGES
    for block in blocks(page)
    if block.language == "toml"
]
NEEDED = {"server": SERVER, "client_auth": CLIENT_AUTH, "upstream": UPSTREAM}


def test_there_are_examples() -> None:
    """The pattern that finds them still does."""
    assert len(EXAMPLES) > 5


@pytest.mark.parametrize("block", EXAMPLES)
def test_every_example_loads(block: Block, tmp_path: Path) -> None:
    """With the tables added that an excerpt leaves out; of a table that it shows, required keys may be missing."""
    missing = [text for table, text in NEEDED.items() if table not in tomllib.loads(block.text)]
    file = tmp_path / "gatekeeper.toml"
    file.write_text("\n".join([block.text, *missing]), encoding="utf-8")
    assert mistakes(file) == []


def mistakes(file: Path) -> list[str]:
    try:
        load(file, {})
    except ConfigurationError as error:
        return [str(one) for one in error.mistakes if "is missing" not in str(one)]
    return []
