"""gatekeeper.cli.passphrases: where secrets come from, apart from the terminal (tests/e2e/test_ca_on_a_terminal.py)."""

from pathlib import Path

import pytest

from gatekeeper.cli.passphrases import VARIABLE, bundle_password, existing_passphrase, new_passphrase, open_password
from gatekeeper.errors import AuthorityError


def accept(_passphrase: bytes) -> None:
    """Any will do."""


def refuse(passphrase: bytes) -> None:
    """None will do."""
    raise AuthorityError(f"{passphrase!r} is weak")


def test_a_new_passphrase_is_checked_wherever_it_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file, or the environment; tests/e2e/test_ca_on_a_terminal.py has the one that is typed."""
    (tmp_path / "secret").write_text("one\n")
    with pytest.raises(AuthorityError, match="b'one' is weak"):
        new_passphrase(tmp_path / "secret", "ca.key", refuse)
    monkeypatch.setenv(VARIABLE, "two")
    with pytest.raises(AuthorityError, match="b'two' is weak"):
        new_passphrase(None, "ca.key", refuse)


def test_an_empty_password_of_a_bundle_is_refused(tmp_path: Path) -> None:
    """It would protect nothing."""
    (tmp_path / "secret").write_text("\nsecond line\n")
    with pytest.raises(AuthorityError, match="an empty password protects nothing"):
        bundle_password(tmp_path / "secret", ask=False, what="a.p12")


def test_a_file_comes_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is named on the command line is meant."""
    monkeypatch.setenv(VARIABLE, "from the environment")
    assert existing_passphrase(None, "ca.key") == b"from the environment"
    (tmp_path / "secret").write_text("from the file\n")
    assert existing_passphrase(tmp_path / "secret", "ca.key") == b"from the file"
    assert new_passphrase(tmp_path / "secret", "ca.key", accept) == b"from the file"


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        ("one", "one"),
        ("one\n", "one"),
        ("one\r\n", "one"),
        ("one\ntwo\n", "one"),
        (" one \n", " one "),
        ("pässe\n", "pässe"),
    ],
)
def test_the_first_line_of_a_file_counts(tmp_path: Path, content: str, secret: str) -> None:
    """The end of the line is not part of a secret; spaces are."""
    (tmp_path / "secret").write_text(content, encoding="utf-8", newline="")
    assert open_password(tmp_path / "secret", "a.p12") == secret


def test_the_passphrase_of_the_authority_is_not_the_bundles_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment holds one secret, for one purpose: a bundle travels, the authority's key does not."""
    monkeypatch.setenv(VARIABLE, "from the environment")
    assert bundle_password(None, ask=False, what="a.p12") is None


def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    """A missing file and one that is not text are named."""
    with pytest.raises(AuthorityError, match="none does not exist"):
        existing_passphrase(tmp_path / "none", "ca.key")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(AuthorityError, match="holds no text"):
        existing_passphrase(tmp_path / "binary", "ca.key")
