"""The files of the configuration in a supervisor that stays root, for workers that have dropped root.

Those could not read a key again, so the supervisor watches the files for them, and sends them copies to reload from.
"""

from contextlib import suppress
from typing import TYPE_CHECKING

from gatekeeper.errors import GatekeeperError
from gatekeeper.process.configuration import VALIDATED, ConfigurationFile
from gatekeeper.process.reload import POLL_SECONDS
from gatekeeper.process.sealed_files import SealedFiles, seal, seal_content
from gatekeeper.process.watch import Watch
from gatekeeper.settings.files import files_of, written_files

if TYPE_CHECKING:
    from gatekeeper.settings.tables import Settings


class PrivilegedFiles:
    """The configuration and every file that its ``settings`` name. To be made before workers read them."""

    def __init__(self, configuration: ConfigurationFile, settings: "Settings") -> None:
        self._configuration = configuration
        self._settings = settings
        self._watch = Watch((configuration.path, *files_of(self._settings)))
        self._checked = 0.0

    def changed(self, now: float) -> bool:
        """Whether the workers must reload; looks every `POLL_SECONDS`. ``now`` is seconds of the monotonic clock."""
        if now - self._checked < POLL_SECONDS:
            return False
        self._checked = now
        return self._watch.changed()

    def seal(self) -> SealedFiles:
        """Sealed copies of all files, for one reload; to be closed afterwards. Forks, so no other thread may run.

        What is wrong with a file is not said here: a copy is of what is there, and the workers report it.
        """
        with suppress(GatekeeperError):
            self._settings = self._configuration.read().settings
        files = {self._configuration.path, *files_of(self._settings)}
        self._watch.loading(*files)
        validated = seal_content(self._configuration.packed())
        return {VALIDATED: validated, **seal(files.difference(written_files(self._settings)))}
