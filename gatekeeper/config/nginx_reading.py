"""The files of a configuration of nginx."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import crossplane

from gatekeeper.config.nginx_values import Directive
from gatekeeper.errors import UsageError
from gatekeeper.settings.files import FROM_COMMAND_LINE, UnreadableFileError

# The longest configuration that is taken from a pipe.
_LARGEST = 4 << 20


def parse(path: Path) -> list[Directive]:
    """The directives of the file and its includes; UsageError if one cannot be read."""
    with _regular(path) as file:
        payload = crossplane.parse(str(file), catch_errors=False, check_ctx=False, check_args=False, comments=False)
    for one in (*payload["config"], *payload["errors"]):
        one["file"] = str(path) if one["file"] == str(file) else one["file"]
    for error in payload["errors"]:
        raise UsageError(_sentence(error["file"], error["error"], error["line"]))
    try:
        return Directive.read_all(payload["config"], 0)
    except RecursionError:
        raise UsageError(f"{path} includes itself, or holds too many blocks inside each other") from None


@contextmanager
def _regular(path: Path) -> Iterator[Path]:
    """The file itself, or a copy of what a pipe or device holds: crossplane would wait for a FIFO without an end."""
    if path.is_file() or not path.exists():
        yield path
        return
    try:
        content = FROM_COMMAND_LINE.read(path, _LARGEST)
    except UnreadableFileError as error:
        raise UsageError(f"{path} {error}") from None
    with tempfile.NamedTemporaryFile() as copy:
        copy.write(content)
        copy.flush()
        yield Path(copy.name)


def _sentence(file: str, error: str, line: int | None) -> str:
    """crossplane's message without errno; the line of an include whose file is missing."""
    match = re.fullmatch(r"\[Errno [0-9]+\] (.*?)(?:: '(.*)')?", error)
    if match is None:
        return f"{file}: {error}"
    if match[2] in (None, file) or line is None:
        return f"{file}: {match[1].lower()}"
    return f"{file}, line {line}: {match[2]}: {match[1].lower()}; copy the whole folder of nginx.conf"
