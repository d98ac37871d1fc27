"""What is read from /proc, and that what is started is ended."""

import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks.processes import (
    BenchmarkError,
    Command,
    cpu_nanoseconds,
    cpu_seconds,
    cpu_ticks,
    is_alive,
    process_tree,
    running,
    smaps_value,
    wait_until,
)
from tests.gate_process import PATIENCE

PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"


def test_cpu_time_is_user_plus_system() -> None:
    """Fields 14 and 15 of proc(5)."""
    stat = "1234 (nginx) S 1 1234 1234 0 -1 4194560 500 0 0 0 321 123 7 8 20 0 1 0 100 1000 200"
    assert cpu_ticks(stat) == 321 + 123


def test_a_name_with_parentheses_and_blanks_does_not_shift_the_fields() -> None:
    """A process chooses its name; nginx calls itself `nginx: worker process`."""
    stat = "1234 (a) S 9 9 (b)) R 1 1234 1234 0 -1 4194560 500 0 0 0 5 6 7 8 20 0 1 0 100 1000 200"
    assert cpu_ticks(stat) == 11


def test_own_cpu_time_is_what_the_system_says() -> None:
    """To a few clock ticks."""
    times = os.times()
    assert cpu_seconds(os.getpid()) >= times.user + times.system - 0.05


def test_own_cpu_time_by_schedstat_is_what_the_system_says() -> None:
    """To a few clock ticks as well. What is compared is the time of a loop: threads that have ended are in the system's
    sum and not here.
    """
    begin, counted = time.process_time(), cpu_nanoseconds(os.getpid())
    while time.process_time() < begin + 0.2:
        pass
    assert (cpu_nanoseconds(os.getpid()) - counted) / 1e9 >= 0.15


def test_memory_is_the_named_line() -> None:
    """`Pss` is not `Pss_Anon`."""
    rollup = "00400000-7fff [rollup]\nRss:  9000 kB\nPss:  1234 kB\nPss_Anon:  77 kB\n"
    assert smaps_value(rollup, "Pss") == 1234


def test_a_missing_line_is_an_error() -> None:
    """Never a silent zero."""
    with pytest.raises(BenchmarkError, match="Pss"):
        smaps_value("Rss: 1 kB\n", "Pss")


def test_the_whole_tree_ends_with_the_block(tmp_path: Path) -> None:
    """A worker must not outlive its master, also when the measurement fails."""
    command = Command((sys.executable, "-c", PARENT), tmp_path / "output", {})
    tree: list[int] = []

    def fail_while_running() -> None:
        with running(command) as pid:
            wait_until(lambda: len(process_tree(pid)) == 2, pid, command.output)
            tree.extend(process_tree(pid))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_while_running()
    assert len(tree) == 2
    wait_until(lambda: not any(is_alive(member) for member in tree), os.getpid(), command.output, PATIENCE)
    assert not any(is_alive(member) for member in tree)


def test_a_process_that_dies_at_its_start_is_reported_with_its_words(tmp_path: Path) -> None:
    """The reason is in what it printed."""
    command = Command((sys.executable, "-c", "raise SystemExit('no such key')"), tmp_path / "output", {})
    with running(command) as pid, pytest.raises(BenchmarkError, match="no such key"):
        wait_until(lambda: False, pid, command.output)
