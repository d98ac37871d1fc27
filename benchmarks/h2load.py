"""Load in HTTP/2 by h2load, which gets its client certificate from the shim of wrk."""

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.certificates import Certificates
from benchmarks.processes import BenchmarkError
from benchmarks.wrk import COUNTERS, LATENCIES

NEW_PATHS = 100_000
"""Different query strings: more than anybody caches."""
SETTLE_SECONDS = 0.5
"""From the first answer on, so that all connections stand and caches are as they stay."""
START_SECONDS = 20.0
_DONE = re.compile(r"requests: (\d+) total, .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout")
GRPC_MESSAGE = b"\0\0\0\0\x64" + b"x" * 100


@dataclass(frozen=True, slots=True)
class Streams:
    """Load by h2load: so many connections with so many requests under way on each.

    ``page`` is how many requests a new visitor makes and goes; ``connections`` are then those that it opens, and what
    is counted is visitors. 0: connections are kept, and requests are counted.
    """

    path: str
    connections: int = 1
    streams: int = 32
    new_path: bool = False
    grpc: bool = False
    page: int = 0
    http1: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """One request as h2load saw it: when it was answered (seconds since the epoch), and after how many microseconds."""

    at: float
    status: int
    microseconds: int


class H2load:
    """One run, from its start to its end."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self._log = log

    def settle(self, has_answered: Callable[[], object]) -> None:
        """Return a moment after the first answer, of which the proxy knows: the log of h2load comes at its end."""
        deadline = time.monotonic() + START_SECONDS
        while not has_answered():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise BenchmarkError("h2load got no answer")
            time.sleep(0.005)
        time.sleep(SETTLE_SECONDS)

    def finish(self) -> list[str]:
        """Wait for its end; everything that was wrong."""
        output, _ = self.process.communicate(timeout=60)
        return faults(output)

    def answered(self) -> list[Answered]:
        """Every request of the run."""
        found = []
        for line in self._log.read_text().splitlines():
            start, status, taken = line.split("\t")[:3]
            found.append(Answered((int(start) + int(taken)) / 1e6, int(status), int(taken)))
        return found


def faults(output: str) -> list[str]:
    """What h2load's summary says that should not be."""
    match = _DONE.search(output)
    if match is None:
        raise BenchmarkError(f"h2load said: {output.strip()[-800:] or 'nothing'}")
    words = ("failed", "errored", "timeout")
    return [f"{count} requests {word}" for count, word in zip(match.groups()[2:], words, strict=True) if count != "0"]


@contextlib.contextmanager
def h2load(
    load: Streams, amount: float, port: int, certificates: Certificates, shim: Path, folder: Path
) -> Iterator[H2load]:
    """Run it for ``amount`` seconds, or for so many visitors if the load has pages."""
    shared, log, addresses = folder / "counters", folder / "h2load.log", folder / "addresses"
    shared.write_bytes(bytes(COUNTERS.size + LATENCIES.size))
    log.unlink(missing_ok=True)
    address = f"https://127.0.0.1:{port}{load.path}"
    addresses.write_text("".join(f"{address}?{n}\n" for n in range(NEW_PATHS)) if load.new_path else f"{address}\n")
    visitors = int(amount) if load.page else 1
    argv = ["h2load", "-t1", f"-c{load.connections * visitors}", f"-m{load.streams}", f"-i{addresses}"]
    argv += [f"-n{load.page * visitors}"] if load.page else [f"-D{round(amount * 1000)}ms"]
    argv += [f"--log-file={log}", *(["--h1"] if load.http1 else [])]
    if load.grpc:
        (folder / "message").write_bytes(GRPC_MESSAGE)
        argv += [f"-d{folder / 'message'}", "-Hcontent-type: application/grpc", "-Hte: trailers"]
    env = {**os.environ, "LD_PRELOAD": str(shim), "SHIM_COUNTERS": str(shared)}
    env |= {"SHIM_CERTIFICATE": str(certificates.client), "SHIM_KEY": str(certificates.client_key)}
    process = subprocess.Popen(
        argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield H2load(process, log)
    finally:
        process.kill()
        process.communicate()
