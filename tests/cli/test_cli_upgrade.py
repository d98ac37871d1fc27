"""``gatekeeper upgrade``: which gate it replaces. tests/e2e/test_an_upgrade_loses_no_request.py runs it."""

import re
from pathlib import Path

import pytest

from gatekeeper.cli.upgrade import must_be_of
from gatekeeper.errors import UsageError
from gatekeeper.settings.addresses import parse_listen

WHERE = parse_listen("127.0.0.1:9000")


def test_a_gate_with_another_configuration_is_left_alone(tmp_path: Path) -> None:
    """The port alone says nothing: another gate may have it."""
    theirs, ours = tmp_path / "theirs.toml", tmp_path / "ours.toml"
    theirs.touch()
    ours.touch()
    sentence = f"the gate at 127.0.0.1:9000 runs with {theirs}, not with {ours}; to upgrade that one: -c {theirs}"
    with pytest.raises(UsageError, match=re.escape(sentence)):
        must_be_of(ours, {"configuration": str(theirs)}, WHERE)


def test_the_same_file_may_have_several_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path, or a link."""
    file = tmp_path / "gatekeeper.toml"
    file.touch()
    (tmp_path / "link.toml").symlink_to(file)
    monkeypatch.chdir(tmp_path)
    for name in (Path("gatekeeper.toml"), tmp_path / "link.toml"):
        must_be_of(name, {"configuration": str(file)}, WHERE)


def test_an_older_gate_does_not_say() -> None:
    """Its upgrade to this version must be possible."""
    must_be_of(Path("gatekeeper.toml"), {}, WHERE)
