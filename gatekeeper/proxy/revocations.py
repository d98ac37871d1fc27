"""From CRL files to `Revocations`; every mistake at once, each under the key of its file."""

from collections.abc import Sequence
from pathlib import Path

from gatekeeper.errors import ConfigurationError, Mistake
from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.revocation import RevocationList, Revocations, read_lists
from gatekeeper.settings.files import OPEN_DIRECTLY, FileReader, UnreadableFileError

# A million serials of 128 bits are 40 MB, in PEM 54.
_FILE_LIMIT = 256 * 1024 * 1024


def load_revocations(
    paths: Sequence[Path], authorities: Sequence[Certificate], files: FileReader = OPEN_DIRECTLY
) -> Revocations | None:
    """The lists in these files, None for no files; ConfigurationError if any of them cannot be relied on."""
    if not paths:
        return None
    lists: list[RevocationList] = []
    mistakes: list[Mistake] = []
    for index, path in enumerate(paths):
        try:
            lists += read_lists(files.read(path, _FILE_LIMIT), authorities)
        except (UnreadableFileError, ValueError) as error:
            mistakes.append(Mistake(f"client_auth.crl[{index}]", f"{path} {error}"))
    if mistakes:
        raise ConfigurationError(*mistakes)
    return Revocations.of(lists)
