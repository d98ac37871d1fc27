"""The configuration as the gate's processes have it: validated, without the library that validates.

pydantic and the tables that it reads take 12 MiB and a tenth of a second. A child process loads them, passes the
settings on as plain values (`gatekeeper.settings.plain`) and ends; meanwhile its parent can import something else.
"""

import pickle
from functools import partial
from pathlib import Path

from gatekeeper.config.configuration import Configuration
from gatekeeper.errors import ConfigurationError, Mistake, PackageChangedError
from gatekeeper.process.apart import Apart
from gatekeeper.process.sealed_files import seal_content
from gatekeeper.settings.files import OPEN_DIRECTLY, FileReader, UnreadableFileError

VALIDATED = Path("validated")
"""The name of `ConfigurationFile.packed` among sealed files. Configured paths are absolute, so none has this name."""

# More than the settings of any file that `config.document` accepts.
_MOST = 256 << 20


class ConfigurationFile:
    """The configuration file of a running gate; it is validated again only if its text has changed.

    Not validated again if only the environment has changed, which a running process has no way to learn.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._newest: Configuration | None = None
        self._child: Apart[Configuration | ConfigurationError] | None = None

    def begin(self) -> None:
        """Start to validate the file in a child process; `read` waits for it."""
        text = self._text(OPEN_DIRECTLY)
        if text is not None:
            self._child = Apart(partial(_outcome, self.path, text))

    def read(self) -> Configuration:
        """The configuration; ConfigurationError as from `config.load`. Forks, so no other thread may run.

        The one in force if another version of gatekeeper is installed than runs: a worker that has ended must be
        replaced all the same, and only the new version may judge a new text.
        """
        if self._child is None:
            if self._newest is not None and self._is_current(OPEN_DIRECTLY):
                return self._newest
            self.begin()
        child, before, self._child, self._newest = self._child, self._newest, None, None
        found = child.result() if child is not None else None
        try:
            self._newest = _raised(found) if found is not None else _validate(self.path, OPEN_DIRECTLY)
        except PackageChangedError as error:
            if before is None:
                raise ConfigurationError(Mistake("", str(error))) from error
            self._newest = before
        return self._newest

    def read_here(self, files: FileReader) -> Configuration:
        """The same in a process with several threads, from copies of files where there are any.

        What the supervisor has validated comes with the copies. Otherwise a new text is validated in this process,
        which then keeps the library for the rest of its life.
        """
        if VALIDATED in files.descriptors:
            self._newest = _unpack(files.read(VALIDATED, _MOST))
        elif not self._is_current(files) or self._newest is None:
            try:
                self._newest = _validate(self.path, files)
            except PackageChangedError as error:
                raise ConfigurationError(Mistake("", str(error))) from error
        return self._newest

    def packed(self) -> bytes:
        """What `read` returns or raises, for another process."""
        try:
            return pickle.dumps(self.read())
        except ConfigurationError as error:
            return pickle.dumps(error)

    def _is_current(self, files: FileReader) -> bool:
        """Whether the file still has the text that was validated."""
        return self._newest is not None and self._text(files) == self._newest.source.text.encode()

    def _text(self, files: FileReader) -> bytes | None:
        """The text of the file; None if it cannot be read, which `config.load` reports."""
        try:
            return files.read(self.path, _MOST)
        except UnreadableFileError:
            return None


def _validate(path: Path, files: FileReader) -> Configuration:
    """Load in this process. The tables are turned into plain values all the same, so that old and new compare."""
    from gatekeeper.config.load import load

    return _unpack(pickle.dumps(load(path, files=files)))


def _outcome(path: Path, text: bytes) -> Configuration | ConfigurationError:
    """What `config.load` makes of this text. To be called in a child process: the file itself is not opened."""
    from gatekeeper.config.load import load

    try:
        return load(path, files=FileReader({path: seal_content(text)}))
    except ConfigurationError as error:
        return error


def _unpack(packed: bytes) -> Configuration:
    # Written by this program, or by the supervisor, which has more privileges than the reader.
    return _raised(pickle.loads(packed))  # noqa: S301


def _raised(found: Configuration | ConfigurationError) -> Configuration:
    if isinstance(found, ConfigurationError):
        raise found
    return found
