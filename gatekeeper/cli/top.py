"""``gatekeeper top``: ``/status``, live in the terminal."""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gatekeeper.admin.wording import brief, pluralized
from gatekeeper.cli.admin import admin_address, read_status
from gatekeeper.cli.configuration import add_config_option, load_configuration
from gatekeeper.cli.parser import Commands
from gatekeeper.cli.terminal import show

_SECONDS = 2.0
_KINDS = {"server": "server", "client_ca": "client CA"}
# Fewer days to the end of a certificate are shown in red.
_SOON_DAYS = 14


def add_command(commands: Commands) -> None:
    """Add ``top`` to the command line."""
    parser = commands.add_parser(
        "top",
        help="show what the running gate is doing, live in the terminal",
        description="Ask /status of the admin listener every two seconds and show it: apps, certificates, refusals, "
        "workers, and requests a second. Where standard output is not a terminal, show it once.",
        epilog="example: gatekeeper top -c gatekeeper.toml",
    )
    add_config_option(parser)
    parser.add_argument("--once", action="store_true", help="show it once and exit")
    parser.set_defaults(run=_top)


def _top(options: argparse.Namespace) -> int:
    where = admin_address(load_configuration(options, "top"))
    if options.once or not sys.stdout.isatty():
        show(view(read_status(where), None))
        return 0
    console = Console()
    before, asked = read_status(where), time.monotonic()
    with Live(fitted(console, before, None), console=console, auto_refresh=False, screen=True) as live:
        while True:
            time.sleep(_SECONDS)
            now, seconds = read_status(where), time.monotonic() - asked
            live.update(fitted(console, now, (now["requests"] - before["requests"]) / seconds), refresh=True)
            before, asked = now, time.monotonic()


def fitted(console: Console, status: dict[str, Any], rate: float | None) -> RenderableType:
    """The whole view, without its blank lines if the terminal has no room for them."""
    roomy = view(status, rate)
    return roomy if len(console.render_lines(roomy)) <= console.height else view(status, rate, spaced=False)


def view(status: dict[str, Any], rate: float | None, *, spaced: bool = True) -> RenderableType:
    """The whole view; ``rate`` is requests per second, None for the first reading. Most urgent comes first, because a
    small terminal shows only the beginning.

    Names in certificates are shown as text, never as markup.
    """
    tables = [part for table in _tables(status) for part in (("", table) if spaced else (table,))]
    return Group(*_head(status, rate), *tables)


def _head(status: dict[str, Any], rate: float | None) -> Iterator[RenderableType]:
    state = Text("ready", "green") if status["ready"] else Text("not ready", "bold red")
    numbers = f"{pluralized(status['connections'], 'open connection')}, {pluralized(status['requests'], 'request')}"
    if rate is not None:
        numbers += f", {max(rate, 0.0):.1f}/s"
    yield Text.assemble(f"gatekeeper {status['version']}, process {status['supervisor']}: ", state, f"; {numbers}")
    for warning in status["warnings"]:
        yield Text(f"! {warning}", "yellow")
    checks = {name: check for name, check in status["checks"].items() if not check["ok"]}
    for name, check in checks.items():
        yield Text(f"! {name}: {check['detail']}", "bold red" if check["decides"] else "yellow")


def _tables(status: dict[str, Any]) -> Iterator[Table]:
    apps = ((app["name"], _up(app["up"]), *_latency(app), ", ".join(app["places"])) for app in status["upstreams"])
    yield _table(("app", "state", "median<", "95 %<", "endpoints"), apps)
    yield _table(
        ("certificate", "days left<", "subject or issuer"),
        [
            *((_KINDS[one["kind"]], _days(one["days_left"]), one["subject"]) for one in status["certificates"]),
            *((f"CRL, {one['revoked']} revoked", _days(one["days_left"]), one["issuer"]) for one in status["crls"]),
        ],
    )
    refusals = [(reason, str(count)) for reason, count in status["refusals"].items() if count]
    if refusals:
        yield _table(("refused", "times<"), refusals)
    workers = ((str(one["pid"]), one["state"], str(one["connections"])) for one in status["workers"])
    yield _table(("worker", "state", "connections<"), workers)


def _up(up: object) -> Text:
    return Text("up", "green") if up else Text("down", "bold red")


def _latency(app: dict[str, Any]) -> tuple[str, str]:
    """How long the responses of the last minutes took to begin. A gate that is older than this command does not say."""
    latency = app.get("latency")
    return (brief(latency["median"]), brief(latency["p95"])) if latency else ("–", "–")


def _days(days: int) -> Text:
    return Text(str(days), "bold red" if days < _SOON_DAYS else "")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Table:
    """A table with these column heads; a ``<`` behind one marks a column of numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in heads:
        justify: JustifyMethod = "right" if head.endswith("<") else "left"
        table.add_column(head.removesuffix("<"), header_style="bold", overflow="fold", justify=justify)
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return table
