"""The example configurations for apps that sign users in by header (config/apps)."""

import re
import tomllib
from pathlib import Path

import pytest

from gatekeeper.config.load import load
from gatekeeper.gate.certificate import read_certificate
from gatekeeper.gate.decision import Authorizer, Forward
from gatekeeper.gate.routes import Routes
from gatekeeper.gate.verdict import Admit, Identity, Reason, Refuse
from gatekeeper.wire.identity import IdentityWriter
from tests.certificates import make_client
from tests.config.test_reference import ROOT, validator
from tests.people import ALICE, NOW

EXAMPLES = sorted((ROOT / "config" / "apps").glob("*.toml"))
NAMES = [path.stem for path in EXAMPLES]


@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test_it_loads_and_fits_the_schema(path: Path) -> None:
    """As it is, and for an editor."""
    text = path.read_text(encoding="utf-8")
    assert load(path, {}).settings
    assert text.startswith("#:schema ../gatekeeper.schema.json\n")
    assert list(validator().iter_errors(tomllib.loads(text))) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test_the_app_is_told_in_the_header_that_it_reads(path: Path) -> None:
    """The header that the comment tells the app to read is one that the gate sets."""
    text, settings = path.read_text(encoding="utf-8"), load(path, {}).settings
    lines = IdentityWriter(settings.identity, read_certificate(make_client("x", None).der)).lines(Identity(ALICE), NOW)
    sent = {line.partition(b":")[0].decode() for line in lines.request.split(b"\r\n")}
    sent |= {"Gatekeeper-Assertion"} if settings.identity.jwt else set()
    comment = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    read = re.findall(r"(?:header_name = |_USER = |username_header: |Header User Name +)([A-Za-z-]+)", comment)
    assert set(read) <= sent
    assert read or "HTTP_REMOTE_USER" in comment
    if "HTTP_REMOTE_USER" in comment:
        assert "Remote-User" in sent


@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test_every_verified_visitor_reaches_the_app_and_nobody_else(path: Path) -> None:
    """The front page; what is public is public by name only."""
    routes = Routes(load(path, {}).settings.routes)
    alice = Authorizer(Admit(Identity(ALICE), float("inf")), routes)
    nobody = Authorizer(Refuse(Reason.NO_CERTIFICATE, "No client certificate was sent."), routes)
    assert isinstance(alice.decide(b"GET", b"app.example.com", b"/"), Forward)
    for target in (b"/", b"/login", b"/api/webhook", b"/manifest.json/x", b"/github-webhook"):
        assert not isinstance(nobody.decide(b"GET", b"app.example.com", target), Forward)


def test_the_documentation_lists_them_all() -> None:
    """Each has a row in docs/identity.md."""
    text = (ROOT / "docs" / "identity.md").read_text(encoding="utf-8")
    assert sorted(set(re.findall(r"`config/apps/([a-z-]+)\.toml`", text))) == sorted(NAMES)
