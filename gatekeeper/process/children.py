"""Child processes: how they end, and which belong to the gate."""

import os
import signal
from collections.abc import Container
from contextlib import suppress


def cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def kill(pid: int) -> None:
    """Send SIGKILL to a child."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def describe_exit(code: int) -> str:
    """The result of `os.waitstatus_to_exitcode` in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def reap_orphans(own: Container[int]) -> None:
    """Wait for ended children that are not in ``own``: process 1 inherits those whose parent has ended."""
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is None or found.si_pid in own:
            return
        os.waitpid(found.si_pid, 0)
