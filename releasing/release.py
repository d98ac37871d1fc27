"""What a release asks of the repository: ``python releasing/release.py check|notes|stamp|version|chart``.

The version is written in one place, `gatekeeper/__init__.py`. Files that must repeat it, because a chart or a compose
file is read without Python, get it by ``stamp``; ``check`` says what does not fit, and a release with such a mistake
is not built.
"""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
_IMAGE = r"(?<=gatekeeper:)\d+\.\d+\.\d+\S*"
# File to the pattern whose matches are the version.
REPEATS = {
    "charts/gatekeeper/Chart.yaml": r"(?<=^version: )\S+|(?<=^appVersion: )\S+",
    "config/compose/compose.authority.yaml": _IMAGE,
    "config/compose/compose.haproxy.yaml": _IMAGE,
    "config/compose/compose.machine.yaml": _IMAGE,
    "config/compose/compose.yaml": _IMAGE,
    "config/kubernetes/crl.yaml": _IMAGE,
    "config/kubernetes/sidecar.yaml": _IMAGE,
    "config/kubernetes/standalone.yaml": _IMAGE,
    "docs/kubernetes.md": _IMAGE,
    "docs/scale.md": r"(?<=^gatekeeper )\d+\.\d+\.\d+\S*(?= \(compiled\)$)",
    "Dockerfile": r"(?<=^ARG VERSION=)\S+",
    "README.md": _IMAGE,
    "docs/from-nginx.md": _IMAGE,
}


def version() -> str:
    """The version of this checkout."""
    found = re.search(r'^__version__ = "(.+)"$', (ROOT / "gatekeeper/__init__.py").read_text(), re.MULTILINE)
    if found is None:
        raise SystemExit("gatekeeper/__init__.py has no __version__")
    return found[1]


def notes(changelog: str, released: str) -> str:
    """The section of a version, without its heading; empty if there is none."""
    found = re.search(rf"^## \[{re.escape(released)}\].*?\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else ""


def stale(released: str) -> Iterator[str]:
    """The files that repeat another version, or none."""
    for name, pattern in REPEATS.items():
        found = set(re.findall(pattern, (ROOT / name).read_text(), re.MULTILINE))
        if found != {released}:
            yield f"{name} says {', '.join(sorted(found)) or 'nothing'} instead of {released}: make stamp"


def mistakes(tag: str) -> list[str]:
    """What stands in the way of releasing this checkout as ``tag``; an empty ``tag`` is not compared."""
    released = version()
    found = list(stale(released))
    if tag and tag != f"v{released}":
        found.append(f"the tag is {tag}, the version of gatekeeper/__init__.py is {released}")
    return found + unwritten((ROOT / "CHANGELOG.md").read_text(), released)


def unwritten(changelog: str, released: str) -> list[str]:
    """What the notes of this version lack: their section, or changes that are still under [Unreleased]."""
    found = [] if notes(changelog, released) else [f"CHANGELOG.md has no section for {released}"]
    if notes(changelog, "Unreleased"):
        found.append(f"CHANGELOG.md has changes under [Unreleased], which the notes of {released} would not name")
    return found


def stamp() -> None:
    """Write the version into the files that repeat it."""
    for name, pattern in REPEATS.items():
        path = ROOT / name
        path.write_text(re.sub(pattern, version(), path.read_text(), flags=re.MULTILINE))


def chart(destination: str, registry: str) -> str:
    """Pack the Helm chart as Helm does; the path of the archive. Its image comes from ``registry``, if one is given."""
    import helm_python  # here, because no other command needs 75 MB of it

    with TemporaryDirectory() as folder:
        copy = shutil.copytree(ROOT / "charts/gatekeeper", Path(folder) / "gatekeeper")
        if registry:
            values = copy / "values.yaml"
            values.write_text(
                values.read_text().replace("repository: gatekeeper", f"repository: {registry}/gatekeeper")
            )
        return str(helm_python.package(str(copy), destination=destination))


def main(arguments: list[str]) -> int:
    """Carry out one command, and return the exit code."""
    match arguments:
        case ["check", *tag]:
            found = mistakes("".join(tag))
            print("\n".join(found) or f"ready to be released as v{version()}")
            return 1 if found else 0
        case ["notes"]:
            print(notes((ROOT / "CHANGELOG.md").read_text(), version()))
        case ["stamp"]:
            stamp()
        case ["version"]:
            print(version())
        case ["chart", destination, *registry]:
            print(chart(destination, "".join(registry)))
        case _:
            print("usage: release.py check [TAG] | notes | stamp | version | chart FOLDER [REGISTRY]", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
