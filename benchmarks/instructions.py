"""`python -m benchmarks.instructions`: what an exchange costs, told in instructions, which a noisy machine cannot blur.

Plays the scripts of `benchmarks.micro.script` under callgrind and compares with `instructions.json`, which has figures
for each kind of build that they were saved on; on another one they are only shown.
"""

import argparse
import json
import os
import platform
import re
import shutil
import ssl
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import gatekeeper
from benchmarks.micro.gate import prepare
from benchmarks.micro.script import SCRIPTS
from benchmarks.processes import BenchmarkError
from benchmarks.upstream import REPOSITORY

REFERENCE = REPOSITORY / "benchmarks" / "instructions.json"
TIMES = {
    "exchange": 400,
    "cookie": 400,
    "stream": 400,
    "streams": 20,
    "paths": 20,
    "page": 20,
    "connection": 20,
    "resumption": 20,
    "refusal": 20,
    "message": 400,
    "down": 10,
    "up": 10,
}
TOLERANCE = {
    "exchange": 0.03,
    "cookie": 0.03,
    "stream": 0.03,
    "streams": 0.03,
    "paths": 0.03,
    "page": 0.05,
    "connection": 0.05,
    "resumption": 0.05,
    "refusal": 0.05,
    "message": 0.03,
    "down": 0.02,
    "up": 0.02,
}
"""From run to run an exchange and a message differ by less than 1 %, a handshake by 2 %: its signatures are random. Of
a large body nearly all is encryption: to copy it once more is about 1 %."""

_COLLECTED = re.compile(r"Collected : (\d+)")


def count(name: str, folder: Path) -> int:
    """Instructions for one time of a script."""
    valgrind = ("valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={os.devnull}")
    script = (sys.executable, "-m", "benchmarks.micro.script", str(folder), name, str(TIMES[name]))
    environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run((*valgrind, *script), capture_output=True, text=True, check=False, env=environment)
    found = _COLLECTED.search(done.stderr)
    if done.returncode or found is None:
        raise BenchmarkError(f"{name} did not run:\n{done.stderr[-2000:]}")
    return int(found[1]) // TIMES[name]


def build() -> str:
    """What the figures depend on beside the code. From patch to patch they change by less than 1 %."""
    options: str = sysconfig.get_config_var("CONFIG_ARGS") or ""
    made = "distribution" if sys.base_prefix == "/usr" else "optimized" if "--enable-opt" in options else "plain"
    python, openssl = platform.python_version_tuple()[:2], ssl.OPENSSL_VERSION_INFO[:2]
    compiled = ", compiled" if gatekeeper.form() == "compiled" else ""
    return f"Python {'.'.join(python)} ({made}), OpenSSL {openssl[0]}.{openssl[1]}, {platform.machine()}{compiled}"


def verdict(name: str, counted: int, reference: int | None) -> tuple[str, bool]:
    """A line to print, and whether it is no dearer than the tolerance allows; without a reference nothing is."""
    if reference is None:
        return f"{name:12} {counted:>12,}", True
    change = counted / reference - 1
    word = "as stored" if abs(change) <= TOLERANCE[name] else "dearer" if change > 0 else "cheaper: --save it"
    return f"{name:12} {counted:>12,}  {change:+7.1%}  {word}", change <= TOLERANCE[name]


def main() -> int:
    """Exit code: 0 as stored or cheaper, 1 dearer or failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*SCRIPTS, []], help="which to count; all if none is named")
    parser.add_argument("--save", action="store_true", help="make this the reference")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("valgrind is not installed", file=sys.stderr)
        return 1
    stored: dict[str, dict[str, int]] = json.loads(REFERENCE.read_text())
    known = stored.get(build(), {})
    print(build() if known else f"{build()}; there are figures for {', '.join(stored)}")
    counted: dict[str, int] = {}
    fine = True
    with tempfile.TemporaryDirectory(prefix="gatekeeper-instructions-") as folder:
        prepare(Path(folder))
        for name in options.names or SCRIPTS:
            try:
                counted[name] = count(name, Path(folder))
            except BenchmarkError as error:
                print(error, file=sys.stderr)
                return 1
            line, within = verdict(name, counted[name], known.get(name))
            print(line, flush=True)
            fine = fine and within
    if options.save:
        stored[build()] = known | counted
        REFERENCE.write_text(json.dumps(stored, indent=2) + "\n")
    return 0 if fine or options.save else 1


if __name__ == "__main__":
    sys.exit(main())
