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
while [ "$1" != -- ]; do
  if [ "$1" = tmpfs ]; then mount -t tmpfs -o mode=1777 tmpfs "$root$2"
  else mount --bind "$1" "$root$2"; mount -o remount,bind,ro "$root$2"; fi
  shift 2
done; shift
mount -o remount,bind,ro "$root"
exec chroot --userspec="$user" "$root" "$@"
"""


@dataclass(frozen=True, slots=True)
class Image:
    """``config`` is the image's configuration as Docker names its keys, ``files`` the folder with its files."""

    config: dict
    files: Path

    def command(self, *command: str, mounts: Mapping[Path | str, str] | None = None) -> list[str]:
        """The command line that runs this in the image.

        ``mounts`` are folders outside, each read-only at a path inside; ``"tmpfs"`` is an empty one to write to.
        """
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

    def run(self, *command: str, mounts: Mapping[Path | str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run to the end, at most a minute."""
        with self.start(*command, mounts=mounts) as process:
            out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def start(self, *command: str, mounts: Mapping[Path | str, str] | None = None) -> subprocess.Popen[str]:
        """Start it; when the process that is returned dies, everything inside dies with it."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            self.command(*command, mounts=mounts), env=self.environment(), stdout=pipe, stderr=pipe, text=True
        )


def process_1(process: subprocess.Popen[str]) -> int:
    """The process that is number 1 inside, by its number outside: what an engine sends its signals to."""
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
