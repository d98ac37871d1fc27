"""gatekeeper.cli.ca.options: what the options shared by several commands stand for."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Command

EC = ("--key", "ec:p256")
# Counts each file of the folder that a command opens for reading; an audit hook cannot be taken back (PEP 578).
COUNTING = """
import json, os, sys
opened = {}
def count(event, arguments):
    if event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_CREAT | os.O_DIRECTORY):
        name = os.path.basename(str(arguments[0]))
        opened[name] = opened.get(name, 0) + 1
    elif event == "fcntl.flock":
        opened["lock"] = opened.get("lock", 0) + 1
sys.addaudithook(count)
from gatekeeper.cli import main
code = main(sys.argv[1:])
print(json.dumps(opened), file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize(
    "words", [("revoke", "alice"), ("renew", "alice"), ("issue", "bob", *EC), ("p12", "alice"), ("crl",)]
)
def test_a_command_opens_the_authority_once(tmp_path: Path, ca: Command, words: tuple[str, ...]) -> None:
    """One lock, one reading of index, certificate, list and key: nothing can change between two looks."""
    ca("init", "--cn", "Home CA", *EC)
    ca("issue", "alice", *EC)
    done = subprocess.run(
        [sys.executable, "-c", COUNTING, "ca", *words], capture_output=True, text=True, timeout=60, check=True
    )
    opened = json.loads(done.stderr)
    assert [opened[name] for name in ("lock", "index.json", "ca.crt", "ca.crl", "ca.key")] == [1, 1, 1, 1, 1]
