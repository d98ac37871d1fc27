"""Load by our own client process: WebSocket messages, and connections that keep still."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.certificates import Certificates
from benchmarks.processes import BenchmarkError
from benchmarks.upstream import REPOSITORY


@dataclass(frozen=True, slots=True)
class Messages:
    """WebSocket connections that echo."""

    connections: int = 32


@dataclass(frozen=True, slots=True)
class Heard:
    """What the client says at the end: messages, connections that the proxy closed, median and p99 in microseconds."""

    count: int
    lost: int
    p50: float
    p99: float


class Client:
    """The process, with all its connections standing."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def go(self) -> Heard:
        """Let it work, and return what it says."""
        output, _ = self._process.communicate("go\n", timeout=60)
        try:
            answer = json.loads(output.splitlines()[-1])
        except (IndexError, ValueError):
            raise BenchmarkError(f"the client said {output[-500:]!r}") from None
        return Heard(answer["count"], answer["lost"], *answer["latencies"])


@contextlib.contextmanager
def client(kind: str, port: int, certificates: Certificates, connections: int, seconds: float) -> Iterator[Client]:
    """Start it for the length of the `with` block, and wait until all connections stand."""
    files = (str(certificates.client), str(certificates.client_key))
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.client", kind, str(port), *files, str(connections), str(seconds)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        if first != "ready\n":
            raise BenchmarkError(f"the client said: {(first + process.stdout.read())[-500:]}")
        yield Client(process)
    finally:
        process.kill()
        process.communicate()
