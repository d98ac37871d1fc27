"""What a whole run found, and how it is kept: one JSON file."""

import datetime
import os
import platform
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from benchmarks.contenders.gatekeeper import commit
from benchmarks.contenders.interpreter import interpreter, version_of
from benchmarks.footprint import Footprint
from benchmarks.processes import PROC
from benchmarks.tournament import Cell
from benchmarks.upstream import REPOSITORY


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it ran."""

    processor: str
    cores: int
    memory_mib: int
    kernel: str
    python: str
    """Which gatekeeper ran on."""
    openssl: str


@dataclass(slots=True)
class Row:
    """One scenario: contender name to cell."""

    name: str
    title: str
    cells: dict[str, Cell]


@dataclass(slots=True)
class Record:
    """One run."""

    date: str
    """UTC, ISO 8601."""
    commit: str
    """Of the repository; with `+` when files differed from it."""
    machine: Machine
    rounds: int
    seconds: float
    versions: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    footprints: dict[str, Footprint] = field(default_factory=dict)


ADAPTER = TypeAdapter(Record)


def machine() -> Machine:
    """This machine."""
    models = [line for line in (PROC / "cpuinfo").read_text().splitlines() if line.startswith("model name")]
    memory = int((PROC / "meminfo").read_text().split()[1]) // 1024
    return Machine(
        processor=models[0].partition(":")[2].strip() if models else platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_mib=memory,
        kernel=platform.release(),
        python=".".join(map(str, version_of(interpreter()))),
        openssl=ssl.OPENSSL_VERSION,
    )


def new_record(rounds: int, seconds: float, versions: dict[str, str]) -> Record:
    """A record without findings."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return Record(now, commit(REPOSITORY), machine(), rounds, seconds, versions)


def save(record: Record, path: Path) -> None:
    """Write it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(ADAPTER.dump_json(record, indent=1) + b"\n")


def load(path: Path) -> Record:
    """Read it back; `pydantic.ValidationError` for a file that is none."""
    return ADAPTER.validate_json(path.read_bytes())
