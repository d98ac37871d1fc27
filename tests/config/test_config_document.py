"""gatekeeper.config.document: which file is taken, what it holds, and what its variables become."""

import errno
import os
from pathlib import Path

import pytest

from gatekeeper.config.document import SYSTEM_WIDE, find
from gatekeeper.config.load import load
from gatekeeper.errors import ConfigurationError
from tests.configurations import CLIENT_AUTH, MINIMAL, SERVER, UPSTREAM, loaded, mistakes


def test_the_file_that_was_named_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By option before environment, by environment before the folder; whether it exists or not."""
    monkeypatch.chdir(tmp_path)
    Path("gatekeeper.toml").write_text(MINIMAL)
    environ = {"GATEKEEPER_CONFIG": "from-environment.toml"}
    assert find(Path("given.toml"), environ) == Path("given.toml")
    assert find(None, environ) == Path("from-environment.toml")
    assert find(None, {"GATEKEEPER_CONFIG": ""}) == Path("gatekeeper.toml")
    assert find(None, {}) == Path("gatekeeper.toml")


def test_a_broken_link_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another file than the one meant could let in somebody else."""
    monkeypatch.chdir(tmp_path)
    Path("gatekeeper.toml").symlink_to("gone.toml")
    assert find(None, {}) == Path("gatekeeper.toml")


def test_no_file_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says what to do."""
    monkeypatch.chdir(tmp_path)
    if SYSTEM_WIDE.exists():
        assert find(None, {}) == SYSTEM_WIDE
        return
    with pytest.raises(ConfigurationError) as caught:
        find(None, {})
    assert str(caught.value) == (
        "there is no ./gatekeeper.toml and no /etc/gatekeeper/gatekeeper.toml; "
        "name a file with -c, or write one by `gatekeeper init`"
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty; `gatekeeper init` writes a file to start from"),
        (b" \n\t\n", "is empty; `gatekeeper init` writes a file to start from"),
        (b"\xef\xbb\xbf" + MINIMAL.encode(), "begins with a byte order mark (BOM); save it as UTF-8 without one"),
        (MINIMAL.encode("utf-16"), "is not UTF-8 text"),
        (MINIMAL.encode() + b"# caf\xe9\n", "is not UTF-8 text"),
        (b"#" * (5 << 20), "is larger than 4 MiB, which is too large for a configuration"),
        (b"a = " + b"[" * 100_000, "is nested too deeply"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_a_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    """As a whole: there is no key to name."""
    (tmp_path / "x.toml").write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "x.toml", {})
    assert str(caught.value) == f"{tmp_path}/x.toml: {sentence}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[server\n", "line 1: is not valid TOML, at column 8: expected ']' at the end of a table declaration"),
        ("[server]\nlisten = \n", "line 2: is not valid TOML, at column 10: invalid value"),
        ("a = 1\na = 2\n", "line 2: is not valid TOML, at column 6: cannot overwrite a value"),
        ('[a]\nb = """', "line 2: is not valid TOML"),
        ("a = " + "9" * 5000, "line 1: is not valid TOML"),
        ("a = \x00", "line 1: is not valid TOML"),
    ],
)
def test_a_mistake_in_the_toml_is_reported_with_line_and_column(tmp_path: Path, text: str, sentence: str) -> None:
    """In the parser's words."""
    (found,) = mistakes(tmp_path, text)
    assert found.startswith(sentence)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Said in one sentence, as every refusal below."""
    assert refusal(tmp_path / "nowhere.toml") == "there is no such file"
    assert refusal(tmp_path / "nowhere" / "x.toml") == "there is no such file"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """Naming the folder instead of the file in it is a common slip."""
    assert refusal(tmp_path) == "is a directory, not a file"


def test_a_path_that_no_file_can_have() -> None:
    """A NUL byte in ``$GATEKEEPER_CONFIG`` cannot be, in an argument of a caller it can."""
    assert refusal(Path("a\0b")) == "cannot be the name of a file"


def test_a_file_that_this_user_may_not_read(tmp_path: Path) -> None:
    """Root may read everything, so as root somebody else is asked."""
    path = tmp_path / "secret.toml"
    path.write_text(MINIMAL)
    path.chmod(0)
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        assert refusal(path) == "is not readable for this user"
    finally:
        os.seteuid(user)


def test_other_failures_to_read_keep_the_systems_words(tmp_path: Path) -> None:
    """A link that leads to itself, for one."""
    (tmp_path / "loop").symlink_to("loop")
    assert refusal(tmp_path / "loop") == f"cannot be read: {os.strerror(errno.ELOOP)}"


def refusal(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(path, {})
    (mistake,) = caught.value.mistakes
    assert (mistake.key, mistake.line) == ("", None)
    return mistake.message


def test_variables_are_filled_in(tmp_path: Path) -> None:
    """Inside strings, in lists too; ``$${`` stands for itself, a lone dollar as well."""
    text = (
        SERVER
        + 'listen = ["${HOST}:${PORT}"]\n'
        + CLIENT_AUTH
        + UPSTREAM
        + '[refusal]\ncontact = "$5 $${HOST} $$ ${HOST}"\n'
    )
    got = loaded(tmp_path, text, {"HOST": "127.0.0.1", "PORT": "8444"}).settings
    assert [str(address) for address in got.server.listen] == ["127.0.0.1:8444"]
    assert got.refusal.contact == "$5 ${HOST} $$ 127.0.0.1"


def test_a_variable_cannot_write_toml(tmp_path: Path) -> None:
    """It is filled in after the file was read, so quotes in it are just quotes; nor is it filled in again."""
    got = loaded(tmp_path, MINIMAL + '[refusal]\ncontact = "${WHO}"\n', {"WHO": '"\\nx = ${WHO}'}).settings
    assert got.refusal.contact == '"\\nx = ${WHO}'


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("${NOBODY}", "needs the environment variable NOBODY, which is not set"),
        ("${}", 'contains "${" without a name'),
        ("${A-B}", 'contains "${" without a name'),
        ("${A", 'contains "${" without a name'),
        ("${1}", 'contains "${" without a name'),
        ("${EMPTY}", "should be text on one line"),
    ],
)
def test_a_variable_that_cannot_be_filled_is_a_mistake(tmp_path: Path, value: str, sentence: str) -> None:
    """Just one, at its key; an empty one is what it is, empty."""
    found = mistakes(tmp_path, MINIMAL + f'[refusal]\ncontact = "{value}"\n', {"EMPTY": ""})
    assert len(found) == 1
    assert found[0].startswith(f"line 9: refusal.contact: {sentence}")
