"""Makes load: wrk with the shim, and reads what it counted in a window in the middle of its run."""

import contextlib
import json
import mmap
import os
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.certificates import Certificates
from benchmarks.processes import BenchmarkError

SHIM_SOURCE = Path(__file__).with_name("shim.c")
BUCKETS = 200_000
BUCKET_MICROSECONDS = 10
"""Both as in shim.c: two seconds in all."""
COUNTERS = struct.Struct("=5Q")
LATENCIES = struct.Struct(f"={BUCKETS}Q")

CONNECT_SECONDS = 120.0
"""How long all connections may take to stand."""
SETTLE_SECONDS = 0.25
"""Between the last handshake and the window, so that caches and pools are as they stay."""

LUA_DONE = """
done = function(summary, latency, requests)
  local e = summary.errors
  print(string.format('SUMMARY {"requests":%d,"microseconds":%d,"bytes":%d,"connect":%d,"read":%d,"write":%d,' ..
    '"status":%d,"timeout":%d}', summary.requests, summary.duration, summary.bytes, e.connect, e.read, e.write,
    e.status, e.timeout))
end
"""

LUA_COOKIE = """
local head
init = function(args)
  math.randomseed(os.time())
  local r = wrk.format(nil)
  head = r:sub(1, #r - 2)
end
request = function()
  return string.format("%sCookie: session=%08x%08x%08x\\r\\n\\r\\n", head, math.random(0, 2^31), math.random(0, 2^31),
    math.random(0, 2^31))
end
"""


@dataclass(frozen=True, slots=True)
class Requests:
    """Load by wrk: what to ask for, and how."""

    path: str
    connections: int = 32
    headers: tuple[tuple[str, str], ...] = ()
    close: bool = False
    """A new connection for each request."""
    resume: bool = False
    """Offer the TLS session on reconnecting."""
    certificate: bool = True
    upload: int = 0
    """Bytes of body to POST; 0: a GET."""
    random_cookie: bool = False
    delay: tuple[int, int] | None = None
    """Milliseconds that a connection pauses before each request, drawn evenly; None: none."""

    def script(self) -> str:
        """The Lua program for wrk."""
        lines = [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in self.headers]
        if self.close:
            lines.append('wrk.headers["Connection"] = "close"')
        if self.upload:
            lines.append(f'wrk.method = "POST"; wrk.body = string.rep("x", {self.upload})')
        if self.random_cookie:
            lines.append(LUA_COOKIE)
        if self.delay:
            lines.append(f"delay = function() return math.random({self.delay[0]}, {self.delay[1]}) end")
        return "\n".join(lines) + LUA_DONE


@dataclass(frozen=True, slots=True)
class Counters:
    """What the shim has counted so far; see shim.c."""

    handshakes: int
    resumed: int
    failed: int
    answered: int
    """Connections that have had an answer; before the first, a proxy may still be busy with the handshake."""
    requests: int


@dataclass(frozen=True, slots=True)
class Summary:
    """wrk's own account of its whole run."""

    requests: int
    microseconds: int
    bytes: int
    connect: int
    read: int
    write: int
    status: int
    timeout: int

    def faults(self) -> list[str]:
        """Everything that is wrong in any scenario, status codes apart."""
        words = {"connect": self.connect, "read": self.read, "write": self.write, "timeout": self.timeout}
        return [f"{count} {word} errors" for word, count in words.items() if count]


def parse_summary(output: str) -> Summary:
    """Find the line that our Lua prints at the end; `BenchmarkError` with wrk's words where there is none."""
    for line in output.splitlines():
        if line.startswith("SUMMARY "):
            fields: dict[str, Any] = json.loads(line.removeprefix("SUMMARY "))
            return Summary(**fields)
    raise BenchmarkError(f"wrk said: {output.strip()[-800:] or 'nothing'}")


def percentile(histogram: list[int], fraction: float) -> float:
    """The microseconds below which `fraction` of the counts lie, to the middle of a bucket; 0.0 if there are none."""
    wanted = sum(histogram) * fraction
    seen = 0
    for bucket, amount in enumerate(histogram):
        seen += amount
        if amount and seen >= wanted:
            return (bucket + 0.5) * BUCKET_MICROSECONDS
    return 0.0


def build_shim(folder: Path) -> Path:
    """Compile the shim."""
    shim = folder / "shim.so"
    done = subprocess.run(
        ["cc", "-O2", "-shared", "-fPIC", "-o", str(shim), str(SHIM_SOURCE), "-ldl"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"the shim does not compile (needs cc and libssl-dev):\n{done.stderr}")
    return shim


class Wrk:
    """One run of wrk, from its start to its summary."""

    def __init__(self, process: subprocess.Popen[str], counters: mmap.mmap, load: Requests) -> None:
        self.process = process
        self.pid = process.pid
        self._counters = counters
        self._load = load

    def counters(self) -> Counters:
        """Read the shim's counters now."""
        return Counters(*COUNTERS.unpack_from(self._counters, 0))

    def histogram(self) -> list[int]:
        """Latencies so far, in buckets of `BUCKET_MICROSECONDS`."""
        return list(LATENCIES.unpack_from(self._counters, COUNTERS.size))

    def settle(self) -> None:
        """Return when all connections have had an answer and a moment has passed."""
        deadline = time.monotonic() + CONNECT_SECONDS
        while (now := self.counters()).answered < self._load.connections:
            if self.process.poll() is not None:
                raise BenchmarkError(f"wrk ended early: {self._rest()}")
            if time.monotonic() > deadline:
                raise BenchmarkError(f"{now.answered} of {self._load.connections} connections were answered")
            time.sleep(0.005)
        time.sleep(SETTLE_SECONDS)

    def _rest(self) -> str:
        output, _ = self.process.communicate(timeout=5)
        return output.strip()[-800:]

    def finish(self) -> Summary:
        """Tell wrk to stop, and read its summary."""
        self.process.send_signal(signal.SIGINT)
        output, _ = self.process.communicate(timeout=20)
        return parse_summary(output)


@contextlib.contextmanager
def wrk(load: Requests, port: int, certificates: Certificates, shim: Path, folder: Path) -> Iterator[Wrk]:
    """Run wrk, one thread, for the length of the `with` block."""
    script, shared = folder / "load.lua", folder / "counters"
    script.write_text(load.script())
    shared.write_bytes(bytes(COUNTERS.size + LATENCIES.size))
    env = {**os.environ, "LD_PRELOAD": str(shim), "SHIM_COUNTERS": str(shared)}
    if load.certificate:
        env |= {"SHIM_CERTIFICATE": str(certificates.client), "SHIM_KEY": str(certificates.client_key)}
    if load.resume:
        env["SHIM_RESUME"] = "1"
    argv = ["wrk", "-t1", f"-c{load.connections}", "-d300s", "--timeout", "60s", "-s", str(script)]
    process = subprocess.Popen(
        [*argv, f"https://127.0.0.1:{port}{load.path}"],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        with shared.open("r+b") as file, mmap.mmap(file.fileno(), 0) as counters:
            yield Wrk(process, counters, load)
    finally:
        process.kill()
        process.communicate()
