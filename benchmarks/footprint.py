"""What a contender takes before it works: time to start, memory, and memory for each connection that keeps still."""

import contextlib
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.contenders import Contender, Setup
from benchmarks.gate import Gate, gate
from benchmarks.peer import client
from benchmarks.processes import BenchmarkError, memory_kib
from benchmarks.tournament import Stage

IDLE_CONNECTIONS = 2000
IDLE_HTTP2_CONNECTIONS = 1000
STARTS = 3
WORKERS = 4


@dataclass(slots=True)
class Footprint:
    """One contender with one worker."""

    start_milliseconds: list[float] = field(default_factory=list)
    """From the start of the process to the first answer, several times."""
    memory: int = 0
    """KiB (PSS) of all its processes after a few requests."""
    idle: float = 0.0
    """KiB for each idle TLS connection that has made one request; buffers in the kernel are not counted."""
    idle_http2: float = 0.0
    """The same in HTTP/2; 0 where it was not measured."""
    worker: float = 0.0
    """KiB (PSS) that each further worker adds, for products whose workers are processes."""
    connections: int = IDLE_CONNECTIONS
    problem: str | None = None


def footprint(stage: Stage, contender: Contender, connections: int, say: Callable[[str], None]) -> Footprint:
    """Start it several times, each time fresh; the last one gets the connections."""
    found = Footprint(connections=connections)
    try:
        for number in range(STARTS):
            say(f"{contender.name}: start {number + 1} of {STARTS}")
            folder = stage.folder / f"start-{contender.name.partition('@')[0]}-{number}"
            with gate(contender, Setup(), folder, stage.certificates, stage.upstream) as fresh:
                found.start_milliseconds.append(fresh.start_milliseconds)
                if number + 1 == STARTS:
                    say(f"{contender.name}: {connections:,} idle connections")
                    found.memory = memory_kib(fresh.pid)
                    found.idle = idle_kib(fresh, stage, connections)
        say(f"{contender.name}: {WORKERS} workers")
        folder = stage.folder / f"workers-{contender.name.partition('@')[0]}"
        with gate(contender, Setup(workers=WORKERS), folder, stage.certificates, stage.upstream) as fresh:
            found.worker = (memory_kib(fresh.pid) - found.memory) / (WORKERS - 1)
    except BenchmarkError as error:
        found.problem = str(error)
    return found


def http2_footprint(stage: Stage, contender: Contender, connections: int, say: Callable[[str], None]) -> Footprint:
    """Idle connections alone, in both versions of HTTP, each on a fresh process."""
    found = Footprint(connections=connections)
    try:
        for kind in ("idle", "idle-http2"):
            say(f"{contender.name}: {connections:,} connections, {kind}")
            folder = stage.folder / f"{kind}-{contender.name.partition('@')[0]}"
            with gate(contender, Setup(http2=True), folder, stage.certificates, stage.upstream) as fresh:
                found.start_milliseconds.append(fresh.start_milliseconds)
                found.memory = memory_kib(fresh.pid)
                kib = idle_kib(fresh, stage, connections, kind)
                found.idle, found.idle_http2 = (kib, 0.0) if kind == "idle" else (found.idle, kib)
    except BenchmarkError as error:
        found.problem = str(error)
    return found


def idle_kib(fresh: Gate, stage: Stage, connections: int, kind: str = "idle") -> float:
    """Cache that the connections added, for each of them."""
    with contextlib.ExitStack() as stack:
        before = memory_kib(fresh.pid)
        still = stack.enter_context(client(kind, fresh.place.port, stage.certificates, connections, 0))
        after = memory_kib(fresh.pid)
        if lost := still.go().lost:
            raise BenchmarkError(f"{lost} of {connections} idle connections were closed")
    return (after - before) / connections


def start_text(found: Footprint) -> str:
    """Median start in milliseconds, for people."""
    return f"{statistics.median(found.start_milliseconds):,.0f}"
