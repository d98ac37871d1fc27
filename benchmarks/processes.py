"""Starts and ends processes, and reads from /proc what they cost. Linux only.

Nothing is ever ended by name: a process started here is ended by its pid, together with its descendants.
"""

import contextlib
import os
import random
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
STOP_SECONDS = 3.0
START_SECONDS = 60.0
"""A revocation list of a million entries takes its time."""
PROC = Path("/proc")


WANTED_FILES = 65536
"""Open files for a process: ten thousand connections need two each in a proxy."""


def raise_file_limit() -> int:
    """Let this process and what it starts open many files, as far as allowed; the limit it got."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (WANTED_FILES, max(hard, WANTED_FILES)))
        return WANTED_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class BenchmarkError(Exception):
    """A measurement that could not be made, with the reason in its words."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to run: arguments, additional environment, and the file that takes stdout and stderr.

    It runs in the folder of that file.
    """

    argv: tuple[str, ...]
    output: Path
    env: Mapping[str, str]


@contextlib.contextmanager
def running(command: Command) -> Iterator[int]:
    """Run `command` for the length of the `with` block and yield its pid. Ends it and its descendants afterwards."""
    with command.output.open("ab") as output:
        process = subprocess.Popen(
            command.argv,
            cwd=command.output.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **command.env},
        )
    try:
        yield process.pid
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM to the process, then SIGKILL to whatever of its tree is left after a few seconds."""
    tree = process_tree(process.pid)
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    process.kill()
    process.wait()
    for pid in tree[1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def process_tree(pid: int) -> list[int]:
    """`pid` and all its living descendants (proc(5), /proc/PID/task/TID/children)."""
    found = [pid]
    for parent in found:
        for children in PROC.glob(f"{parent}/task/*/children"):
            with contextlib.suppress(OSError):
                found.extend(int(child) for child in children.read_text().split())
    return found


def cpu_ticks(stat: str) -> int:
    """User plus system time in clock ticks from the text of /proc/PID/stat.

    The second field is the name in parentheses and may hold anything, blanks and parentheses too, so counting starts
    after the last parenthesis: utime and stime are then the 12th and 13th fields (proc(5): 14 and 15).
    """
    fields = stat.rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and its living descendants, to a hundredth of a second.

    The children that have ended are not counted: no contender forks per request.
    """
    ticks = 0
    for member in process_tree(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            ticks += cpu_ticks((PROC / str(member) / "stat").read_text())
    return ticks / TICKS_PER_SECOND


def cpu_nanoseconds(pid: int) -> int:
    """The same to the nanosecond (/proc/PID/task/TID/schedstat), for what takes less than a hundredth. Without threads
    that have ended.
    """
    total = 0
    for member in process_tree(pid):
        for file in PROC.glob(f"{member}/task/*/schedstat"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                total += int(file.read_text().split()[0])
    return total


def machine_seconds() -> float:
    """CPU time that the whole machine spent so far on anything but idling.

    Of the first line of /proc/stat (proc(5)) idle and iowait are left out. Steal, the time that a hypervisor gave to
    others, is in: it makes a measurement as doubtful as a neighbour on the same system.
    """
    user, nice, system, _idle, _iowait, irq, softirq, steal = (PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]
    return sum(map(int, (user, nice, system, irq, softirq, steal))) / TICKS_PER_SECOND


def smaps_value(rollup: str, field: str) -> int:
    """One value in KiB from the text of /proc/PID/smaps_rollup, for instance `Pss`."""
    for line in rollup.splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0])
    raise BenchmarkError(f"no {field} in smaps_rollup")


def memory_kib(pid: int) -> int:
    """Proportional set size of a process and its descendants in KiB: pages shared between workers count once."""
    return sum(smaps_value((PROC / str(p) / "smaps_rollup").read_text(), "Pss") for p in process_tree(pid))


def is_alive(pid: int) -> bool:
    """Whether `pid` exists and is not a zombie."""
    try:
        state = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def free_port() -> int:
    """A TCP port on loopback that was free a moment ago, below the ports that outgoing connections take."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", random.randrange(20000, 32000)))
            return int(probe.getsockname()[1])


def wait_until(ready: Callable[[], bool], pid: int, log: Path, seconds: float = START_SECONDS) -> None:
    """Return when `ready` says so; raise with the end of `log` if the process dies first or takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and is_alive(pid):
        if ready():
            return
        time.sleep(0.002)
    words = log.read_text(errors="replace")[-1500:].strip() if log.exists() else ""
    raise BenchmarkError(f"did not start to answer:\n{words}")


def accepts(port: int) -> bool:
    """Whether something accepts connections on a port of loopback."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
        return True
    return False
