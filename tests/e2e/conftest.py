"""One authority for all end-to-end tests; each starts the gates that it needs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app import App
from tests.visitors import Visitors


@pytest.fixture(scope="session")
def visitors(tmp_path_factory: pytest.TempPathFactory) -> Visitors:
    return Visitors.make(tmp_path_factory.mktemp("visitors"))


@pytest.fixture
def folder(visitors: Visitors, tmp_path: Path) -> Path:
    """What a gate needs: ca.crt, server.crt, server.key."""
    return visitors.furnish(tmp_path)


@pytest.fixture
def app() -> Iterator[App]:
    """An app that records what it is asked."""
    with App() as app:
        yield app
