"""Revocation lists that were fetched, and how the last fetch of each went; on disk, for all workers.

``crl_folder/HOST-HASH.crl`` is a list in force, and nothing else lies there, so that the time of the folder changes
exactly when a list does: the gate watches it, and reloads. ``crl_folder/state/HOST-HASH.json`` tells of the last fetch.
Whoever can write here can delete or replace lists, though not forge one: each is verified again when it is loaded.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from gatekeeper.settings.file_lock import try_lock

# A million serials of 128 bits are 40 MB, in PEM 54.
MAX_SIZE = 64 * 1024 * 1024
_STATE_SIZE = 64 * 1024
_STATE = "state"
_LOCK = "lock"


@dataclass(frozen=True, slots=True)
class Fetch:
    """The last fetch of a list. Times are seconds since the epoch; ``due`` is when the next one is.

    ``failures`` counts those in a row, ``message`` says why the last one failed. ``etag`` and ``modified`` are what the
    server said of the list that is kept (RFC 9110, 8.8), ``trusted`` a hash of the authorities that verify it.
    """

    url: str
    checked: float
    due: float
    failures: int = 0
    message: str = ""
    etag: str = ""
    modified: str = ""
    trusted: str = ""


class CRLFolder:
    """The folder of ``client_auth.crl_folder``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def list_path(self, url: str) -> Path:
        """Where the list from a URL lies, once it was fetched."""
        return self.path / f"{_name(url)}.crl"

    def read(self, url: str) -> bytes | None:
        """The list as it was fetched; None if there is none that can be read.

        A link is not followed: the folder is writable for workers, and root reads it at the start.
        """
        try:
            return _read(self.list_path(url), MAX_SIZE + 1)
        except OSError:
            return None

    def fetch(self, url: str) -> Fetch | None:
        """How the last fetch went; None if there was none."""
        found = self._fetch(self._state(_name(url)))
        return found if found is not None and found.url == url else None

    def fetches(self) -> list[Fetch]:
        """The last fetch of every list that was ever asked for."""
        try:
            files = sorted(path for path in (self.path / _STATE).iterdir() if path.suffix == ".json")
        except OSError:
            return []
        return [one for one in map(self._fetch, files) if one is not None]

    def keep(self, fetch: Fetch, content: bytes | None = None) -> None:
        """Write down how a fetch went, and the new list, if there is one. OSError if that cannot be done."""
        name = _name(fetch.url)
        if content is not None:
            _replace(self.path / _STATE / f"{name}.new", self.path / f"{name}.crl", content)
        text = json.dumps(asdict(fetch), indent=2).encode() + b"\n"
        _replace(self.path / _STATE / f"{name}.json.new", self._state(name), text)

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Whether this process is the one that fetches now; OSError if the folder cannot be written."""
        (self.path / _STATE).mkdir(mode=0o755, exist_ok=True)
        with try_lock(self.path / _STATE / _LOCK) as alone:
            yield alone

    def _state(self, name: str) -> Path:
        return self.path / _STATE / f"{name}.json"

    def _fetch(self, path: Path) -> Fetch | None:
        """What a file tells of a fetch; None if it cannot be read, or its values are of another kind."""
        with suppress(OSError, ValueError, TypeError):
            found = Fetch(**json.loads(_read(path, _STATE_SIZE)))
            texts = (found.url, found.message, found.etag, found.modified, found.trusted)
            numbers = (found.checked, found.due, found.failures)
            if all(isinstance(one, str) for one in texts) and all(isinstance(one, int | float) for one in numbers):
                return found
        return None


def _name(url: str) -> str:
    """Of a URL as a file name: its host, to be recognised by, and a hash of it all."""
    host = re.sub(r"[^a-z0-9.-]", "_", url.split("/")[2].lower())[:100]
    return f"{host}-{hashlib.sha256(url.encode()).hexdigest()[:16]}"


def _read(path: Path, most: int) -> bytes:
    """Without following a link, and without waiting for whoever writes into a pipe."""
    found = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        with open(found, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(found)


def _replace(draft: Path, path: Path, content: bytes) -> None:
    """All of the new content or all of the old, whenever the machine stops."""
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
