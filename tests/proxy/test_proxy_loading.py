"""Each file is loaded by itself, so that what is wrong with one hides nothing of another."""

from pathlib import Path
from typing import Any

import pytest

from gatekeeper.proxy.loading import mistakes_in_files
from tests.certificates import make_authority, make_server
from tests.gate.lists import make_crl, pem
from tests.proxy.scene import Files

BROKEN = {"certificate": "no.crt"}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files.make(tmp_path)


def keys(files: Files, **tables: Any) -> list[str]:
    return [one.key for one in mistakes_in_files(files.settings(**tables))]


def test_right_files_have_no_mistakes(files: Files) -> None:
    """Else a right configuration that contradicts itself would be told of mistakes that it does not have."""
    (files.folder / "ca.crl").write_bytes(pem(make_crl(issuer=files.authority)))
    auth = {"ca": "ca.crt", "crl": "ca.crl"}
    suites = {"ciphers": ["ECDHE-ECDSA-AES128-GCM-SHA256"], "groups": ["P-256"]}
    assert keys(files, client_auth=auth, server=suites) == []


def test_a_list_of_a_stranger_is_told_beside_a_missing_certificate(files: Files) -> None:
    """The authorities can be read, so it is known who should have signed it."""
    (files.folder / "ca.crl").write_bytes(pem(make_crl(issuer=make_authority("Other CA"))))
    found = keys(files, server=BROKEN, client_auth={"ca": "ca.crt", "crl": "ca.crl"})
    assert found == ["client_auth.crl[0]", "server.certificate"]


def test_without_authorities_only_what_cannot_be_read_is_wrong_with_a_list(files: Files) -> None:
    """Nobody knows yet who should have signed it."""
    (files.folder / "ca.crl").write_bytes(pem(make_crl(issuer=make_authority("Other CA"))))
    found = keys(files, client_auth={"ca": "no-ca.crt", "crl": ["ca.crl", "no.crl"]})
    assert found == ["client_auth.ca", "client_auth.crl[1]"]


def test_suites_are_told_beside_a_missing_certificate(files: Files) -> None:
    """They are OpenSSL's names, and do not depend on any file."""
    assert keys(files, server=BROKEN | {"ciphers": ["NO-SUITE"]}) == ["server.certificate", "server.ciphers"]


def test_every_key_that_cannot_sign_is_told(files: Files) -> None:
    """Of several, each."""
    found = keys(files, identity={"jwt": {"key": ["no.pem", "server.key", "ca.crt"], "audience": "app"}})
    assert found == ["identity.jwt.key", "identity.jwt.key"]


def unasked(files: Files, **tables: Any) -> list[str]:
    """What is told where nobody at quiet.example.com is asked for a certificate, and a route there needs one."""
    make_server("quiet.example.com", files.authority).write(files.folder, "quiet")
    quiet = {"certificate": "quiet.crt", "key": "quiet.key", "ask": False}
    server = {"certificates": [quiet]} | tables.pop("server", {})
    return keys(files, server=server, routes=[{"path": "/*", "hosts": ["quiet.example.com"]}], **tables)


def test_a_route_whose_visitors_are_not_asked_is_told_beside_a_missing_authority(files: Files) -> None:
    """Server certificates alone say who is asked."""
    assert unasked(files, client_auth={"ca": "no-ca.crt"}) == ["client_auth.ca", "routes[0]"]


@pytest.mark.parametrize("server", [BROKEN, {"certificate": None, "key": None}])
def test_nobody_knows_who_is_asked_until_every_server_certificate_can_be_read(
    files: Files, server: dict[str, Any]
) -> None:
    """The next one would pass for a missing default, and a route would be called closed that is not."""
    assert "routes[0]" not in unasked(files, server=server)
