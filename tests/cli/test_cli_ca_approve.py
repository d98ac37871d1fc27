"""gatekeeper.cli.ca.approve: whose request is signed, after which comparison, and what a cancel in the middle does."""

import io
import os
import pty
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.keys import make_key
from gatekeeper.ca.requests import make_request
from gatekeeper.ca.subject import Subject
from gatekeeper.cli import main
from gatekeeper.cli.ca.approve import find_waiting, must_be_sure
from gatekeeper.cli.ca.invitations import cancel
from gatekeeper.errors import AuthorityError, UsageError
from gatekeeper.invitations.folder import Invitations
from gatekeeper.invitations.request import mark_of_key, spki_sha256, write_request
from gatekeeper.invitations.state import Stage
from gatekeeper.x509.request import parse_request
from tests.cli.conftest import Command

EC = ("--key", "ec:p256")
THERE = ("--invitations", "invitations")
PASSPHRASE = "open sesame"


@pytest.fixture
def folder(tmp_path: Path, ca: Command) -> Invitations:
    """An authority, and a folder that a gate reads."""
    ca("init", "--cn", "Home CA", *EC)
    (tmp_path / "invitations").mkdir(0o700)
    return Invitations(tmp_path / "invitations")


@pytest.fixture
def ask(folder: Invitations, ca_json: Callable[..., Any]) -> Callable[..., str]:
    """Invite a computer, and let its request come, as the gate does; the fingerprint of its key."""

    def asked(name: str = "backup") -> str:
        ca_json("invite", name, "--csr", *THERE, "--url", "https://gate.example.com")
        (stored,) = (one for one in folder.all() if (one.invitation.name, one.state.stage) == (name, Stage.OPEN))
        request = parse_request(make_request(make_key("ec:p256"), Subject(x509.Name([]))).public_bytes(Encoding.DER))
        spki, now = spki_sha256(request), datetime.now(UTC).timestamp()
        assert folder.ask(stored, mark_of_key(spki), write_request(request, "192.0.2.7", "gatekeeper-enroll", now), now)
        return spki

    return asked


def statuses(ca_json: Callable[..., Any]) -> list[str]:
    return [line["status"] for line in ca_json("list")]


def stages(folder: Invitations) -> list[Stage]:
    return [one.state.stage for one in folder.all()]


# -- comparing

WRITTEN: dict[str, Callable[[str], str]] = {
    "as enroll says it": lambda spki: spki,
    "in capitals": lambda spki: spki.upper(),
    "with its algorithm": lambda spki: f"sha256:{spki}",
    "as openssl writes digests": lambda spki: "SHA256:" + ":".join(spki[at : at + 2] for at in range(0, 64, 2)).upper(),
}
OTHERS: dict[str, Callable[[str], str]] = {
    "nothing": lambda _: "",
    "only its algorithm": lambda _: "sha256:",
    "its beginning": lambda spki: spki[:32],
    "its end": lambda spki: spki[32:],
    "one digit more": lambda spki: spki + "0",
    "the last digit wrong": lambda spki: spki[:-1] + "0123456789abcdef0"["0123456789abcdef".index(spki[-1]) + 1],
    "twice": lambda spki: spki + spki,
}


@pytest.mark.parametrize("written", WRITTEN)
def test_the_key_that_was_told_is_signed(folder: Invitations, ask: Callable[..., str], written: str) -> None:
    """In whatever way the digits are written."""
    spki = ask()
    must_be_sure(find_waiting(folder, "backup"), WRITTEN[written](spki), yes=False)


@pytest.mark.parametrize("other", OTHERS)
def test_any_other_key_is_not(folder: Invitations, ask: Callable[..., str], other: str) -> None:
    """All digits count, even where --yes would sign whatever came; the message says which key did come."""
    spki = ask()
    with pytest.raises(AuthorityError, match=f"a different key, {spki}; nothing was signed.*--cancel backup"):
        must_be_sure(find_waiting(folder, "backup"), OTHERS[other](spki), yes=True)


# -- asking


@contextmanager
def terminal(typed: str) -> Iterator[None]:
    """Standard input is a terminal, on which somebody has typed already."""
    ours, theirs = pty.openpty()
    before = sys.stdin
    os.write(ours, typed.encode())
    with open(theirs, encoding="utf-8") as sys.stdin:
        try:
            yield
        finally:
            sys.stdin = before
            os.close(ours)


@pytest.mark.parametrize("typed", ["y\n", "Yes\n", " YES \n"])
def test_a_person_who_says_yes_is_taken_at_their_word(
    folder: Invitations, ask: Callable[..., str], capsys: pytest.CaptureFixture[str], typed: str
) -> None:
    """Having seen the fingerprint, whom it is for, and from where it came; on standard error, for scripts."""
    spki = ask()
    with terminal(typed):
        must_be_sure(find_waiting(folder, "backup"), None, yes=False)
    out, error = capsys.readouterr()
    assert out == ""
    for line in (
        "Name:        backup\n",
        "Key:         elliptic curve secp256r1\n",
        f"Fingerprint: {spki}\n",
        "192.0.2.7",
        "[y/N] ",
    ):
        assert line in error


@pytest.mark.parametrize("typed", ["\n", "n\n", "no\n", "yess\n", "j\n", "yes no\n", "\x04"])
def test_anything_else_is_a_no(folder: Invitations, ask: Callable[..., str], typed: str) -> None:
    """The Enter key alone and Ctrl-D as well; the request stays where it is."""
    ask()
    with terminal(typed), pytest.raises(AuthorityError, match="nothing was signed; the request is still waiting"):
        must_be_sure(find_waiting(folder, "backup"), None, yes=False)
    assert stages(folder) == [Stage.ASKED]


def test_where_nobody_can_be_asked_nothing_is_signed(
    folder: Invitations, ask: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is piped in is no person, even if it says yes."""
    ask()
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    with pytest.raises(UsageError, match=r"--fingerprint SHA256.*or --yes"):
        must_be_sure(find_waiting(folder, "backup"), None, yes=False)


# -- one that has a certificate


def test_a_name_with_a_certificate_needs_to_be_replaced(
    folder: Invitations, ask: Callable[..., str], ca: Command, ca_json: Callable[..., Any]
) -> None:
    """A second computer of the name is not signed by the way; the message says how, and the request goes on waiting."""
    ask()
    first = ca_json("approve", "backup", "--yes", *THERE)
    second = ask()
    assert "sign this request in its place: --replace" in ca("approve", "backup", "--yes", *THERE, code=1)
    assert statuses(ca_json) == ["valid"]
    assert stages(folder).count(Stage.SIGNED) == 1
    printed = ca("approve", "backup", "--yes", "--replace", *THERE)
    assert "The invitation of backup (" in printed
    assert sorted(stages(folder)) == [Stage.CANCELLED, Stage.SIGNED]
    assert f"Fingerprint: {second}" in printed
    assert f"The previous certificate ({first['serial']}) is revoked" in printed
    assert statuses(ca_json) == ["revoked", "valid"]


def test_replacing_leaves_other_names_alone(
    folder: Invitations, ask: Callable[..., str], ca: Command, ca_json: Callable[..., Any]
) -> None:
    """And there need not be one before."""
    ca("issue", "alice", *EC)
    ask()
    assert "The previous certificate" not in ca("approve", "backup", "--yes", "--replace", *THERE)
    assert statuses(ca_json) == ["valid", "valid"]


# -- a cancel in the middle


class Pondering(io.StringIO):
    """A person at a terminal who answers yes, after something else has happened."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__("y\n")
        self._meanwhile = meanwhile

    def isatty(self) -> bool:
        return True

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        self._meanwhile()
        return super().readline(size)


def test_what_was_taken_back_while_somebody_pondered_is_not_signed(
    folder: Invitations,
    ask: Callable[..., str],
    ca_json: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing is issued, and --replace has revoked nothing."""
    ask()
    ca_json("approve", "backup", "--yes", *THERE)
    ask()
    cancelled = find_waiting(folder, "backup").stored.identifier
    monkeypatch.setattr(sys, "stdin", Pondering(lambda: cancel(folder, cancelled)))
    assert main(["ca", "approve", "backup", "--replace", *THERE]) == 1
    assert "is no longer waiting; nothing was signed" in capsys.readouterr().err
    assert statuses(ca_json) == ["valid"]


@pytest.mark.parametrize("replace", [False, True])
def test_what_is_taken_back_while_it_is_signed_is_revoked(
    tmp_path: Path,
    folder: Invitations,
    ask: Callable[..., str],
    ca: Command,
    ca_json: Callable[..., Any],
    replace: bool,
) -> None:
    """Nobody gets that certificate, and if somebody did it would be worth nothing. The passphrase comes from a pipe, so
    that it is known when approve has found the request."""
    if replace:
        ask()
        ca_json("approve", "backup", "--yes", *THERE)
    ask()
    stored = find_waiting(folder, "backup").stored
    os.mkfifo(tmp_path / "passphrase")

    def meanwhile() -> None:
        with open(tmp_path / "passphrase", "w") as pipe:  # opens when approve does
            cancel(folder, stored.identifier)
            pipe.write(PASSPHRASE + "\n")

    other = threading.Thread(target=meanwhile)
    other.start()
    options = ("--yes", "--passphrase-file", "passphrase", *(["--replace"] if replace else []))
    error = ca("approve", "backup", *options, *THERE, code=1)
    other.join()
    assert "cancelled just now; its certificate is revoked" in error
    assert ("and so is the previous one" in error) == replace
    assert set(statuses(ca_json)) == {"revoked"}
    assert not list(folder.path.rglob("certificate.pem"))
    assert set(stages(folder)) == {Stage.CANCELLED}


def test_an_id_alone_does_not_say_who_gets_the_certificate(
    folder: Invitations, ask: Callable[..., str], ca: Command, ca_json: Callable[..., Any]
) -> None:
    """The name beside it lies where the gate can write: one that was taken over would have "root" signed."""
    fingerprint = ask()
    (stored,) = folder.all()
    identifier = stored.identifier[:8]
    record = folder.path / stored.identifier / "invitation.json"
    record.write_bytes(record.read_bytes().replace(b"backup", b"root"))
    assert "add --name NAME" in ca("approve", identifier, "--fingerprint", fingerprint, *THERE, code=2)
    assert "is not for backup" in ca(
        "approve", identifier, "--name", "backup", "--fingerprint", fingerprint, *THERE, code=1
    )
    assert statuses(ca_json) == []
    record.write_bytes(record.read_bytes().replace(b"root", b"backup"))
    assert ca_json("approve", identifier, "--name", "backup", "--fingerprint", fingerprint, *THERE)["name"] == "backup"


def test_what_the_gate_wrote_cannot_drive_a_terminal(
    folder: Invitations, ask: Callable[..., str], ca: Command, ca_json: Callable[..., Any]
) -> None:
    """Escape sequences in a name are printed as such: in the list, as JSON, in a mistake, after a cancel."""
    ask()
    (stored,) = folder.all()
    record = folder.path / stored.identifier / "invitation.json"
    record.write_bytes(record.read_bytes().replace(b"backup", b"x\\u001b]0;y\\u0007\\u009b2J\\u202e"))
    said = ca("invite", "--list", *THERE) + ca("invite", "--list", "--json", *THERE)
    said += ca("invite", "--cancel", stored.identifier[:8], *THERE)
    said += ca("invite", "--cancel", stored.identifier[:8], *THERE, code=1)
    assert "\\x1b]0;y" in said
    assert said.replace("\n", "").isprintable()
