"""`gatekeeper ca` at a terminal: prompts, echo and colours."""

from pathlib import Path

import pytest

from gatekeeper.ca.keys import key_pem, make_key
from tests.e2e.authority import PASSPHRASE, ca, ca_on_terminal

EC = ("--key", "ec:p256")


def test_the_passphrase_is_asked_for_and_never_seen(tmp_path: Path) -> None:
    """init asks twice, issue once, and neither the passphrase nor the chosen password is echoed."""
    code, screen = ca_on_terminal(
        tmp_path, "init", "--cn", "Home CA", *EC, answers=(f"{PASSPHRASE}\n", f"{PASSPHRASE}\n")
    )
    assert code == 0, screen
    assert "New passphrase for ca/ca.key: " in screen
    assert PASSPHRASE not in screen
    answers = ("my password\n", "my password\n", f"{PASSPHRASE}\n")
    code, screen = ca_on_terminal(tmp_path, "issue", "alice", "--ask-password", *EC, answers=answers)
    assert code == 0, screen
    assert "Passphrase of ca/ca.key: " in screen
    assert PASSPHRASE not in screen
    assert "my password" not in screen


def test_a_key_in_clear_that_is_adopted_gets_a_new_passphrase(tmp_path: Path) -> None:
    """It has none to be opened with, so what is typed is a new one, and a slip of the finger would lock it."""
    (tmp_path / "other.key").write_bytes(key_pem(make_key("ec:p256")))
    (tmp_path / "other.crt").touch()
    code, screen = ca_on_terminal(
        tmp_path, "init", "--adopt", "other.crt", "other.key", answers=("one two\n", "one tow\n")
    )
    assert code == 2
    assert "New passphrase for other.key: " in screen
    assert "the two differ" in screen


def test_two_different_entries_make_nothing(tmp_path: Path) -> None:
    """A slip of the finger must not lock the authority for ever."""
    answers = (f"{PASSPHRASE}\n", f"{PASSPHRASE}e\n")
    code, screen = ca_on_terminal(tmp_path, "init", "--cn", "Home CA", *EC, answers=answers)
    assert code == 2
    assert "the two differ" in screen
    assert not (tmp_path / "ca").exists()


@pytest.mark.parametrize(
    ("words", "entry", "says"),
    [
        (("init", "--cn", "Home CA", *EC), "hunter2\n", "a passphrase has at least"),
        (("init", "--cn", "Home CA", *EC), "qwertyuiop\n", "this passphrase is easy to guess"),
        (("init", "--adopt", "other.crt", "other.key"), "abc\n", "a passphrase has at least"),
        (("csr", "alice", *EC), "qwertyuiop\n", "this passphrase is easy to guess"),
        (("issue", "alice", *EC, "--ask-password"), "\n", "an empty password protects nothing"),
    ],
)
def test_a_weak_secret_is_refused_before_it_is_asked_for_again(
    tmp_path: Path, words: tuple[str, ...], entry: str, says: str
) -> None:
    """Nobody types twice what cannot be taken."""
    (tmp_path / "other.key").write_bytes(key_pem(make_key("ec:p256")))
    (tmp_path / "other.crt").touch()
    if words[0] == "issue":
        ca(tmp_path, "init", "--cn", "Home CA", *EC)
    code, screen = ca_on_terminal(tmp_path, *words, answers=(entry,))
    assert code == 1
    assert says in screen
    assert "The same again" not in screen


def test_a_wrong_passphrase_is_a_sentence(tmp_path: Path) -> None:
    """Typed wrong: exit 1, one sentence, no traceback."""
    ca(tmp_path, "init", "--cn", "Home CA", *EC)
    code, screen = ca_on_terminal(tmp_path, "crl", answers=("wrong\n",))
    assert code == 1
    assert "wrong passphrase for ca/ca.key" in screen
    assert "Traceback" not in screen


def test_control_c_at_the_prompt_is_quiet(tmp_path: Path) -> None:
    """Ctrl-C ends with 130 and nothing made."""
    code, screen = ca_on_terminal(tmp_path, "init", "--cn", "Home CA", *EC, answers=("\x03",))
    assert code == 130
    assert "Traceback" not in screen
    assert not (tmp_path / "ca").exists()


def test_colours_on_a_terminal_unless_unwanted(tmp_path: Path) -> None:
    """Colours where somebody looks; NO_COLOR switches them off (no-color.org)."""
    ca(tmp_path, "init", "--cn", "Home CA", *EC)
    ca(tmp_path, "issue", "alice", *EC)
    assert "\x1b[32mvalid" in ca_on_terminal(tmp_path, "list")[1]
    assert "\x1b[32m" not in ca_on_terminal(tmp_path, "list", NO_COLOR="1")[1]


def test_a_passphrase_is_refused_before_the_key_is_made(tmp_path: Path) -> None:
    """An RSA key takes seconds, which would be lost."""
    code, screen = ca_on_terminal(tmp_path, "init", "--cn", "Home CA", GATEKEEPER_CA_PASSPHRASE="short")
    assert code == 1
    assert "a passphrase has at least" in screen
    assert "Making a key" not in screen


def test_what_takes_long_is_said(tmp_path: Path) -> None:
    """An RSA key may take seconds: a line says so while it does, and goes away."""
    ca(tmp_path, "init", "--cn", "Home CA", *EC)
    code, screen = ca_on_terminal(tmp_path, "issue", "alice", *EC, GATEKEEPER_CA_PASSPHRASE=PASSPHRASE)
    assert code == 0
    assert "Making a key, ec:p256" in screen
    assert screen.index("\x1b[2K") < screen.index("The certificate of alice is valid")
