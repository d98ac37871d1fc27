"""One measurement: load on one gate for a few seconds, and what it cost."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.gate import Gate
from benchmarks.load import Counters, Summary, percentile, wrk
from benchmarks.processes import PROC, TICKS_PER_SECOND, BenchmarkError, cpu_seconds
from benchmarks.scenarios import Scenario


@dataclass(frozen=True, slots=True)
class Sample:
    """What one contender did in one scenario in one round. Times in microseconds."""

    cpu: float
    """CPU time of all processes of the contender for a request, user and system."""
    rate: float
    """Requests a second."""
    p50: float
    p99: float
    """From the first byte of the request to the first of the answer, as the load generator saw it."""
    busy: float
    """CPU seconds of the contender in a second."""
    stolen: float
    """Share of the machine's CPU time that went to processes that have nothing to do with the measurement."""
    faults: tuple[str, ...] = field(default=())
    """What was wrong; a sample with faults is shown, and its figures are not used."""


@dataclass(frozen=True, slots=True)
class Reading:
    """State at one end of the window."""

    counters: Counters
    cpu: float
    machine: float
    ours: float


def machine_seconds() -> float:
    """CPU time that the machine spent on anything but idling (proc(5), /proc/stat: idle and iowait left out)."""
    user, nice, system, _idle, _iowait, irq, softirq = (PROC / "stat").read_text().split("\n", 1)[0].split()[1:8]
    return sum(map(int, (user, nice, system, irq, softirq))) / TICKS_PER_SECOND


def measure(gate: Gate, scenario: Scenario, seconds: float, shim: Path) -> Sample:
    """Put the scenario's load on the gate, and look at a window of `seconds` after all connections stand."""
    place = gate.place
    with wrk(scenario.load, place.port, place.certificates, shim, place.folder) as load:

        def read() -> Reading:
            return Reading(load.counters(), cpu_seconds(gate.pid), machine_seconds(), cpu_seconds(os.getpid()))

        load.settle()
        before, first = load.histogram(), read()
        time.sleep(seconds)
        last, after = read(), load.histogram()
        end = load.counters()
        summary = load.finish()
    gate.empty_log()
    requests = last.counters.requests - first.counters.requests
    if not requests:
        raise BenchmarkError("no request was answered")
    elapsed = last.counters.at - first.counters.at
    latencies = [b - a for a, b in zip(before, after, strict=True)]
    machine = last.machine - first.machine
    return Sample(
        cpu=(last.cpu - first.cpu) / requests * 1e6,
        rate=requests / elapsed,
        p50=percentile(latencies, 0.5),
        p99=percentile(latencies, 0.99),
        busy=(last.cpu - first.cpu) / elapsed,
        stolen=max(0.0, machine - (last.ours - first.ours)) / (elapsed * (os.cpu_count() or 1)),
        faults=tuple(find_faults(scenario, summary, end)),
    )


def find_faults(scenario: Scenario, summary: Summary, counters: Counters) -> list[str]:
    """Everything about a run that is not as it should be."""
    faults = summary.faults()
    wanted = summary.requests if scenario.status >= 400 else 0
    if summary.status != wanted:
        faults.append(f"{summary.status} of {summary.requests} answers had a status from 400 up, not {wanted}")
    if summary.requests and summary.bytes < summary.requests * scenario.body:
        faults.append(f"{summary.bytes} bytes for {summary.requests} answers of at least {scenario.body}")
    if counters.failed:
        faults.append(f"{counters.failed} handshakes failed")
    if scenario.load.resume:
        share = counters.resumed / max(1, counters.handshakes - scenario.load.connections)
        if share < 0.99:
            faults.append(f"only {share:.0%} of the handshakes were resumed")
    elif counters.resumed:
        faults.append(f"{counters.resumed} handshakes were resumed")
    return faults
