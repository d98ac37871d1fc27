"""Turns a record into tables on the terminal."""

import statistics
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from benchmarks.footprint import Footprint, start_text
from benchmarks.measure import Sample
from benchmarks.record import Record, Row
from benchmarks.tournament import Cell

BASELINE = "nginx"
CROWDED = 0.10
"""Share of the machine taken by strangers from which a figure is marked."""


def median(samples: list[Sample], field: str) -> float:
    """Median of one field over the rounds."""
    return float(statistics.median(getattr(s, field) for s in samples))


def spread(values: list[float]) -> str:
    """Median, and the distance to the furthest value in per cent of it."""
    middle = statistics.median(values)
    furthest = max(abs(v - middle) for v in values)
    return f"{middle:,.1f} ±{furthest / middle * 100 if middle else 0:.0f}%"


def ratios(cell: Cell, baseline: Cell | None) -> list[float]:
    """CPU cost of the one by that of the other, round by round; none where either has a problem."""
    if baseline is None or cell.problem or baseline.problem:
        return []
    pairs = zip(cell.samples, baseline.samples, strict=False)
    return [ours.cpu / theirs.cpu for ours, theirs in pairs if theirs.cpu]


def table(record: Record) -> Table:
    """A block of rows a scenario, a row a contender."""
    result = Table("scenario", "contender", title="CPU is that of the proxy alone; load and upstream are not counted")
    for heading in ("CPU µs/request", f"÷ {BASELINE}", "requests/s", "p50 µs", "p99 µs", "busy", "MiB", "start ms"):
        result.add_column(heading, justify="right")
    for row in record.rows:
        result.add_section()
        for position, (name, cell) in enumerate(row.cells.items()):
            result.add_row("" if position else row.title, name, *figures(cell, row.cells.get(BASELINE)))
    return result


def figures(cell: Cell, baseline: Cell | None) -> Iterator[str]:
    """The cells of one row; a problem takes the place of the figures."""
    if cell.problem or not cell.samples:
        yield "[red]see below"
        return
    samples = cell.samples
    crowded = " [yellow]crowded" if max(s.stolen for s in samples) > CROWDED else ""
    yield spread([s.cpu for s in samples]) + crowded
    against = ratios(cell, baseline)
    yield f"{statistics.median(against):.2f} ({min(against):.2f}–{max(against):.2f})" if against else ""
    yield f"{median(samples, 'rate'):,.0f}"
    yield f"{median(samples, 'p50'):,.0f}"
    yield f"{median(samples, 'p99'):,.0f}"
    yield f"{median(samples, 'busy'):.2f}"
    yield f"{median(samples, 'memory') / 1024:,.0f}"
    yield f"{samples[0].start:,.0f}"


def footprint_table(footprints: dict[str, Footprint]) -> Table:
    """A row a contender."""
    result = Table("contender", title="One worker, freshly started")
    for heading in ("start ms", "memory MiB", "further worker MiB", "idle connections", "KiB each", "in HTTP/2"):
        result.add_column(heading, justify="right")
    for name, found in footprints.items():
        if found.problem:
            result.add_row(name, "[red]see below")
        else:
            kib = f"{found.idle:.1f}"
            http2 = f"{found.idle_http2:.1f}" if found.idle_http2 else ""
            memory, connections = f"{found.memory / 1024:,.0f}", f"{found.connections:,}"
            worker = f"{found.worker / 1024:.1f}" if found.worker else ""
            result.add_row(name, start_text(found), memory, worker, connections, kib, http2)
    return result


def problems(record: Record) -> Iterator[str]:
    """Everything that was not measured, and why."""
    for row in record.rows:
        for name, cell in row.cells.items():
            if cell.problem:
                yield f"{row.name}, {name}: {cell.problem}"
    for name, found in record.footprints.items():
        if found.problem:
            yield f"footprint, {name}: {found.problem}"


def markdown(record: Record) -> str:
    """The ratios, with the lowest and the highest round, and the footprint, as a page for the repository."""
    machine = record.machine
    names = [name for name in record.versions if name != BASELINE]
    lines = [
        "# CPU time for a request, as a multiple of nginx",
        "",
        f"Median (lowest–highest) of {record.rounds} rounds of {record.seconds:g} s. {record.date[:10]}, commit "
        f"{record.commit}, {machine.cores} cores of {machine.processor}, Linux {machine.kernel}. "
        + ", ".join(f"{name}: {version}" for name, version in record.versions.items()),
        "",
        _line("", *names),
        _line(*["---"] * (1 + len(names))),
        *(_line(row.title, *(_ratio(row, name) for name in names)) for row in record.rows),
    ]
    if record.footprints:
        headings = ("start ms", "memory MiB", "each further worker MiB", "an idle connection KiB")
        lines += ["", _line("one worker, freshly started", *headings), _line(*["---"] * (1 + len(headings)))]
        lines += [_line(name, *_footprint(found)) for name, found in record.footprints.items()]
    told = list(problems(record))
    lines += ["", "Not measured:", "", *(f"- {one}" for one in told)] if told else []
    return "\n".join(lines) + "\n"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _ratio(row: Row, name: str) -> str:
    cell = row.cells.get(name)
    found = ratios(cell, row.cells.get(BASELINE)) if cell else []
    return f"{statistics.median(found):.2f} ({min(found):.2f}–{max(found):.2f})" if found else ""


def _footprint(found: Footprint) -> tuple[str, ...]:
    if found.problem:
        return ("",) * 4
    worker = f"{found.worker / 1024:.1f}" if found.worker else ""
    return start_text(found), f"{found.memory / 1024:.0f}", worker, f"{found.idle:.1f}"


def show(console: Console, record: Record) -> None:
    """Print the tables, and below them every problem in full."""
    machine = record.machine
    console.print(
        f"{record.date}, commit {record.commit}, {machine.cores} cores of {machine.processor}, "
        f"Linux {machine.kernel}, Python {machine.python}; {record.rounds} rounds of {record.seconds} s",
        highlight=False,
    )
    if record.rows:
        console.print(table(record))
    if record.footprints:
        console.print(footprint_table(record.footprints))
    for problem in problems(record):
        console.print(problem, style="red", markup=False, highlight=False)
