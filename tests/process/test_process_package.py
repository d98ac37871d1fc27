"""gatekeeper.package: nothing of another version is loaded beside what runs."""

import logging
import os
import sys
from importlib import import_module
from pathlib import Path

import pytest

from gatekeeper.errors import PackageChangedError
from gatekeeper.package import LateImports, PackageFolder

CHANGED = "the package on disk has changed: run gatekeeper upgrade"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text('__version__ = "1"\n')
    (package / "page.html").write_text("<p>1\n")
    return package


def reinstall(folder: Path) -> None:
    """As installers do: the old folder goes, and another comes in its place, here of the same size."""
    folder.rename(folder.with_name("old"))
    folder.mkdir()
    (folder / "__init__.py").write_text('__version__ = "2"\n')
    (folder / "page.html").write_text("<p>2\n")


def test_a_folder_that_stays_is_read(folder: Path) -> None:
    """Also where Python has written its bytecode meanwhile."""
    started = PackageFolder(folder)
    (folder / "__pycache__").mkdir()
    assert started.read("page.html") == "<p>1\n"
    assert LateImports(started).find_spec("gatekeeper.local.answers", None) is None


def test_one_that_was_installed_anew_is_not(folder: Path) -> None:
    """Neither a file nor a module of it."""
    started = PackageFolder(folder)
    reinstall(folder)
    with pytest.raises(PackageChangedError, match=CHANGED):
        started.read("page.html")
    with pytest.raises(ImportError, match=CHANGED):
        LateImports(started).find_spec("gatekeeper.local.answers", None)


def test_one_that_is_gone_is_not_either(folder: Path) -> None:
    """An installer may be at work."""
    started = PackageFolder(folder)
    folder.rename(folder.with_name("old"))
    with pytest.raises(PackageChangedError):
        started.require_unchanged()


def test_one_that_was_edited_in_place_is_not_either(folder: Path) -> None:
    """The file is the same, its time is not."""
    started = PackageFolder(folder)
    os.utime(folder / "__init__.py", (1, 1))
    with pytest.raises(PackageChangedError):
        started.require_unchanged()


def test_other_packages_are_loaded_as_ever(folder: Path) -> None:
    """Whoever replaces them replaces them whole, and gatekeeper with them."""
    started = PackageFolder(folder)
    reinstall(folder)
    assert LateImports(started).find_spec("gatekeeper_plugin", None) is None
    assert LateImports(started).find_spec("jinja2", None) is None


def test_the_log_says_it_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """However many visitors ask."""
    started = PackageFolder(folder)
    reinstall(folder)
    for _ in range(3):
        with pytest.raises(PackageChangedError):
            started.require_unchanged()
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [(logging.ERROR, CHANGED)]


def test_an_import_fails_by_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The finder is asked before those that find the module on disk; what is loaded already stays usable."""
    started = PackageFolder(folder)
    reinstall(folder)
    monkeypatch.setattr(sys, "meta_path", [LateImports(started), *sys.meta_path])
    assert import_module("gatekeeper.errors") is sys.modules["gatekeeper.errors"]
    with pytest.raises(PackageChangedError):
        import_module("gatekeeper.no_such_module")
