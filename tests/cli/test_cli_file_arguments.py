"""Every argument that names a file to read: a device or a pipe ends in a sentence, never in a command that waits."""

import argparse
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatekeeper.cli import main, make_parser
from gatekeeper.cli.parser import Parser

# Endless: a command that reads all of it never ends, or ends for want of memory.
ENDLESS = "/dev/zero"
GATE = """\
[server]
listen = "127.0.0.1:8443"
certificate = "ca/localhost.crt"
key = "ca/localhost.key"
[client_auth]
ca = "ca/ca.crt"
[upstream]
url = "http://127.0.0.1:8000"
"""
EC = ("--key", "ec:p256")

# A command line for each option or argument of a command that names a file; `FILE` is what it names.
COMMANDS = {
    "check --config": ("check", "-c", "FILE"),
    "explain --config": ("explain", "-c", "FILE", "GET", "/"),
    "explain --cert": ("explain", "--cert", "FILE", "GET", "/"),
    "explain --password-file": ("explain", "--cert", "ca/alice.p12", "--password-file", "FILE", "GET", "/"),
    "healthcheck --config": ("healthcheck", "-c", "FILE"),
    "maintenance --config": ("maintenance", "on", "-c", "FILE"),
    "upgrade --config": ("upgrade", "-c", "FILE"),
    "top --config": ("top", "-c", "FILE"),
    "init --from-nginx": ("init", "--from-nginx", "FILE", "new"),
    "enroll --cacert": ("enroll", f"https://localhost/.gatekeeper/invite/{'a' * 43}", "--cacert", "FILE"),
    "ca --passphrase-file": ("ca", "crl", "--passphrase-file", "FILE"),
    "ca init --adopt": ("ca", "--dir", "new", "init", "--adopt", "FILE", "FILE"),
    "ca init --crl": ("ca", "--dir", "new", "init", "--adopt", "ca/ca.crt", "ca/ca.key", "--crl", "FILE"),
    "ca issue --password-file": ("ca", "issue", "bob", *EC, "--password-file", "FILE"),
    "ca invite --config": ("ca", "invite", "bob", "-c", "FILE"),
    "ca invite --password-file": (
        *("ca", "invite", "bob", *EC, "--invitations", "inv", "--url", "https://localhost", "--password-file", "FILE"),
    ),
    "ca approve --config": ("ca", "approve", "bob", "-c", "FILE"),
    "ca watch --config": ("ca", "watch", "--once", "-c", "FILE"),
    "ca sign request": ("ca", "sign", "FILE"),
    "ca p12 --password-file": ("ca", "p12", "alice", "--password-file", "FILE"),
    "ca p12 --key": ("ca", "p12", "alice", "--key", "FILE", "--certificate", "ca/alice.crt"),
    "ca p12 --certificate": ("ca", "p12", "alice", "--key", "ca/alice.key", "--certificate", "FILE"),
    "ca p12 --ca": ("ca", "p12", "alice", "--key", "ca/alice.key", "--certificate", "ca/alice.crt", "--ca", "FILE"),
    "ca renew --config": ("ca", "renew", "alice", "--invite", "-c", "FILE"),
    "ca renew --password-file": ("ca", "renew", "alice", "--password-file", "FILE"),
    "ca revoke what": ("ca", "revoke", "FILE"),
    "ca retire --config": ("ca", "retire", "-c", "FILE"),
    "ca show what": ("ca", "show", "FILE"),
    "ca show --password-file": ("ca", "show", "ca/alice.p12", "--password-file", "FILE"),
}
# These go on without the file: what they do is urgent, or has nothing to do with it.
ALL_THE_SAME = {
    "ca revoke --config": ("ca", "revoke", "alice", "-c", "FILE"),
    "ca sign --config": ("ca", "sign", "ca/alice.csr", "--replace", "-c", "FILE"),
    "ca list --config": ("ca", "list", "-c", "FILE"),
}
# In a process of its own, since it takes over the signals.
SERVE = {"serve --config": ("serve", "-c", "FILE")}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An authority with a client and a server, and a configuration of a gate."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEKEEPER_CA_PASSPHRASE", "open sesame")
    (tmp_path / "inv").mkdir(0o700)
    (tmp_path / "gatekeeper.toml").write_text(GATE)
    for words in (("init", "--cn", "CA"), ("issue", "alice"), ("server", "localhost")):
        assert main(["ca", *words, *EC]) == 0
    capsys.readouterr()


def file_arguments(parser: Parser, words: str = "") -> Iterator[str]:
    """``explain --cert``, and all others; an option that several commands inherit comes once, with the first."""
    for name, command in parser.commands.items():
        inherited = {one for argument in parser.arguments for one in argument.option_strings}
        for argument in command.arguments:
            if names_a_file(argument) and not set(argument.option_strings) & inherited:
                yield f"{words}{name} {(argument.option_strings or [argument.dest])[-1]}"
        yield from file_arguments(command, f"{words}{name} ")


def names_a_file(argument: argparse.Action) -> bool:
    metavar = argument.metavar if isinstance(argument.metavar, tuple) else (argument.metavar,)
    return any(word and ("FILE" in word or word.startswith("CA.")) for word in metavar)


def test_every_argument_that_names_a_file_stands_in_the_tables() -> None:
    """A new one comes here, and so is read in the one way that does not wait."""
    assert sorted({*COMMANDS, *ALL_THE_SAME, *SERVE}) == sorted(file_arguments(make_parser()))


@pytest.mark.parametrize("argument", COMMANDS)
def test_an_endless_file_is_a_mistake(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line that names it; nothing is written."""
    words = [ENDLESS if word == "FILE" else word for word in COMMANDS[argument]]
    assert main(words) in (1, 2)
    out, error = capsys.readouterr()
    assert (out, len(error.splitlines())) == ("", 1)
    assert ENDLESS in error


def test_an_endless_configuration_starts_no_gate() -> None:
    """The same for the one command that stays."""
    words = [ENDLESS if word == "FILE" else word for word in SERVE["serve --config"]]
    done = subprocess.run([sys.executable, "-m", "gatekeeper", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == f"gatekeeper: {ENDLESS}: is larger than 4 MiB, which is too large for a configuration\n"


@pytest.mark.parametrize("argument", ALL_THE_SAME)
def test_an_endless_configuration_keeps_from_nothing_else(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the folder of invitations, and nothing that the command needs."""
    words = [ENDLESS if word == "FILE" else word for word in ALL_THE_SAME[argument]]
    assert main(words) == 0
    assert "alice" in capsys.readouterr().out


def test_what_a_pipe_brings_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As with ``--cert <(pass show alice)``; the writer may come later."""
    os.mkfifo(tmp_path / "pipe")
    certificate = (tmp_path / "ca" / "alice.crt").read_bytes()
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(certificate,))
    writer.start()
    assert main(["explain", "--cert", "pipe", "GET", "/"]) == 0
    writer.join()
    assert "admitted" in capsys.readouterr().out
