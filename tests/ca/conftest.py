"""An authority, its folder, and openssl as the second opinion."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gatekeeper.ca.authority import Authority, make_authority
from gatekeeper.ca.issuer import Issuer
from gatekeeper.ca.store import Store, create_store
from tests.tools import needs

PASSPHRASE = b"open sesame"
NOW = datetime(2030, 5, 17, 12, 30, tzinfo=UTC)


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def home() -> Authority:
    return make_authority("Home CA", key_type="ec:p256", now=NOW)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return create_store(tmp_path / "ca", "Home CA", PASSPHRASE, key_type="ec:p256", now=NOW)


@pytest.fixture
def issuer(store: Store) -> Issuer:
    return Issuer(store, PASSPHRASE)


@pytest.fixture
def openssl() -> Callable[..., str]:
    """Run openssl; its standard output and error. A failure fails the test with openssl's words."""
    needs("openssl")

    def run(*arguments: object, stdin: bytes = b"") -> str:
        done = subprocess.run(["openssl", *map(str, arguments)], input=stdin, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        return (done.stdout + done.stderr).decode()

    return run
