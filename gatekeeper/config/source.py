"""The text of a configuration file, and on which line each key stands.

``tomllib`` gives no line numbers. So the text, once it is known to be valid TOML, is cut into statements, and the real
parser tells the key of each.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from gatekeeper.errors import Mistake

KeyPath = tuple[str | int, ...]
"""The way to a value: names of keys, and indexes in lists."""

# The end of a statement depends on strings, comments and brackets alone; the text is valid TOML already. A multi-line
# string may end in up to two quotes of its own (TOML 1.0, "String"). No group is possessive: up to CPython 3.11.4
# (Debian 12), possessive groups with alternatives match wrongly (cpython issue 106052).
_TOKEN = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|[\[\]{}\n]",
    re.DOTALL,
)
_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def dotted(path: KeyPath) -> str:
    """``("routes", 1, "path")`` as ``routes[1].path``; names that TOML would quote are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += "." * bool(text) + (part if _BARE.fullmatch(part) else f'"{_printable(part)}"')
    return text


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:60])


class Source:
    """A configuration file as read: its path and its text, which must be valid TOML."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text
        self._text = text.replace("\r\n", "\n")

    def mistake(self, key: str, message: str) -> Mistake:
        """A mistake at a dotted key, with its line; if the key is not written, with the line of the table that it
        belongs to.
        """
        written = key
        while written and written not in self._lines:
            written = written[: max(written.rfind("."), written.rfind("["), 0)]
        return Mistake(key, message, self._lines.get(written))

    @cached_property
    def _lines(self) -> dict[str, int]:
        import tomllib  # only where there are mistakes

        lines: dict[str, int] = {}
        newest: dict[KeyPath, int] = {}
        table: KeyPath = ()
        for line, statement in _statements(self._text):
            content = tomllib.loads(statement)
            if statement.lstrip().startswith("["):
                table = _header(content, newest)
                content = {}
            for path in (table[:length] for length in range(1, len(table) + 1)):
                lines.setdefault(dotted(path), line)
            for path in _paths(content, table):
                lines.setdefault(dotted(path), line)
        return lines


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each statement with the number of its first line; comments and blank lines are left out."""
    line, start, depth = 1, 0, 0
    text += "\n"
    for token in _TOKEN.finditer(text):
        mark = token[0]
        depth += (mark in "[{") - (mark in "]}")
        if mark == "\n" and depth == 0:
            statement = text[start : token.end()]
            if statement.strip() and not statement.lstrip().startswith("#"):
                yield line, statement
            line += statement.count("\n")
            start = token.end()


def _header(content: object, newest: dict[KeyPath, int]) -> KeyPath:
    """The path of ``[a.b]`` or ``[[a.b]]``; in a list of tables it refers to the newest one."""
    path: KeyPath = ()
    while isinstance(content, dict) and content:
        ((name, content),) = content.items()
        path += (name,)
        if isinstance(content, list):
            newest[path] = newest.get(path, -1) + 1
        if path in newest:
            path += (newest[path],)
    return path


def _paths(content: object, above: KeyPath) -> Iterator[KeyPath]:
    """Every path in a parsed value, the tables and lists on the way included."""
    steps = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for step, below in steps:
        yield (*above, step)
        yield from _paths(below, (*above, step))
