"""Turns samples into a table on the terminal."""

import statistics
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Sample
from benchmarks.scenarios import Scenario
from benchmarks.tournament import Cell

BASELINE = "nginx"
CROWDED = 0.10
"""Share of the machine taken by strangers from which a figure is marked."""


def spread(values: list[float]) -> str:
    """Median, and the distance to the furthest value in per cent of it."""
    middle = statistics.median(values)
    furthest = max(abs(v - middle) for v in values)
    return f"{middle:.1f} ±{furthest / middle * 100 if middle else 0:.0f}%"


def ratio(cell: Cell, baseline: Cell) -> float | None:
    """Median of the ratios of CPU cost within a round; None where either is missing."""
    pairs = zip(cell.samples, baseline.samples, strict=False)
    ratios = [ours.cpu / theirs.cpu for ours, theirs in pairs if theirs.cpu]
    return statistics.median(ratios) if ratios and not cell.problem and not baseline.problem else None


def table(scenarios: Iterable[Scenario], cells: dict[str, dict[str, Cell]]) -> Table:
    """A block of rows a scenario, a row a contender."""
    result = Table("scenario", "contender", title="CPU is that of the proxy alone; load and upstream are not counted")
    for heading in ("CPU µs/request", f"÷ {BASELINE}", "requests/s", "p50 µs", "p99 µs", "busy"):
        result.add_column(heading, justify="right")
    for scenario in scenarios:
        result.add_section()
        row = cells[scenario.name]
        for position, (name, cell) in enumerate(row.items()):
            title = "" if position else scenario.title
            result.add_row(title, name, *figures(cell, row.get(BASELINE)))
    return result


def figures(cell: Cell, baseline: Cell | None) -> list[str]:
    """The cells of one row; a problem takes the place of the figures."""
    if cell.problem or not cell.samples:
        return ["[red]see below", "", "", "", "", ""]
    samples = cell.samples
    against = ratio(cell, baseline) if baseline else None
    crowded = " [yellow]crowded" if max(s.stolen for s in samples) > CROWDED else ""
    return [
        spread([s.cpu for s in samples]) + crowded,
        f"{against:.2f}" if against else "",
        f"{median(samples, 'rate'):,.0f}",
        f"{median(samples, 'p50'):,.0f}",
        f"{median(samples, 'p99'):,.0f}",
        f"{median(samples, 'busy'):.2f}",
    ]


def median(samples: list[Sample], field: str) -> float:
    """Median of one field over the rounds."""
    return float(statistics.median(getattr(s, field) for s in samples))


def show(console: Console, scenarios: Iterable[Scenario], cells: dict[str, dict[str, Cell]]) -> None:
    """Print it, and below it every problem in full."""
    scenarios = list(scenarios)
    console.print(table(scenarios, cells))
    for scenario in scenarios:
        for name, cell in cells[scenario.name].items():
            if cell.problem:
                console.print(f"{scenario.name}, {name}: {cell.problem}", style="red", markup=False, highlight=False)
