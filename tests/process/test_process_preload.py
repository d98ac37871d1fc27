"""What is loaded before workers are forked."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.configurations import CLIENT_AUTH, MINIMAL, SERVER, UPSTREAM

ACME = """\
[acme]
domains = "example.com"
email = "you@example.com"
accept_terms = true
folder = "acme"
challenge = "tls-alpn-01"
"""
PROGRAM = """\
import sys
from pathlib import Path
from gatekeeper.process.configuration import ConfigurationFile
from gatekeeper.process.preload import preload
settings = ConfigurationFile(Path(sys.argv[1])).read().settings
preload(settings, everything=sys.argv[2] == "everything")
print(*sys.modules)
"""


def loaded(path: Path, text: str, what: str) -> set[str]:
    path.write_text(text)
    done = subprocess.run([sys.executable, "-c", PROGRAM, path, what], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("tables", "library"),
    [
        (CLIENT_AUTH + 'ocsp = "leaf"\n' + SERVER, "aiohttp"),
        (CLIENT_AUTH + "[server]\n" + ACME, "acme.client"),
    ],
)
def test_what_the_settings_need_is_loaded(tmp_path: Path, tables: str, library: str) -> None:
    """And nothing of it otherwise."""
    assert library in loaded(tmp_path / "gatekeeper.toml", tables + UPSTREAM, "needed")
    assert library not in loaded(tmp_path / "gatekeeper.toml", MINIMAL, "needed")


def test_who_gives_up_root_has_everything(tmp_path: Path) -> None:
    """A refusal page, an answer below /.gatekeeper/, a list that a reload brings: none needs Python's folder then."""
    found = loaded(tmp_path / "gatekeeper.toml", MINIMAL, "everything")
    assert {"jinja2", "cryptography.x509", "gatekeeper.local.est", "gatekeeper.x509.signatures", "tempfile"} <= found
