"""Detects changes to the files that a running gate depends on."""

from collections.abc import Iterable
from pathlib import Path

from gatekeeper.settings.files import stat_all


class Watch:
    """Detects whether files differ from what was loaded.

    Create it before the files are read, and call `loading` before each load, so that no change is missed: the state of
    a file is the one seen before it was read.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self._seen = self._loaded = stat_all(frozenset(files))

    def changed(self) -> bool:
        """Check the files. True if any has changed and all were the same at the last check: certificate and key are
        written one after the other.
        """
        now = stat_all(self._seen)
        at_rest, self._seen = now == self._seen, now
        return at_rest and now != self._loaded

    def loading(self, *files: Path) -> None:
        """Take the files as last seen as the loaded ones; ``files``, if given, are the files to watch from now on."""
        if files:
            self._seen = {path: self._seen.get(path, stamp) for path, stamp in stat_all(frozenset(files)).items()}
        self._loaded = self._seen
