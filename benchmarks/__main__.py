"""`python -m benchmarks`: the one command."""

import argparse
import contextlib
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks.certificates import make_certificates
from benchmarks.contenders import NAMES, Contender, contender
from benchmarks.processes import BenchmarkError, raise_file_limit
from benchmarks.report import show
from benchmarks.scenarios import SCENARIOS
from benchmarks.tournament import Stage, run_rounds
from benchmarks.upstream import upstream
from benchmarks.wrk import build_shim

NARROWEST = 132
"""Columns that the table wants; a narrower terminal wraps it."""
NEEDED = ("wrk", "nginx", "cc", "curl")


def parser() -> argparse.ArgumentParser:
    """The options."""
    names = ", ".join(s.name for s in SCENARIOS)
    made = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures gatekeeper beside other proxies.")
    made.add_argument("--only", metavar="NAMES", help=f"scenarios, comma separated: {names}")
    made.add_argument(
        "--contenders",
        metavar="NAMES",
        default=",".join(NAMES),
        help="comma separated; gatekeeper@PATH is another checkout",
    )
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--seconds", type=float, default=2.0, help="length of one measurement")
    made.add_argument("--quick", action="store_true", help="one round of one second each")
    return made


def find(names: str, console: Console) -> list[Contender]:
    """The contenders that are there; the others are named."""
    found = []
    for name in names.split(","):
        try:
            one = contender(name)
        except KeyError:
            raise BenchmarkError(f"no contender is called {name}; there are {', '.join(NAMES)}") from None
        version = one.version()
        console.print(f"{name}: {version or 'not here, left out'}", highlight=False)
        if version:
            found.append(one)
    return found


def run(options: argparse.Namespace, console: Console) -> None:
    """Measure and print."""
    if missing := [tool for tool in NEEDED if shutil.which(tool) is None]:
        raise BenchmarkError(f"not installed: {', '.join(missing)}")
    raise_file_limit()
    wanted = options.only.split(",") if options.only else [s.name for s in SCENARIOS]
    if unknown := set(wanted) - {s.name for s in SCENARIOS}:
        raise BenchmarkError(f"no such scenario: {', '.join(sorted(unknown))}")
    scenarios = [s for s in SCENARIOS if s.name in wanted]
    rounds, seconds = (1, 1.0) if options.quick else (options.rounds, options.seconds)
    contenders = find(options.contenders, console)
    with contextlib.ExitStack() as stack:
        memory = Path("/dev/shm")
        base = memory if memory.is_dir() else None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gatekeeper-bench-", dir=base)))
        behind = stack.enter_context(upstream(folder / "upstream"))
        stage = Stage(folder, make_certificates(folder), behind, build_shim(folder), stack)
        contenders = stage.ready(contenders, lambda words: console.print(words, style="red", markup=False))
        with console.status("") as status:
            cells = run_rounds(stage, scenarios, contenders, rounds, seconds, status.update)
    show(console, scenarios, cells)


def main() -> int:
    """Exit code: 0 fine, 1 failed, 2 wrong usage."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    console = Console()
    if console.width < NARROWEST:
        console = Console(width=NARROWEST)
    try:
        run(parser().parse_args(), console)
    except BenchmarkError as error:
        console.print(f"[red]{error}")
        return 1
    except KeyboardInterrupt:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
