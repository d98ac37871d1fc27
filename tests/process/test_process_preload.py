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
        (CLIENT_AUTH + "[server]\n" + ACME, "gatekeeper.acme.report"),
        (CLIENT_AUTH + 'crl = "ca.crl"\n' + SERVER, "gatekeeper.x509.signatures"),
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


REFUSING = PROGRAM.replace(
    "print(*sys.modules)",
    """
def refuse(event, arguments):
    if event == "open":
        raise AssertionError(arguments)

from gatekeeper.gate.verdict import Reason, Refuse
from gatekeeper.refusal.answer import Recipient, RefusalPages
import gatekeeper.admin.server, gatekeeper.local.handler
sys.addaudithook(refuse)
pages = RefusalPages()
for language in ("en", "de", "es", "fr", "zh"):
    recipient = Recipient("id", "text/html", language, host="host")
    for reason in Reason:
        answer = pages.refused(Refuse(reason, "why"), recipient, 0.0)
        assert answer.headers[0][1].startswith("text/html"), answer
    for status in (400, 404, 408, 413, 421, 429, 502, 503, 504):
        assert pages.failed(status, "why", recipient).headers[0][1].startswith("text/html")
gatekeeper.admin.server.load_page()
from gatekeeper.local.answers import answer
from gatekeeper.local.layout import load_pages
load_pages()
from cryptography.hazmat.primitives.serialization import pkcs7
print("done")
""",
)


def test_who_has_everything_loads_nothing_more(tmp_path: Path) -> None:
    """Every kind of page of refusals and failures, in a process that can open no file: no module either."""
    (tmp_path / "gatekeeper.toml").write_text(MINIMAL)
    command = [sys.executable, "-c", REFUSING, str(tmp_path / "gatekeeper.toml"), "everything"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("done\n", "")
