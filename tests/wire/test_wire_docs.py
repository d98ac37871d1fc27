"""The examples of docs/identity.md, carried out."""

import re
import tomllib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from gatekeeper.gate.certificate import read_certificate
from gatekeeper.gate.verdict import Identity
from gatekeeper.settings.http_types import PLACEHOLDERS
from gatekeeper.settings.identity import IdentitySettings
from gatekeeper.wire.assertion import JWKS_PATH, _claims
from gatekeeper.wire.identity import IdentityWriter
from gatekeeper.wire.presets import PRESETS
from tests.certificates import make
from tests.people import ALICE, NOW

TEXT = (Path(__file__).parents[2] / "docs" / "identity.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (CN .+?) \| `(.+?)` \| `(.+?)` \| `(.+?)` \|$", TEXT, re.MULTILINE)


@pytest.mark.parametrize(("certificate", "subject", "user", "groups"), ROWS)
def test_names_are_written_as_documented(certificate: str, subject: str, user: str, groups: str) -> None:
    """Each row of the table of names, from a certificate with this subject."""
    oids = {"CN": NameOID.COMMON_NAME, "OU": NameOID.ORGANIZATIONAL_UNIT_NAME}
    parts = sorted(re.findall(r"(CN|OU) `(.+?)`", certificate), key=lambda part: part[0] == "CN")  # units first
    name = x509.Name([x509.NameAttribute(oids[key], value) for key, value in parts])
    identity = Identity(read_certificate(make(name).der))
    sent = dict(PRESETS["nginx"](identity, ALICE)) | dict(PRESETS["remote-user"](identity, ALICE))
    assert (sent["X-SSL-Client-S-DN"], sent["Remote-User"], sent["X-Forwarded-Groups"]) == (subject, user, groups)


def test_the_tables_were_found() -> None:
    """Written in another way they would be no test."""
    assert len(ROWS) == 3


def test_every_preset_has_a_row_with_its_headers() -> None:
    """``-S-DN`` in the row stands for the name with the common beginning."""
    real = Identity(read_certificate(make(x509.Name([])).der), chain=(b"x",))
    for preset, write in PRESETS.items():
        if preset == "traefik":
            real = Identity(real.certificate)
        row = re.search(rf"^\| `{preset}` \| (.+?) \|", TEXT, re.MULTILINE)
        assert row, preset
        for name, _ in write(real, ALICE):
            endings = [name[at:] for at, char in enumerate(name) if char == "-"]
            assert any(f"`{one}" in row[1] for one in (name, *endings)), name


def test_the_examples_are_configurations() -> None:
    """Every TOML block is a table that loads; custom headers come out as described."""
    blocks = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    (settings,) = (
        found for block in blocks if (found := IdentitySettings.model_validate(tomllib.loads(block)["identity"])).custom
    )
    lines = IdentityWriter(settings, ALICE).lines(Identity(ALICE), NOW).request
    assert b"X-WEBAUTH-USER: alice\r\n" in lines
    assert b"X-Device: alice (staff,dev); until 2027-08-15T19:00:00Z\r\n" in lines


def test_every_placeholder_and_every_claim_is_named() -> None:
    """And where the key is."""
    for name in PLACEHOLDERS:
        assert f"`{{{name}}}`" in TEXT
    for claim in ("iss", "aud", "iat", "exp", "cnf", *_claims(ALICE)):
        assert re.search(rf"^\|.*`{claim}`.*\|.*\|$", TEXT, re.MULTILINE), claim
    assert f"`{JWKS_PATH.decode()}`" in TEXT
