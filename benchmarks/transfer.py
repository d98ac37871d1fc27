"""Load by curl: a fixed number of large bodies, one after the other on one connection."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.certificates import Certificates
from benchmarks.processes import BenchmarkError

TIMEOUT_SECONDS = 60.0
WRITE_OUT = "\\n%{http_code} %{size_download} %{size_upload} %{num_connects} %{time_total}\\n"


@dataclass(frozen=True, slots=True)
class Transfers:
    """Bodies of `size` bytes, down or up."""

    path: str
    size: int
    upload: bool = False


@dataclass(frozen=True, slots=True)
class Transferred:
    """One transfer as curl saw it."""

    status: int
    down: int
    up: int
    seconds: float


def curl(load: Transfers, count: int, port: int, certificates: Certificates, body: Path) -> list[Transferred]:
    """Do them; `body` is a file of the size to upload."""
    direction = ["--upload-file", str(body), "--header", "Expect:"] if load.upload else ["--output", "/dev/null"]
    argv = ["curl", "--silent", "--show-error", "--http1.1", "--cacert", str(certificates.ca)]
    argv += ["--cert", str(certificates.client), "--key", str(certificates.client_key), "--write-out", WRITE_OUT]
    argv += [*direction, f"https://127.0.0.1:{port}{load.path}?[1-{count}]"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    if done.returncode:
        raise BenchmarkError(f"curl: {done.stderr.strip()}")
    return parse(done.stdout)


def parse(output: str) -> list[Transferred]:
    """The lines that `WRITE_OUT` made; other lines are bodies."""
    found = []
    for line in output.splitlines():
        words = line.split()
        if len(words) == 5:
            found.append(Transferred(int(words[0]), int(words[1]), int(words[2]), float(words[4])))
    return found


def faults(load: Transfers, count: int, transfers: list[Transferred]) -> list[str]:
    """What is not as it should be."""
    words = [f"a transfer ended with {t.status}" for t in transfers if t.status != 200]
    words += [
        f"{t.up if load.upload else t.down} of {load.size} bytes" for t in transfers if moved(load, t) != load.size
    ]
    if len(transfers) != count:
        words.append(f"{len(transfers)} of {count} transfers")
    return words


def moved(load: Transfers, transferred: Transferred) -> int:
    """Bytes in the direction that counts."""
    return transferred.up if load.upload else transferred.down
