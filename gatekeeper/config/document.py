"""The configuration file as a document: found, read, parsed, its variables filled in. What it means is for `load`."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gatekeeper.config.source import KeyPath, Source
from gatekeeper.errors import ConfigurationError, Mistake
from gatekeeper.settings.files import OPEN_DIRECTLY, FileReader, UnreadableFileError

VARIABLE = "GATEKEEPER_CONFIG"
NAME = "gatekeeper.toml"
SYSTEM_WIDE = Path("/etc/gatekeeper") / NAME

# A thousand routes take a twentieth of this. A larger file is the wrong one, or a device.
_LARGEST = 4 << 20
# The words of `UnreadableFileError`, and what is said of a configuration file instead.
_HINTS = {
    "does not exist": "there is no such file",
    "is empty": "is empty; `gatekeeper init` writes a file to start from",
    "is too large": f"is larger than {_LARGEST >> 20} MiB, which is too large for a configuration",
}

_REFERENCE = re.compile(r"\$(?:\$\{|\{([A-Za-z_][A-Za-z0-9_]*)\}|\{)", re.ASCII)
_SYNTAX = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)

Problem = tuple[KeyPath, str]
"""Where something is wrong, and what."""


def find(explicit: Path | None, environ: Mapping[str, str]) -> Path:
    """The given file, else ``$GATEKEEPER_CONFIG``, ``./gatekeeper.toml``, ``/etc/gatekeeper/gatekeeper.toml``.

    A named file is used even if it does not exist, and never replaced by another: `load` reports what is wrong with it.
    ConfigurationError if no file is named and none exists.
    """
    if explicit is not None:
        return explicit
    if environ.get(VARIABLE):
        return Path(environ[VARIABLE])
    for candidate in (Path(NAME), SYSTEM_WIDE):
        if os.path.lexists(candidate):
            return candidate
    raise ConfigurationError(
        Mistake(
            "", f"there is no ./{NAME} and no {SYSTEM_WIDE}; name a file with -c, or write one by `gatekeeper init`"
        )
    )


def read_document(
    path: Path, environ: Mapping[str, str] = os.environ, files: FileReader = OPEN_DIRECTLY
) -> tuple[dict[str, Any], Source, list[Problem]]:
    """The tables of a file, its text, and which ``${NAME}`` could not be filled in.

    ConfigurationError if it is no TOML.
    """
    text = _read(path, files)
    unfilled: list[Problem] = []
    document: dict[str, Any] = _filled(_parse(path, text), (), environ, unfilled)
    return document, Source(path, text), unfilled


def _read(path: Path, files: FileReader) -> str:
    try:
        content = files.read(path, _LARGEST)
        if content.startswith(b"\xef\xbb\xbf"):
            raise UnreadableFileError("begins with a byte order mark (BOM); save it as UTF-8 without one")
        return content.decode()
    except UnreadableFileError as error:
        message = _HINTS.get(str(error), str(error))
    except UnicodeDecodeError:
        message = "is not UTF-8 text"
    raise ConfigurationError(Mistake("", message), source=str(path)) from None


def _parse(path: Path, text: str) -> dict[str, Any]:
    import tomllib  # not needed to find the file

    try:
        return tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, or int() for a number with too many digits
        words, line, column = str(error), text.count("\n") + 1, None
        if match := _SYNTAX.fullmatch(words):
            words, line, column = match[1], int(match[2] or line), match[3]
        where = f", at column {column}" if column else ""
        message = f"is not valid TOML{where}: {words[:1].lower()}{words[1:200]}"
        raise ConfigurationError(Mistake("", message, line), source=str(path)) from None


def _filled(value: Any, where: KeyPath, environ: Mapping[str, str], wrong: list[Problem]) -> Any:
    """The value with every ``${NAME}`` in its strings replaced; those that cannot be are added to ``wrong``."""
    if isinstance(value, dict):
        return {key: _filled(below, (*where, key), environ, wrong) for key, below in value.items()}
    if isinstance(value, list):
        return [_filled(below, (*where, index), environ, wrong) for index, below in enumerate(value)]
    if not isinstance(value, str):
        return value

    def fill(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        if match[1] is None:
            wrong.append((where, 'contains "${" without a name and "}" after it; write "$${" for a literal "${"'))
        elif match[1] not in environ:
            wrong.append((where, f"needs the environment variable {match[1]}, which is not set"))
        else:
            return environ[match[1]]
        return ""

    return _REFERENCE.sub(fill, value)
