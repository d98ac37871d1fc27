"""Draws a record as SVG: what each contender costs as a multiple of nginx.

Each scenario is a line, nginx is the vertical rule at 1, every other contender a mark on a logarithmic scale. The
picture brings its own background, light or dark as the reader's system is set, so it reads well on any page.
"""

import math
import statistics
from collections.abc import Iterator
from html import escape

from benchmarks.contenders.gatekeeper import COMPILED
from benchmarks.record import Record, Row
from benchmarks.report import BASELINE, ratios

WIDTH, LEFT, RIGHT, TOP, LINE = 880, 290, 95, 92, 28
TICKS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
OURS = "gatekeeper"

MARKS = {
    COMPILED: ("#1a7f37", "#3fb950"),
    "haproxy": ("#0a7e8c", "#4cc3d0"),
    "caddy": ("#9a6700", "#e3b341"),
    "traefik": ("#8250df", "#c297ff"),
    "envoy": ("#bf3989", "#ff9bce"),
}
"""Colours on light and on dark; the shapes differ as well."""
OURS_COLOURS = ("#cf222e", "#ff7b72")

STYLE = """\
text{font:13px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;fill:#1f2328}
.title{font-size:16px;font-weight:600}.soft{fill:#59636e;font-size:12px}.end{text-anchor:end}.mid{text-anchor:middle}
.back{fill:#ffffff;stroke:#d1d9e0}.grid{stroke:#d1d9e0}.one{stroke:#1f2328;stroke-width:1.5}
"""
STYLE_DARK = """\
text{fill:#f0f6fc}.soft{fill:#9198a1}.back{fill:#0d1117;stroke:#3d444d}.grid{stroke:#3d444d}.one{stroke:#f0f6fc}
"""


def draw(record: Record) -> str:
    """The SVG text."""
    rows = [row for row in record.rows if any(ratios(cell, row.cells.get(BASELINE)) for cell in row.cells.values())]
    height = TOP + LINE * len(rows) + 58
    title = "CPU time of the whole proxy for a request, as a multiple of nginx"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'role="img" aria-label="{title}">',
        f"<title>{title}</title><style>{style()}</style>",
        f'<rect class="back" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="6"/>',
        f'<text class="title" x="20" y="30">{title}</text>',
        *legend(),
        *scale(height),
    ]
    for number, row in enumerate(rows):
        parts.extend(line(row, TOP + LINE * number + LINE // 2))
    parts.append(f'<text class="soft" x="20" y="{height - 14}">{escape(footer(record))}</text></svg>')
    return "\n".join(parts) + "\n"


def style() -> str:
    """Colours for a light page, then what differs on a dark one."""
    marks = {OURS: OURS_COLOURS, **MARKS}
    light = "".join(f".{name}{{fill:{colours[0]}}}" for name, colours in marks.items())
    dark = "".join(f".{name}{{fill:{colours[1]}}}" for name, colours in marks.items())
    return f"{STYLE}{light}@media(prefers-color-scheme:dark){{{STYLE_DARK}{dark}}}"


def across(ratio: float) -> float:
    """The x of a ratio; beyond the ends of the scale, the end."""
    low, high = math.log(TICKS[0]), math.log(TICKS[-1])
    share = (math.log(min(max(ratio, TICKS[0]), TICKS[-1])) - low) / (high - low)
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def legend() -> Iterator[str]:
    """Names of the marks, above the scale."""
    x = 27.0
    for name in (OURS, *MARKS):
        yield f'{mark(name, x, 51)}<text x="{x + 10}" y="55">{name}</text>'
        x += 105
    yield f'<line class="one" x1="{x}" x2="{x}" y1="44" y2="58"/><text x="{x + 8}" y="55">nginx</text>'


def scale(height: int) -> Iterator[str]:
    """The rules and what they mean."""
    for tick in TICKS:
        x = across(tick)
        beyond = {TICKS[0]: "≤ ", TICKS[-1]: "≥ "}.get(tick, "")
        kind = "one" if tick == 1 else "grid"
        yield f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 4}" y2="{height - 52}"/>'
        yield f'<text class="soft mid" x="{x:.1f}" y="{TOP - 10}">{beyond}{tick:g}×</text>'
    yield f'<text class="soft end" x="{WIDTH - 18}" y="{TOP - 26}">{OURS}</text>'
    yield f'<text class="soft" x="{LEFT}" y="{height - 34}">← cheaper than nginx</text>'
    yield f'<text class="soft end" x="{WIDTH - RIGHT}" y="{height - 34}">dearer →</text>'


def line(row: Row, y: int) -> Iterator[str]:
    """One scenario."""
    yield f'<text class="end" x="{LEFT - 20}" y="{y + 4}">{escape(row.title)}</text>'
    yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
    for name in (*MARKS, OURS):
        cell = row.cells.get(name)
        found = ratios(cell, row.cells.get(BASELINE)) if cell else []
        if found:
            yield mark(name, across(statistics.median(found)), y)
            if name == OURS:
                yield f'<text class="end" x="{WIDTH - 18}" y="{y + 4}">{statistics.median(found):.2f}</text>'


def mark(name: str, x: float, y: float) -> str:
    """The shape of a contender."""
    match name:
        case "compiled":
            return f'<path class="{name}" d="M{x:.1f} {y - 6.5}l6.5 6.5-6.5 6.5-6.5-6.5z"/>'
        case "haproxy":
            return f'<rect class="{name}" x="{x - 4.5:.1f}" y="{y - 4.5}" width="9" height="9"/>'
        case "caddy":
            return f'<path class="{name}" d="M{x:.1f} {y - 6}l6 11h-12z"/>'
        case "envoy":
            return f'<path class="{name}" d="M{x - 5:.1f} {y - 5}h10l-4 5 4 5h-10l4-5z"/>'
        case "traefik":
            return f'<path class="{name}" d="M{x:.1f} {y + 6}l6-11h-12z"/>'
        case _:
            return f'<circle class="{name}" cx="{x:.1f}" cy="{y}" r="6.5"/>'


def footer(record: Record) -> str:
    """Where and when."""
    machine = record.machine
    return (
        f"{record.date[:10]}, commit {record.commit}, {machine.cores} cores of {machine.processor}, "
        f"one worker where nothing else is said, medians of {record.rounds} rounds"
    )
