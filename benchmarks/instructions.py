"""`python -m benchmarks.instructions`: what an exchange costs, told in instructions, which a noisy machine cannot blur.

Plays the scripts of `benchmarks.micro.script` under callgrind and compares with `instructions.json`. The figures hold
for one build of Python and one OpenSSL; on another, the comparison is only shown.
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

from benchmarks.micro.gate import prepare
from benchmarks.micro.script import SCRIPTS
from benchmarks.processes import BenchmarkError
from benchmarks.upstream import REPOSITORY

REFERENCE = REPOSITORY / "benchmarks" / "instructions.json"
TIMES = {"exchange": 400, "cookie": 400, "connection": 20}
TOLERANCE = {"exchange": 0.03, "cookie": 0.03, "connection": 0.05}
"""From run to run the first two differ by less than 1 %, a handshake by 2 %: its signatures are random."""

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
    """What the figures depend on beside the code."""
    optimized = "optimized" if "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "") else "plain"
    return f"Python {platform.python_version()} ({optimized}), {ssl.OPENSSL_VERSION}, {platform.machine()}"


def verdict(name: str, counted: int, reference: int | None) -> tuple[str, bool]:
    """A line to print, and whether it is within the tolerance; without a reference everything is."""
    if reference is None:
        return f"{name:12} {counted:>12,}", True
    change = counted / reference - 1
    fine = abs(change) <= TOLERANCE[name]
    word = "as stored" if fine else "dearer" if change > 0 else "cheaper: --save it"
    return f"{name:12} {counted:>12,}  {change:+7.1%}  {word}", fine


def main() -> int:
    """Exit code: 0 as stored, 1 changed or failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*SCRIPTS, []], help="which to count; all if none is named")
    parser.add_argument("--save", action="store_true", help="make this the reference")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("valgrind is not installed", file=sys.stderr)
        return 1
    stored = json.loads(REFERENCE.read_text()) if REFERENCE.exists() else {}
    known: dict[str, int] = stored.get("instructions", {})
    same = stored.get("build") == build()
    print(build() if same else f"{build()}; the reference is of {stored.get('build', 'nothing')}")
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
        kept = known if same else {}
        REFERENCE.write_text(json.dumps({"build": build(), "instructions": kept | counted}, indent=2) + "\n")
    return 0 if fine or options.save or not same else 1


if __name__ == "__main__":
    sys.exit(main())
