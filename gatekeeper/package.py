"""The package on disk, as long as it is the one that this process was started from.

An installer replaces it under a running gate. What is loaded only when it is first needed (pages, mostly: with them an
idle gate would take 5 MiB more, and a start 0.15 s) would then be of another version than the rest.
"""

import logging
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from gatekeeper.errors import PackageChangedError

_log = logging.getLogger("gatekeeper")


class PackageFolder:
    """The package's ``folder`` as it is now. A new version is recognized by a new ``__init__.py``, which every
    installer writes; edits of other files in a checkout are not noticed.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "__init__.py"
        self._started = self._identity()
        self._logged = False

    def require_unchanged(self) -> None:
        """PackageChangedError if the folder was replaced since, or is gone; the log says so once."""
        if self._identity() == self._started:
            return
        error = PackageChangedError()
        if not self._logged:
            self._logged = True
            _log.error("%s", error)
        raise error

    def read(self, name: str) -> str:
        """The text of a file in it; PackageChangedError as `require_unchanged`."""
        self.require_unchanged()
        return self._file.parent.joinpath(name).read_text("utf-8")

    def _identity(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self._file)
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


class LateImports:
    """A finder for `sys.meta_path`: modules of gatekeeper are not loaded from a folder that has changed."""

    def __init__(self, folder: PackageFolder) -> None:
        self._folder = folder

    def find_spec(self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None) -> ModuleSpec | None:
        """None, so that the next finder is asked; PackageChangedError (an ImportError) if none may be."""
        if name.startswith("gatekeeper."):
            self._folder.require_unchanged()
        return None


OWN = PackageFolder(Path(__file__).parent)
"""As it was when this process began."""


def watch_imports() -> None:
    """Let this process, and those that it forks, load no module of another version than its own."""
    sys.meta_path.insert(0, LateImports(OWN))
