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
    for optional in (server.key_passphrase_file, settings.refusal.template, jwt.key if jwt is not None else None):
        if optional is not None:
            yield optional
    for upstream in settings.every_upstream.values():
        yield from upstream_files(upstream)


def upstream_files(upstream: UpstreamSettings) -> Iterator[Path]:
    """The files of one upstream."""
    yield from (path for path in (upstream.ca, upstream.certificate, upstream.key) if path is not None)
