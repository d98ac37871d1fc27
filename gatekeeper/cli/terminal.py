"""Where the commands print: in colour on a terminal, plain elsewhere, and in any encoding."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType


def show(what: RenderableType, at_least: int = 0) -> None:
    """Print on standard output, without the blanks that rich puts at the end of lines where nobody sees a colour.

    ``at_least`` is the width below which nothing is wrapped or cut: a narrower terminal breaks the lines itself. The
    console is made anew each time, because it remembers whether standard output is a terminal.
    """
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = max(console.width, at_least)
    if console.is_terminal:
        console.print(what)
        return
    with console.capture() as capture:
        console.print(what)
    for line in capture.get().splitlines():
        print(line.rstrip())


def print_json(value: object) -> None:
    """Print a value as JSON; letters as they are where standard output can carry each of them."""
    every_letter = (sys.stdout.encoding or "").lower().startswith("utf")
    text = json.dumps(value, indent=2, ensure_ascii=not every_letter)
    if not text.replace("\n", "").isprintable():  # what could drive a terminal: U+009B, or letters from right to left
        text = json.dumps(value, indent=2)
    print(text)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Say on a terminal what takes a while, until it is done: ``working("Making the key")``. Nothing elsewhere."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        yield
        return
    with console.status(f"{what} ...", spinner="line"):
        yield
