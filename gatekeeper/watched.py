"""Which files a running gate depends on, and what tells that one was changed."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from gatekeeper.settings import Settings, UpstreamSettings

Mark = tuple[int, ...] | None
"""A file as stat(2) sees it, links followed: device, inode, size, times of content and entry. None if there is none."""


def marks(files: Iterable[Path]) -> dict[Path, Mark]:
    """What each of the files is at the moment."""
    return {path: _mark(path) for path in files}


def _mark(path: Path) -> Mark:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def files_of(settings: Settings) -> Iterator[Path]:
    """Every file that these settings name and that is read when they are loaded."""
    server, auth, jwt = settings.server, settings.client_auth, settings.identity.jwt
    yield from (server.certificate, server.key, *auth.ca, *auth.crl)
    if jwt is not None:
        yield from jwt.key
    for optional in (server.key_passphrase_file, settings.refusal.template):
        if optional is not None:
            yield optional
    for upstream in settings.every_upstream.values():
        yield from upstream_files(upstream)


def upstream_files(upstream: UpstreamSettings) -> Iterator[Path]:
    """The files of one upstream."""
    yield from (path for path in (upstream.ca, upstream.certificate, upstream.key) if path is not None)


class Watch:
    """Notices that files are other than they were when they were loaded.

    To be made before the files are read, and told of each loading before it begins, so that no change is missed: what
    a file is counts from the look before it was read.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self._seen = self._loaded = marks(frozenset(files))

    def changed(self) -> bool:
        """Look. Whether anything was changed, and is at rest since the last look: a certificate and its key come one by
        one."""
        now = marks(self._seen)
        at_rest, self._seen = now == self._seen, now
        return at_rest and now != self._loaded

    def loading(self, *files: Path) -> None:
        """What was seen last is being loaded now; these files, if any are given, are those to watch from now on."""
        if files:
            self._seen = {path: self._seen.get(path, mark) for path, mark in marks(frozenset(files)).items()}
        self._loaded = self._seen
