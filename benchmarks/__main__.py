"""`python -m benchmarks`: the one command."""

import argparse
import contextlib
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from benchmarks import browser
from benchmarks.certificates import make_certificates
from benchmarks.chart import draw
from benchmarks.contenders import NAMES, Contender, contender
from benchmarks.footprint import IDLE_CONNECTIONS, IDLE_HTTP2_CONNECTIONS, footprint, http2_footprint
from benchmarks.h2load import Streams
from benchmarks.processes import BenchmarkError, raise_file_limit
from benchmarks.record import Record, Row, load, new_record, save
from benchmarks.report import markdown, show
from benchmarks.scenarios import FURTHER, GROWTH, HTTP2_SCENARIOS, SCENARIOS, Scenario
from benchmarks.tournament import Stage, run_rounds
from benchmarks.upstream import REPOSITORY, upstream
from benchmarks.wrk import build_shim

RESULTS = REPOSITORY / "benchmarks" / "results"
NARROWEST = 140
"""Columns that the table wants; a narrower terminal wraps it."""
NEEDED = ("wrk", "nginx", "cc", "curl", "openssl")
NEEDED_FOR_HTTP2 = ("h2load", "nghttpd")
EVERY = tuple({one.name: one for one in (*SCENARIOS, *FURTHER, *GROWTH, *HTTP2_SCENARIOS)}.values())
FOOTPRINT = "footprint"


def parser() -> argparse.ArgumentParser:
    """The options."""
    names = ", ".join(s.name for s in EVERY)
    made = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures gatekeeper beside other proxies.")
    made.add_argument("--only", metavar="NAMES", help=f"comma separated: {names}, {FOOTPRINT}")
    made.add_argument(
        "--contenders",
        metavar="NAMES",
        default=",".join(NAMES),
        help="comma separated; gatekeeper@PATH is another checkout of it",
    )
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--seconds", type=float, default=1.0, help="length of one measurement")
    made.add_argument("--quick", action="store_true", help="one round of half a second each, few idle connections")
    made.add_argument("--growth", action="store_true", help="measure how cost grows with connections, routes, ...")
    made.add_argument("--http2", action="store_true", help="measure visitors in HTTP/2 and gRPC, by h2load")
    made.add_argument(
        "--save",
        metavar="NAME",
        help="keep the result as benchmarks/results/NAME.json and .svg; a run of everything is kept anyway",
    )
    made.add_argument("--show", metavar="FILE", type=Path, help="measure nothing, print a stored result")
    return made


def find(names: str, console: Console) -> dict[str, tuple[Contender, str]]:
    """The contenders that are there, with their versions; the others are named."""
    found = {}
    for name in names.split(","):
        try:
            one = contender(name)
        except KeyError:
            raise BenchmarkError(f"no contender is called {name}; there are {', '.join(NAMES)}") from None
        version = one.version()
        console.print(f"{name}: {version or 'not here, left out'}", highlight=False)
        if version:
            found[name] = one, version
    return found


def chosen(options: argparse.Namespace) -> tuple[list[Scenario], bool]:
    """The scenarios to play, and whether to measure the footprint."""
    if options.only is None and options.http2:
        return list(HTTP2_SCENARIOS), False
    if options.only is None:
        return list(GROWTH if options.growth else SCENARIOS), not options.growth
    wanted = options.only.split(",")
    if unknown := set(wanted) - {s.name for s in EVERY} - {FOOTPRINT}:
        raise BenchmarkError(f"no such scenario: {', '.join(sorted(unknown))}")
    return [s for s in EVERY if s.name in wanted], FOOTPRINT in wanted


@contextlib.contextmanager
def stage_of_run() -> Iterator[Stage]:
    """Everything that all measurements share, in a folder in memory where there is one."""
    memory = Path("/dev/shm")
    with contextlib.ExitStack() as stack:
        base = memory if memory.is_dir() else None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gatekeeper-bench-", dir=base)))
        behind = stack.enter_context(upstream(folder / "upstream"))
        yield Stage(folder, make_certificates(folder), behind, build_shim(folder), stack)


def run(options: argparse.Namespace, console: Console) -> Record:
    """Measure."""
    if missing := [tool for tool in NEEDED if shutil.which(tool) is None]:
        raise BenchmarkError(f"not installed: {', '.join(missing)}")
    raise_file_limit()
    scenarios, feet = chosen(options)
    if any(isinstance(s.load, Streams) for s in scenarios) and (
        missing := [tool for tool in NEEDED_FOR_HTTP2 if shutil.which(tool) is None]
    ):
        raise BenchmarkError(f"not installed: {', '.join(missing)}")
    if any(isinstance(s.load, browser.Pages) for s in scenarios) and (
        missing := [tool for tool in browser.NEEDED if shutil.which(tool) is None]
    ):
        raise BenchmarkError(f"not installed: {', '.join(missing)}")
    rounds, seconds = (1, 0.5) if options.quick else (options.rounds, options.seconds)
    found = find(options.contenders, console)
    record = new_record(rounds, seconds, {name: version for name, (_, version) in found.items()})
    with stage_of_run() as stage, console.status("") as status:
        contenders = stage.ready([c for c, _ in found.values()], lambda words: console.print(words, markup=False))
        if feet:
            connections = 500 if options.quick else IDLE_CONNECTIONS
            record.footprints = {c.name: footprint(stage, c, connections, status.update) for c in contenders}
        if options.http2 and options.only is None:
            connections = 500 if options.quick else IDLE_HTTP2_CONNECTIONS
            record.footprints = {c.name: http2_footprint(stage, c, connections, status.update) for c in contenders}
        cells = run_rounds(stage, scenarios, contenders, rounds, seconds, status.update)
        record.rows = [Row(s.name, s.title, cells[s.name]) for s in scenarios]
    return record


def name_of_result(options: argparse.Namespace) -> str | None:
    """Under which name to keep the result: the one given, a fixed one for a run of everything, none for a part."""
    whole = options.only is None and options.contenders == ",".join(NAMES) and not options.quick and not options.show
    name: str | None = options.save
    kind = "growth" if options.growth else "http2" if options.http2 else "latest"
    return name or (kind if whole else None)


def main() -> int:
    """Exit code: 0 fine, 1 failed, 2 wrong usage."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    console = Console()
    if console.width < NARROWEST:
        console = Console(width=NARROWEST)
    options = parser().parse_args()
    try:
        record = load(options.show) if options.show else run(options, console)
    except BenchmarkError as error:
        console.print(str(error), style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        return 1
    show(console, record)
    if name := name_of_result(options):
        save(record, RESULTS / f"{name}.json")
        (RESULTS / f"{name}.svg").write_text(draw(record))
        (RESULTS / f"{name}.md").write_text(markdown(record))
        console.print(f"kept as {RESULTS / name}.json, .svg and .md", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
