"""Printing: in colour on a terminal, plain elsewhere, in any encoding."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType

# Blanks at the end of a line, with the sequences for colours (ECMA-48, 8.3.117) around them. The last sequence stays:
# it switches the colours off.
_LAST_BLANKS = re.compile(r"(?:(\x1b\[[0-9;]*m)|\s)*\Z")


def show(what: RenderableType, at_least: int = 0) -> None:
    """Print on standard output, without the blanks with which rich fills lines: whoever copies them would get them.

    Below a width of ``at_least`` nothing is wrapped or cut: a narrower terminal breaks the lines itself. The console is
    created each time, because it caches whether standard output is a terminal.
    """
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = max(console.width, at_least)
    with console.capture() as capture:
        console.print(what)
    for line in capture.get().splitlines():
        print(_LAST_BLANKS.sub(r"\1", line))


def print_json(value: object) -> None:
    """Print a value as JSON, with non-ASCII letters unescaped if standard output is in UTF-8 and all are printable."""
    every_letter = (sys.stdout.encoding or "").lower().startswith("utf")
    text = json.dumps(value, indent=2, ensure_ascii=not every_letter)
    if not text.replace("\n", "").isprintable():  # what could drive a terminal: U+009B, or letters from right to left
        text = json.dumps(value, indent=2)
    print(text)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show on a terminal that something takes a while, such as ``working("Making the key")``; do nothing elsewhere."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        yield
        return
    with console.status(f"{what} ...", spinner="line"):
        yield
