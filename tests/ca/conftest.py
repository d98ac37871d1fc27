"""An authority, its folder, and openssl as the second opinion."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.authority import Authority, make_authority
from gatekeeper.ca.creation import NewAuthority, create_store
from gatekeeper.ca.issuer import Issued, Issuer
from gatekeeper.ca.keys import key_pem, make_key
from gatekeeper.ca.requests import make_request
from gatekeeper.ca.store import Store
from gatekeeper.ca.subject import Subject, make_subject
from tests.certificates import as_v1, make, named
from tests.tools import needs

PASSPHRASE = b"open sesame"
NOW = datetime(2030, 5, 17, 12, 30, tzinfo=UTC)


def write_v1_authority(folder: Path) -> tuple[Path, Path]:
    """Certificate and encrypted key of an authority of X.509 version 1, as ``openssl x509 -req -signkey`` makes it up
    to OpenSSL 3.1; later ones make version 3 without basic constraints, which OpenSSL itself takes for no authority."""
    holder = make(named("Old CA"), starts=NOW - timedelta(days=1), ends=NOW + timedelta(days=99))
    holder = as_v1(holder, holder)
    certificate, key = folder / "v1.crt", folder / "v1.key"
    certificate.write_bytes(holder.certificate.public_bytes(Encoding.PEM))
    key.write_bytes(key_pem(holder.key, PASSPHRASE))
    return certificate, key


def issue(issuer: Issuer, name: str = "alice", **wishes: Any) -> Issued:
    return issuer.issue(name, key_type="ec:p256", now=wishes.pop("now", NOW), **wishes)


def request(subject: Subject | None = None, key: Any = None) -> bytes:
    return make_request(key or make_key("ec:p256"), subject or make_subject("alice")).public_bytes(Encoding.PEM)


def revoked(store: Store) -> set[int]:
    return {one.serial_number for one in store.crl()}


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def home() -> Authority:
    return make_authority("Home CA", key_type="ec:p256", now=NOW)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return create_store(tmp_path / "ca", NewAuthority("Home CA", "ec:p256"), PASSPHRASE, now=NOW)


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
