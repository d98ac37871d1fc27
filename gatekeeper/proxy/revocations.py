"""From CRL files to `Revocations`; every mistake at once, each under the key of its file."""

from collections.abc import Sequence
from pathlib import Path

from gatekeeper.copies import readable
from gatekeeper.errors import ConfigurationError, Mistake
from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.revocation import RevocationList, Revocations, read_lists

# A million serials of 128 bits are 40 MB, in PEM 54.
_FILE_LIMIT = 256 * 1024 * 1024


def load_revocations(paths: Sequence[Path], authorities: Sequence[Certificate]) -> Revocations | None:
    """The lists in these files, None for no files; ConfigurationError if any of them cannot be relied on."""
    if not paths:
        return None
    lists: list[RevocationList] = []
    mistakes: list[Mistake] = []
    for index, path in enumerate(paths):
        try:
            lists += read_lists(_content(path), authorities)
        except ValueError as error:
            mistakes.append(Mistake(f"client_auth.crl[{index}]", f"{path} {error}"))
    if mistakes:
        raise ConfigurationError(*mistakes)
    return Revocations.of(lists)


def _content(path: Path) -> bytes:
    """ValueError with a sentence if there is none to be had."""
    try:
        with readable(path).open("rb") as file:
            content = file.read(_FILE_LIMIT + 1)
    except FileNotFoundError:
        raise ValueError("does not exist") from None
    except IsADirectoryError:
        raise ValueError("is a directory, not a file") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from error
    if not content.strip():
        raise ValueError("is empty")
    if len(content) > _FILE_LIMIT:
        raise ValueError("is too large")
    return content
