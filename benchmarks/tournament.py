"""Runs scenarios on contenders in turn, round by round, so that a slow minute of the machine meets them all."""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.certificates import Certificates
from benchmarks.contenders import Contender, Setup
from benchmarks.gate import Gate, gate
from benchmarks.measure import Sample, measure
from benchmarks.processes import BenchmarkError
from benchmarks.revocation import make_revocation_list
from benchmarks.scenarios import Scenario
from benchmarks.upstream import Upstream


@dataclass(slots=True)
class Stage:
    """What all measurements share, and the gates that run by now."""

    folder: Path
    certificates: Certificates
    upstream: Upstream
    shim: Path
    stack: contextlib.ExitStack
    gates: dict[tuple[str, Setup], Gate | BenchmarkError] = field(default_factory=dict)

    def gate(self, contender: Contender, setup: Setup) -> Gate:
        """The running gate, started when first asked for; an error is cached and raised again."""
        key = contender.name, setup
        if key not in self.gates:
            folder = self.folder / f"{len(self.gates)}-{contender.name.partition('@')[0]}"
            made = gate(contender, setup, folder, self.certificates, self.upstream, self.crl(setup.crl))
            try:
                self.gates[key] = self.stack.enter_context(made)
            except BenchmarkError as error:
                self.gates[key] = error
        found = self.gates[key]
        if isinstance(found, BenchmarkError):
            raise found
        return found

    def crl(self, entries: int | None) -> Path | None:
        """The revocation list of that length, made when first asked for."""
        if entries is None:
            return None
        folder = self.folder / f"crl-{entries}"
        made = folder / "crl.pem"
        return made if made.exists() else make_revocation_list(entries, self.certificates, folder)

    def ready(self, contenders: Iterable[Contender], say: Callable[[str], None]) -> list[Contender]:
        """Start each contender once; those that do not do the job are named and left out."""
        fit = []
        for contender in contenders:
            try:
                self.gate(contender, Setup())
                fit.append(contender)
            except BenchmarkError as error:
                say(f"{contender.name} is left out: {error}")
        return fit


@dataclass(slots=True)
class Cell:
    """All samples of one contender in one scenario, or why there are none."""

    samples: list[Sample] = field(default_factory=list)
    problem: str | None = None


def run_rounds(
    stage: Stage,
    scenarios: Iterable[Scenario],
    contenders: Iterable[Contender],
    rounds: int,
    seconds: float,
    say: Callable[[str], None],
) -> dict[str, dict[str, Cell]]:
    """Scenario name to contender name to cell."""
    scenarios, contenders = list(scenarios), list(contenders)
    cells = {s.name: {c.name: Cell() for c in contenders if s.everyone or c.everywhere} for s in scenarios}
    for number in range(rounds):
        for scenario in scenarios:
            for contender in contenders:
                cell = cells[scenario.name].get(contender.name)
                if cell is not None and cell.problem is None:
                    say(f"round {number + 1} of {rounds}: {scenario.title}: {contender.name}")
                    play(stage, scenario, contender, seconds, cell)
    return cells


def play(stage: Stage, scenario: Scenario, contender: Contender, seconds: float, cell: Cell) -> None:
    """One measurement into its cell. After an error the contender is left out of the scenario."""
    cell.problem = falls_short(contender, scenario)
    if cell.problem:
        return
    try:
        sample = measure(stage.gate(contender, scenario.setup), scenario, seconds, stage.shim)
    except BenchmarkError as error:
        cell.problem = str(error)
        return
    cell.samples.append(sample)
    cell.problem = "; ".join(sample.faults) or None


def falls_short(contender: Contender, scenario: Scenario) -> str | None:
    """Why the contender cannot take part in the scenario, or None."""
    if scenario.status == 403 and not contender.refuses:
        return "cannot answer 403 to a client without a certificate"
    return contender.falls_short(scenario.setup)
