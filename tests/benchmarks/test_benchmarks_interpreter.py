"""Which Python gatekeeper is measured on."""

import sys
from pathlib import Path

import pytest

from benchmarks.contenders import interpreter as module
from benchmarks.contenders.interpreter import interpreter, version_of
from benchmarks.processes import BenchmarkError


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "ENVIRONMENT", tmp_path / "environment")
    interpreter.cache_clear()


def test_the_version_is_asked_of_the_interpreter(tmp_path: Path) -> None:
    assert version_of(Path(sys.executable)) == sys.version_info[:3]
    assert version_of(tmp_path / "none") == ()
    assert version_of(Path("/bin/false")) == ()


@pytest.mark.parametrize("oldest", [(99, 0), (3, 11)])
def test_where_the_distribution_has_none_that_will_do_it_is_this_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, oldest: tuple[int, int]
) -> None:
    """Too old, or not there at all."""
    monkeypatch.setattr(module, "OLDEST", oldest)
    monkeypatch.setattr(module, "DISTRIBUTION", Path(sys.executable) if oldest > (4,) else tmp_path / "none")
    assert interpreter() == Path(sys.executable)


def test_a_failure_to_make_the_environment_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is not silently measured on another Python."""
    (tmp_path / "pyproject.toml").write_text("not TOML")
    monkeypatch.setattr(module, "DISTRIBUTION", Path(sys.executable))
    monkeypatch.setattr(module, "REPOSITORY", tmp_path)
    with pytest.raises(BenchmarkError, match="no environment for gatekeeper could be made"):
        interpreter()
