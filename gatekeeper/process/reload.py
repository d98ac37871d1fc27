"""Reloading when a file changes or on SIGHUP, on a thread of its own; completely or not at all.

Files are checked several times a second with stat(2), following links. This detects changes in place, renames and
swapped links in the path (Kubernetes), on every file system and in every container; inotify would have to watch each
folder in the path of each file, and misses changes by another machine on NFS. Ten files cost 30 µs per check.

The thread reads files and verifies signatures, which may take seconds for a large CRL, while traffic continues. Only
the finished snapshot is passed to the event loop, which swaps one reference.
"""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from gatekeeper.config.configuration import Configuration
from gatekeeper.errors import ConfigurationError
from gatekeeper.process.configuration import ConfigurationFile
from gatekeeper.process.sealed_files import SealedFiles, close
from gatekeeper.process.watch import Watch
from gatekeeper.proxy.proxy import Reload
from gatekeeper.proxy.snapshot import Snapshot
from gatekeeper.settings.files import FileReader, files_of

if TYPE_CHECKING:
    from gatekeeper.settings.tables import Settings

_log = logging.getLogger("gatekeeper")

# Revocation takes effect within a second: one check sees a change, the next one that the file has stopped changing.
POLL_SECONDS = 0.2
# Lists and certificates expire without any change of a file.
REMIND_SECONDS = 60.0


class Reloader:
    """Watches the files of a configuration and builds new snapshots from them.

    To be made before the files of ``settings`` are read, so that no change is missed. ``build``, ``renew`` (which gets
    each new snapshot) and ``report`` (how each reload went) are called on the thread; ``build`` may raise
    ConfigurationError. ``watch`` is of the configuration alone, from before it was read.
    """

    def __init__(
        self,
        configuration: ConfigurationFile,
        settings: "Settings",
        *,
        build: "Callable[[Settings, FileReader], Snapshot]",
        renew: Callable[[Snapshot], None],
        report: Callable[[Reload], None],
        watch: Watch | None = None,
    ) -> None:
        self._configuration = configuration
        self._path = path = configuration.path
        self._settings = settings
        self._snapshot: Snapshot | None = None
        self._build = build
        self._renew = renew
        self._report = report
        self._asked = threading.Event()
        self._sealed: deque[SealedFiles] = deque()
        self._watching = True
        self._stopped = False
        self._watch = watch or Watch((path,))
        self._watch.loading(path, *files_of(settings))
        self._logged_warnings: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="refresh", daemon=True)

    def start(self, snapshot: Snapshot, *, watching: bool = True) -> None:
        """Begin to watch files; with ``watching=False`` only wait for `reload`, because another process watches.

        ``snapshot`` is the current one, whose warnings were already logged.
        """
        self._watching = watching
        self._snapshot = snapshot
        self._logged_warnings = set(snapshot.warnings(time.time()))
        self._thread.start()

    def reload(self, sealed: SealedFiles | None = None) -> None:
        """Reload now, whether or not a file has changed; from ``sealed``, which is then closed, unless it is empty."""
        self._sealed.append(sealed or {})
        self._asked.set()

    def stop(self) -> None:
        """Stop watching. A reload in progress is not waited for."""
        self._stopped = True
        self._asked.set()

    def _run(self) -> None:
        remind = time.monotonic() + REMIND_SECONDS
        while True:
            self._asked.wait(POLL_SECONDS)
            self._asked.clear()
            if self._stopped:
                return
            # What `wait` says may be old: a request that came between its timeout and `clear` was lost.
            if self._sealed or (self._watching and self._watch.changed()):
                sealed = self._newest_sealed()
                try:
                    self._log_exceptions(self._load, FileReader(sealed))
                finally:
                    close(sealed)
            if time.monotonic() >= remind:
                remind = time.monotonic() + REMIND_SECONDS
                self._log_exceptions(self._log_warnings)

    def _log_exceptions(self, step: Callable[..., None], *arguments: object) -> None:
        """Log an unexpected exception and go on: if the watch ended, later revocations would have no effect."""
        try:
            step(*arguments)
        except Exception:
            _log.exception("the reload failed in an unexpected way")

    def _newest_sealed(self) -> SealedFiles:
        newest: SealedFiles = {}
        while self._sealed:
            close(newest)
            newest = self._sealed.popleft()
        return newest

    def _load(self, files: FileReader) -> None:
        self._watch.loading()
        try:
            configuration = self._configuration.read_here(files)
            settings = configuration.settings
            self._watch.loading(self._path, *files_of(settings), *files_of(self._settings))
            snapshot = self._build_from(configuration, files)
        except ConfigurationError as error:
            self._failed(str(error))
        except Exception as error:  # no exception from a file or a library may end the watch
            _log.exception("the reload failed in an unexpected way")
            self._failed(f"{type(error).__name__}: {error}")
        else:
            self._succeeded(settings, snapshot)

    def _build_from(self, configuration: Configuration, files: FileReader) -> Snapshot:
        try:
            return self._build(configuration.settings, files)
        except ConfigurationError as error:
            raise configuration.located(error) from None

    def _failed(self, message: str) -> None:
        # Reported first, so that /status has it before the log does.
        self._report(Reload(time.time(), ok=False, message=message))
        for line in message.splitlines():
            _log.error("not reloaded, the old state stays in force in worker %d: %s", os.getpid(), line)

    def _succeeded(self, settings: "Settings", snapshot: Snapshot) -> None:
        before, self._settings, self._snapshot = self._settings, settings, snapshot
        self._watch.loading(self._path, *files_of(settings))
        self._renew(snapshot)
        self._report(Reload(time.time(), ok=True))
        _log.info("reloaded %s in worker %d", self._path, os.getpid())
        for key in needing_a_restart(before, settings):
            _log.warning("%s was changed; that takes effect at the next start or upgrade", key)
        self._log_warnings()

    def _log_warnings(self) -> None:
        """Log new warnings of the snapshot, each once for as long as it lasts."""
        found = self._snapshot.warnings(time.time()) if self._snapshot is not None else []
        for warning in found:
            if warning not in self._logged_warnings:
                _log.warning("%s", warning)
        self._logged_warnings = set(found)


# Keys that a worker cannot change: the supervisor replaces all workers if one has changed.
_OF_WORKERS = {"server": ("listen", "redirect", "workers"), "admin": ("listen",), "log": ("access", "format", "level")}
# Keys that take effect only at a start or an upgrade, before root is given up.
_AT_START = {"server": ("user", "group")}


def needing_new_workers(old: "Settings", new: "Settings") -> bool:
    """Whether a key was changed that takes effect when workers are replaced."""
    return any(_changed(_OF_WORKERS, old, new))


def needing_a_restart(old: "Settings", new: "Settings") -> Iterator[str]:
    """The keys that were changed but take effect only at the next start or upgrade."""
    return _changed(_AT_START, old, new)


def _changed(keys: Mapping[str, Iterable[str]], old: "Settings", new: "Settings") -> Iterator[str]:
    for table, names in keys.items():
        for key in names:
            if getattr(getattr(old, table), key) != getattr(getattr(new, table), key):
                yield f"{table}.{key}"
