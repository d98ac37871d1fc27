"""Runs a command in the built image as a strict orchestrator would."""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

# A mount namespace with the image's files read-only, a process namespace in which the command is process 1, and the
# image's user. Not there: network, user and cgroup namespaces, which decide nothing about the image.
ENTER = """
set -e
root=$1 user=$2; shift 2
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
while [ "$1" != -- ]; do mount --bind "$1" "$root$2"; mount -o remount,bind,ro "$root$2"; shift 2; done; shift
mount -o remount,bind,ro "$root"
exec chroot --userspec="$user" "$root" "$@"
"""


@dataclass(frozen=True, slots=True)
class Image:
    """``config`` is the image's configuration as Docker names its keys, ``files`` the folder with its files."""

    config: dict
    files: Path

    def command(self, *command: str, mounts: Mapping[Path, str] | None = None) -> list[str]:
        """The command line that runs this in the image; ``mounts`` are folders outside, read-only at a path inside."""
        places = []
        for outside, inside in (mounts or {}).items():
            (self.files / inside.lstrip("/")).mkdir(parents=True, exist_ok=True)
            places += [str(outside), inside]
        enter = [shutil.which("unshare"), "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "enter"]
        return [*enter, str(self.files), self.config["User"], *places, "--", *command]

    def environment(self) -> dict[str, str]:
        """The image's own variables and none from outside, but a PATH that finds ``mount`` and ``chroot`` as well."""
        variables = dict(entry.split("=", 1) for entry in self.config["Env"])
        return variables | {"PATH": f"{variables['PATH']}:/usr/sbin:/sbin"}

    def run(self, *command: str, mounts: Mapping[Path, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run to the end, at most a minute."""
        return subprocess.run(
            self.command(*command, mounts=mounts),
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
