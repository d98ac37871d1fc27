"""gatekeeper.cli.ca.printing: what a person reads."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cli.conftest import Command

EC = ("--key", "ec:p256")


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
