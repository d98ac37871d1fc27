"""The code blocks of README.md and docs/, and the marks in front of them.

A mark is an HTML comment on the line before the block; readers do not see it:

``<!-- run -->``, ``<!-- run: WORDS -->``      run it with bash; it must succeed, and say WORDS
``<!-- start: WORDS -->``                      start it, and go on when it has said WORDS
``<!-- file: NAME -->``                        write it to NAME
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
_BLOCK = re.compile(r"^(?:<!-- (run|start|file)(?:: (.+?))? -->\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """``mark`` and ``words`` are empty where there is no mark; ``line`` is where the block begins."""

    mark: str
    words: str
    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(found[1] or "", found[2] or "", found[3], found[4], text.count("\n", 0, found.start()) + 1)
        for found in _BLOCK.finditer(text)
    ]
