"""gatekeeper.cli.ca.arguments: the words, without running them."""

import argparse
import subprocess
import sys

import pytest

from gatekeeper.ca.revocation import RevocationReason
from gatekeeper.cli import make_parser
from gatekeeper.cli.ca.arguments import REASONS
from gatekeeper.errors import UsageError


def parse(*words: str) -> argparse.Namespace:
    return make_parser(["ca"]).parse(["ca", *words])


def test_the_folder_may_stand_before_and_after_the_word() -> None:
    """`ca --dir D issue` and `ca issue --dir D` are the same; the later one wins."""
    assert str(parse("--dir", "d", "list").dir) == "d"
    assert str(parse("list", "--dir", "d").dir) == "d"
    assert str(parse("--dir", "c", "list", "--dir", "d").dir) == "d"
    assert "dir" not in parse("list")


def test_reasons_are_those_of_the_authority() -> None:
    """The list is written twice, so that parsing does not load the authority; here they are compared."""
    assert tuple(RevocationReason) == REASONS


@pytest.mark.parametrize(
    "words",
    [
        ("issue",),
        ("init",),
        ("init", "--cn", "x", "--adopt", "a", "b"),
        ("issue", "alice", "--days", "0"),
        ("issue", "alice", "--days", "-1"),
        ("issue", "alice", "--days", "99999"),
        ("list", "--expiring", "soon"),
        ("list", "--expiring", "d"),
        ("list", "--expiring", "36526d"),
        ("list", "--expiring", "101y"),
        ("list", "--expiring", "99999999999d"),
        ("list", "--expiring", "9" * 5000),
        ("revoke", "alice", "--reason", "boredom"),
        ("issue", "alice", "--password", "on-the-command-line"),
        ("issue", "alice", "--passphrase", "on-the-command-line"),
    ],
)
def test_wrong_usage_is_refused(words: tuple[str, ...]) -> None:
    """What makes no sense is refused by the parser; no secret is ever an argument."""
    with pytest.raises(UsageError):
        parse(*words)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("30d", 30),
        ("2w", 14),
        ("1y", 365),
        ("12h", 0.5),
        ("7", 7),
        ("36525d", 36525),
        ("876600h", 36525),
        ("100y", 36500),
    ],
)
def test_spans_are_written_short(text: str, days: float) -> None:
    """30d, 2w, 1y, 12h, or a number of days."""
    assert parse("list", "--expiring", text).expiring == days


@pytest.mark.parametrize("module", ["gatekeeper.cli", "gatekeeper.process.worker"])
def test_the_running_proxy_never_loads_the_authority(module: str) -> None:
    """Neither the command line nor a worker imports gatekeeper.ca."""
    code = f"import sys, {module}; print([name for name in sys.modules if name.startswith('gatekeeper.ca')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
