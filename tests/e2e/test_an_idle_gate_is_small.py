"""An idle gate has loaded what requests need, and nothing else."""

import re
from pathlib import Path

import pytest

from tests.app import App
from tests.gate_process import Gate
from tests.visitors import Visitors

# On CPython 3.11, one worker and its supervisor take 42 MiB together and each further worker 7.6: less where other
# processes have the same libraries. Builds of Python differ.
MOST_KIB = 52 * 1024
MOST_KIB_EACH = 11 * 1024
WITHOUT = re.compile(r"pydantic_core|markupsafe|aiohttp|_rust\.abi3")
"""Libraries with compiled parts, which proc(5) shows: validation, templates, aiohttp, cryptography."""
pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs /proc")


def proportional_kib(gate: Gate) -> int:
    """The proportional set size of all its processes: shared pages count once (proc(5), /proc/PID/smaps_rollup)."""
    rollups = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in (gate.process.pid, *gate.workers()))
    return sum(int(re.findall(r"^Pss: +(\d+) kB$", text, re.MULTILINE)[0]) for text in rollups)


def test_it_loads_no_library_that_an_idle_gate_does_without(folder: Path, visitors: Visitors) -> None:
    """Neither supervisor nor worker, before a refusal shows a page; an admitted visitor needs none of them."""
    with App() as behind, Gate(folder, behind.url) as gate:
        assert gate.request(visitors.context("alice"))[0] == 200
        for pid in (gate.process.pid, *gate.workers()):
            maps = Path(f"/proc/{pid}/maps").read_text()
            assert "_ssl" in maps
            assert WITHOUT.findall(maps) == []


def test_its_processes_share_their_memory(folder: Path) -> None:
    """One worker, and three."""
    with App() as behind:
        with Gate(folder, behind.url) as gate:
            one = proportional_kib(gate)
        with Gate(folder, behind.url, server="workers = 3") as gate:
            three = proportional_kib(gate)
    print(f"{one / 1024:.1f} MiB with one worker, {(three - one) / 2048:.1f} for each further one")
    assert one < MOST_KIB
    assert (three - one) / 2 < MOST_KIB_EACH
