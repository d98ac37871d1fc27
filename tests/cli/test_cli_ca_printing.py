"""gatekeeper.cli.ca.printing: what a person reads."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gatekeeper.config.load import load
from gatekeeper.settings.files import files_of
from tests.cli.conftest import Command

EC = ("--key", "ec:p256")


def test_the_lines_for_the_configuration_are_right_where_they_are_printed(tmp_path: Path, ca: Command) -> None:
    """In the form of the README. Copied into a configuration in this folder, they name the files."""
    said = ca("init", "--cn", "Home CA", *EC)
    said += ca("server", "localhost", *EC)
    assert said.count("Next: configure the gate, in gatekeeper.toml in this folder:\n") == 2
    tables = dict(re.findall(r"  (\[\w+\])\n((?:  \w+ = .*\n)+)", said))
    assert tables["[client_auth]"] == '  ca = "ca/ca.crt"\n  crl = "ca/ca.crl"\n'
    assert tables["[server]"] == '  certificate = "ca/localhost.crt"\n  key = "ca/localhost.key"\n'
    written = "".join(f"{name}\n{keys}" for name, keys in tables.items())
    (tmp_path / "gatekeeper.toml").write_text(f'{written}[upstream]\nurl = "http://127.0.0.1:1"\n')
    assert all(path.is_file() for path in files_of(load(tmp_path / "gatekeeper.toml").settings))


def test_an_authority_at_an_absolute_path_is_named_by_it(tmp_path: Path, ca: Command) -> None:
    """Then the configuration may be anywhere."""
    said = ca("init", "--dir", str(tmp_path / "else where"), "--cn", "Home CA", *EC)
    assert "Next: configure the gate, in gatekeeper.toml:\n" in said
    assert f'  crl = "{tmp_path}/else where/ca.crl"\n' in said


def test_output_fits_eighty_columns(tmp_path: Path, ca: Command, ca_json: Callable[..., Any]) -> None:
    """Whatever has no long path in it can be read in a plain terminal, and has no colours in a pipe."""
    said = ca("init", "--cn", "Home CA", *EC)
    said += ca("issue", "alice", "--email", "alice@example.com", *EC)
    said += ca("csr", "bob", *EC) + ca("sign", "bob.csr")
    said += ca("server", "localhost", *EC) + ca("renew", "alice") + ca("renew", "localhost")
    said += ca("p12", "alice", "--compat") + ca("revoke", "alice") + ca("crl")
    said += ca("list") + ca("show", "alice") + ca("show", "ca/ca.crl")
    said += ca("renew", "ca", "--days", "700") + ca("show", "bob.csr") + ca("show", "bob.key")
    too_long = [line for line in said.splitlines() if len(line) > 80 and str(tmp_path) not in line]
    assert too_long == []
    assert "\x1b" not in said
    assert not [line for line in said.splitlines() if line != line.rstrip()]
