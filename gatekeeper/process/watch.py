"""Detects changes of the files that a running gate depends on."""

from collections.abc import Iterable
from pathlib import Path

from gatekeeper.settings.files import stat_all


class Watch:
    """Detects that files differ from what was loaded.

    To be made before the files are read, and told of each loading before it begins, so that no change is missed: what
    a file is counts from the check before it was read.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self._seen = self._loaded = stat_all(frozenset(files))

    def changed(self) -> bool:
        """Look. Whether anything was changed, and is at rest since the last look: a certificate and its key come one by
        one."""
        now = stat_all(self._seen)
        at_rest, self._seen = now == self._seen, now
        return at_rest and now != self._loaded

    def loading(self, *files: Path) -> None:
        """What was seen last is being loaded now; these files, if any are given, are those to watch from now on."""
        if files:
            self._seen = {path: self._seen.get(path, stamp) for path, stamp in stat_all(frozenset(files)).items()}
        self._loaded = self._seen
