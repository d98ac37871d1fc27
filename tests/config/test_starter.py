"""The file that ``gatekeeper init`` writes."""

import re
from pathlib import Path

from gatekeeper.config.load import load
from gatekeeper.config.starter import left_to_enter, starter
from tests.configurations import MINIMAL


def test_the_file_to_start_from_loads_and_says_only_defaults(tmp_path: Path) -> None:
    """A newcomer has three files to put there, and nothing to write."""
    path = tmp_path / "gatekeeper.toml"
    path.write_text(starter(), encoding="utf-8")
    got = load(path, {}).settings
    path.write_text(MINIMAL, encoding="utf-8")
    assert got == load(path, {}).settings


def test_what_is_commented_out_is_right_too(tmp_path: Path) -> None:
    """Taking the mark off is all there is to do."""
    path = tmp_path / "gatekeeper.toml"
    path.write_text(re.sub(r"(?m)^#(?=[a-z])", "", starter()), encoding="utf-8")
    assert load(path, {}).settings.refusal.contact == "you@example.com"


def test_it_fits_a_terminal() -> None:
    """120 columns at most, plain ASCII, so that any editor shows it as it is."""
    assert starter().isascii()
    assert max(map(len, starter().splitlines())) <= 120


def test_what_the_authority_made_is_named(tmp_path: Path) -> None:
    """After ca init and ca server in this folder it is right as it is; half of a pair is not taken for one."""
    path = tmp_path / "gatekeeper.toml"
    made = ["ca/ca.crt", "ca/ca.crl", "ca/localhost.crt", "ca/localhost.key"]
    path.write_text(starter(made), encoding="utf-8")
    settings = load(path).settings
    named = (*settings.client_auth.ca, *settings.client_auth.crl, settings.server.certificate, settings.server.key)
    assert [str(one.relative_to(tmp_path)) for one in named] == made
    assert starter(["ca/ca.crt", "ca/localhost.crt"]) == starter()


def test_what_is_left_to_enter() -> None:
    """What the file names already is not asked for."""
    server, authority = ["ca/localhost.crt", "ca/localhost.key"], ["ca/ca.crt", "ca/ca.crl"]
    app = "the address of your app"
    assert left_to_enter([*server, *authority]) == [app]
    assert left_to_enter(authority) == ["the server's certificate and key", app]
    assert left_to_enter(server) == ["the authority of your clients", app]
    assert left_to_enter([]) == ["the server's certificate and key", "the authority of your clients", app]
