"""[tool.cibuildwheel]: for which Pythons and machines a release brings compiled wheels."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LIBCS = ("manylinux", "musllinux")


def identifiers(machine: str) -> set[str]:
    """What cibuildwheel would build on a machine; it refuses a configuration that it does not know."""
    command = ["-m", "cibuildwheel", "--print-build-identifiers", "--platform=linux", f"--archs={machine}", str(ROOT)]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_each_supported_python_has_its_wheels() -> None:
    """Those of the classifiers, with glibc and musl, and none besides: no free-threaded build, which `serve` refuses,
    and no version that is not released."""
    prefix = "Programming Language :: Python :: 3."
    versions = [one.removeprefix(prefix) for one in PROJECT["classifiers"] if one.startswith(prefix)]
    assert len(versions) >= 4
    for machine in ("x86_64", "aarch64"):
        assert identifiers(machine) == {f"cp3{v}-{libc}_{machine}" for v in versions for libc in LIBCS}
