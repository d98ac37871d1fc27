"""What the supervisor does about files that its workers cannot read any more."""

import os
from pathlib import Path

import pytest

from gatekeeper.errors import ConfigurationError
from gatekeeper.process.configuration import ConfigurationFile
from gatekeeper.process.privileged_files import PrivilegedFiles
from gatekeeper.process.reload import POLL_SECONDS
from gatekeeper.process.sealed_files import close
from gatekeeper.settings.files import FileReader
from tests.configurations import MINIMAL

# pytest-xdist has a thread of its own; the child that is forked here only reads a file.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")

ORDERED = """
[acme]
accept_terms = true
folder = "acme"
domains = ["gate.example.com"]
challenge = "tls-alpn-01"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "gatekeeper.toml"
    path.write_text(MINIMAL + ORDERED)
    (tmp_path / "client-ca.crt").write_text("a certificate")
    return path


def watching(path: Path) -> PrivilegedFiles:
    configuration = ConfigurationFile(path)
    return PrivilegedFiles(configuration, configuration.read().settings)


def test_a_change_is_seen_once_it_is_complete(path: Path) -> None:
    """Certificate and key are written one after the other, so the files must be at rest; and no look comes too soon."""
    files = watching(path)
    now = 100.0
    assert not files.changed(now)
    (path.parent / "client-ca.crt").write_text("another certificate")
    assert not files.changed(now + POLL_SECONDS / 2)
    assert not files.changed(now + POLL_SECONDS)
    assert not files.changed(now + 1.5 * POLL_SECONDS)
    assert files.changed(now + 2 * POLL_SECONDS)
    close(files.seal())
    assert not files.changed(now + 3 * POLL_SECONDS)


def test_workers_get_what_they_could_not_read(path: Path) -> None:
    """The configuration as it was validated and as it is written, and the files that it names."""
    (path.parent / "next.crt").write_text("the next certificate")
    files = watching(path)
    path.write_text(path.read_text().replace("client-ca.crt", "next.crt"))
    sealed = files.seal()
    try:
        reader = FileReader(sealed)
        assert reader.read(path.parent / "next.crt", 100) == b"the next certificate"
        assert path.parent / "client-ca.crt" not in sealed
        path.unlink()
        assert ConfigurationFile(path).read_here(reader).settings.client_auth.ca == (path.parent / "next.crt",)
    finally:
        close(sealed)


def test_root_reads_nothing_that_workers_write(path: Path) -> None:
    """It could be a link to a file that they may not read, and root would hand it to them."""
    (path.parent / "acme").mkdir()
    ordered = path.parent / "acme" / "certificate.pem"
    os.symlink("/etc/passwd", ordered)
    files = watching(path)
    sealed = files.seal()
    close(sealed)
    assert ordered not in sealed


def test_what_is_wrong_is_told_by_the_workers(path: Path) -> None:
    """They get the mistakes, and the files that were watched before stay watched."""
    files = watching(path)
    right = path.read_text()
    path.write_text(right + "\n[limits]\nconnections = -1\n")
    sealed = files.seal()
    try:
        with pytest.raises(ConfigurationError, match=r"limits\.connections"):
            ConfigurationFile(path).read_here(FileReader(sealed))
    finally:
        close(sealed)
    (path.parent / "client-ca.crt").write_text("another certificate")
    assert [files.changed(now) for now in (100.0, 200.0)] == [False, True]
