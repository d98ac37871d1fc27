"""One measurement: load on one gate for a few seconds, and what it cost."""

import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import transfer
from benchmarks.browser import Pages, certificates_ready, open_page, visitor
from benchmarks.gate import Gate
from benchmarks.h2load import Streams, h2load
from benchmarks.peer import Messages, client
from benchmarks.processes import BenchmarkError, cpu_nanoseconds, cpu_seconds, machine_seconds, memory_kib
from benchmarks.scenarios import Scenario
from benchmarks.transfer import Transfers, curl
from benchmarks.wrk import Counters, Requests, Summary, percentile, wrk

CURL_SECONDS_EACH = 0.2
"""About what a hundred MiB take; decides how many fit into the wanted length of a measurement."""

PAGES_A_SECOND = 40
"""Visitors of a measurement for each second of its length: about what nginx takes for as many handshakes."""
BROWSERS_A_SECOND = 2
"""The same where each is a browser with a profile of its own, which takes two seconds to start."""
WINDOW_MARGIN_SECONDS = 1.5
"""Before the window, until the connections stand, and after it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one contender did in one scenario in one round. Times in microseconds."""

    cpu: float
    """CPU time of all processes of the contender for a request, user and system."""
    rate: float
    """Requests a second."""
    p50: float
    p99: float
    """From the first byte of the request to the first of the answer, as the load generator saw it; whole transfers
    of a hundred MiB, and whole round trips of messages."""
    busy: float
    """CPU seconds of the contender in a second."""
    stolen: float
    """Share of the machine's CPU time that went to processes that have nothing to do with the measurement."""
    memory: int
    """KiB (PSS) of all processes of the contender after the load."""
    start: float
    """Milliseconds that the contender took to start with this setup."""
    faults: tuple[str, ...] = ()
    """What was wrong; a sample with faults is shown, and its figures are not used."""


@dataclass(frozen=True, slots=True)
class Reading:
    """State at one end of a window."""

    at: float
    cpu: float
    machine: float
    ours: float


def read(gate: Gate) -> Reading:
    """Look at the clocks. A tick of /proc/PID/stat is 10 ms, a tenth of what a proxy takes in a short measurement, so
    its CPU time is read in nanoseconds. What ended load generators took has passed to the harness that waited for it.
    """
    times = os.times()
    ours = cpu_seconds(os.getpid()) + times.children_user + times.children_system
    return Reading(time.monotonic(), cpu_nanoseconds(gate.pid) / 1e9, machine_seconds(), ours)


def measure(gate: Gate, scenario: Scenario, seconds: float, shim: Path) -> Sample:
    """Put the scenario's load on the gate for about `seconds`, or longer where the scenario needs it."""
    seconds *= scenario.stretch
    match scenario.load:
        case Requests():
            sample = measure_requests(gate, scenario, scenario.load, seconds, shim)
        case Streams():
            sample = measure_streams(gate, scenario.load, seconds, shim)
        case Transfers():
            sample = measure_transfers(gate, scenario.load, seconds)
        case Pages():
            sample = measure_pages(gate, scenario.load, seconds)
        case Messages():
            sample = measure_messages(gate, scenario.load, seconds)
    gate.empty_log()
    return sample


def measure_requests(gate: Gate, scenario: Scenario, load: Requests, seconds: float, shim: Path) -> Sample:
    """A window of a run of wrk that begins when all connections stand."""
    place = gate.place
    with wrk(load, place.port, place.certificates, shim, place.folder) as running:
        running.settle()
        before, first, begin = running.histogram(), running.counters(), read(gate)
        time.sleep(seconds)
        end, last, after = read(gate), running.counters(), running.histogram()
        summary = running.finish()
    latencies = [b - a for a, b in zip(before, after, strict=True)]
    p50, p99 = percentile(latencies, 0.5), percentile(latencies, 0.99)
    faults = find_faults(scenario, load, summary, last)
    return sample(gate, begin, end, last.requests - first.requests, p50, p99, faults)


def measure_streams(gate: Gate, load: Streams, seconds: float, shim: Path) -> Sample:
    """A window of a run of h2load that begins when its connections stand; or a run of so many visitors as a whole."""
    place = gate.place
    amount = max(1.0, seconds * PAGES_A_SECOND) if load.page else seconds + WINDOW_MARGIN_SECONDS
    with h2load(load, amount, place.port, place.certificates, shim, place.folder) as running:
        if load.page:
            begin, since = read(gate), 0.0
            faults = running.finish()
            end, until = read(gate), float("inf")
        else:
            running.settle(gate.log_bytes)
            begin, since = read(gate), time.time()
            time.sleep(seconds)
            end, until = read(gate), time.time()
            faults = running.finish()
        answered = [one for one in running.answered() if since <= one.at < until]
    wrong = sum(one.status != 200 for one in answered)
    faults += [f"{wrong} answers were not 200"] if wrong else []
    times = sorted(one.microseconds for one in answered) or [0]
    count = int(amount) if load.page else len(answered)
    return sample(gate, begin, end, count, times[len(times) // 2], times[len(times) * 99 // 100], faults)


def measure_transfers(gate: Gate, load: Transfers, seconds: float) -> Sample:
    """As many transfers as fit into `seconds`, two at least, all of them from first byte to last."""
    place = gate.place
    count = max(2, round(seconds / CURL_SECONDS_EACH))
    body = place.upstream.folder / "100m"
    begin = read(gate)
    transfers = curl(load, count, place.port, place.certificates, body)
    end = read(gate)
    times = [t.seconds * 1e6 for t in transfers]
    faults = transfer.faults(load, count, transfers)
    return sample(gate, begin, end, len(transfers), statistics.median(times), max(times), faults)


def measure_pages(gate: Gate, load: Pages, seconds: float) -> Sample:
    """A few new visitors one after the other. What the gate does while a browser starts is not counted."""
    place, faults = gate.place, []
    count = max(2, round(seconds * BROWSERS_A_SECOND))
    begin, cpu, times = read(gate), 0, []
    with certificates_ready():
        for number in range(count + 1):
            with visitor(place.certificates) as browser:
                before, since = cpu_nanoseconds(gate.pid), time.monotonic()
                faults += open_page(browser, place.port, load)
                if number:  # the first one is for caches
                    times.append((time.monotonic() - since) * 1e6)
                    cpu += cpu_nanoseconds(gate.pid) - before
    end = read(gate)
    end = Reading(end.at, begin.cpu + cpu / 1e9, end.machine, end.ours)
    return sample(gate, begin, end, count, statistics.median(times), max(times), faults)


def measure_messages(gate: Gate, load: Messages, seconds: float) -> Sample:
    """Messages on connections that stand before the clock starts."""
    place = gate.place
    with client("messages", place.port, place.certificates, load.connections, seconds) as talking:
        begin = read(gate)
        heard = talking.go()
        end = read(gate)
    faults = [f"{heard.lost} connections were lost"] if heard.lost else []
    return sample(gate, begin, end, heard.count, heard.p50, heard.p99, faults)


def sample(gate: Gate, begin: Reading, end: Reading, count: int, p50: float, p99: float, faults: list[str]) -> Sample:
    """Put the figures together."""
    if not count:
        raise BenchmarkError("; ".join(faults) or "no request was answered")
    elapsed, cpu = end.at - begin.at, end.cpu - begin.cpu
    strangers = (end.machine - begin.machine) - (end.ours - begin.ours)
    return Sample(
        cpu=cpu / count * 1e6,
        rate=count / elapsed,
        p50=p50,
        p99=p99,
        busy=cpu / elapsed,
        stolen=max(0.0, strangers) / (elapsed * (os.cpu_count() or 1)),
        memory=memory_kib(gate.pid),
        start=gate.start_milliseconds,
        faults=tuple(faults),
    )


def find_faults(scenario: Scenario, load: Requests, summary: Summary, counters: Counters) -> list[str]:
    """Everything about a run of wrk that is not as it should be."""
    faults = summary.faults()
    wanted = summary.requests if scenario.status >= 400 else 0
    if summary.status != wanted:
        faults.append(f"{summary.status} of {summary.requests} answers had a status from 400 up, not {wanted}")
    if summary.requests and summary.bytes < summary.requests * scenario.body:
        faults.append(f"{summary.bytes} bytes for {summary.requests} answers of at least {scenario.body}")
    if counters.failed:
        faults.append(f"{counters.failed} handshakes failed")
    if load.resume:
        share = counters.resumed / max(1, counters.handshakes - load.connections)
        if share < 0.99:
            faults.append(f"only {share:.0%} of the handshakes were resumed")
    elif counters.resumed:
        faults.append(f"{counters.resumed} handshakes were resumed")
    return faults
