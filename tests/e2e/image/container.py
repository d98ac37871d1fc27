"""Runs a command in the built image as a strict orchestrator would."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.gate_process import PATIENCE

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

    config: dict  # type: ignore[type-arg]
    files: Path

    def command(self, *command: str, mounts: Mapping[Path | str, str] | None = None) -> list[str]:
        """The command line that runs this in the image.

        ``mounts`` are folders outside, each read-only at a path inside; ``"tmpfs"`` is an empty one to write to.
        """
        places = []
        for outside, inside in (mounts or {}).items():
            (self.files / inside.lstrip("/")).mkdir(parents=True, exist_ok=True)
            places += [str(outside), inside]
        enter = [shutil.which("unshare"), "--mount", "--pid", "--fork", "sh", "-c", ENTER, "enter"]
        return [*enter, str(self.files), self.config["User"], *places, "--", *command]

    def environment(self) -> dict[str, str]:
        """The image's own variables and none from outside, but a PATH that finds ``mount`` and ``chroot`` as well."""
        variables = dict(entry.split("=", 1) for entry in self.config["Env"])
        return variables | {"PATH": f"{variables['PATH']}:/usr/sbin:/sbin"}

    def run(self, *command: str, mounts: Mapping[Path | str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        with self.running(*command, mounts=mounts) as process:
            out, err = process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    @contextmanager
    def running(self, *command: str, mounts: Mapping[Path | str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
        """A context in which it runs. Everything inside is gone afterwards."""
        pipe = subprocess.PIPE
        # A session of its own, to be ended as a whole: unshare's --kill-child is a parent-death signal, and the kernel
        # drops that one where the user changes (prctl(2)).
        with subprocess.Popen(
            self.command(*command, mounts=mounts),
            env=self.environment(),
            stdout=pipe,
            stderr=pipe,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                end(process)


def end(process: subprocess.Popen[str]) -> None:
    """Kill what runs in the image, at once, and wait until it is gone."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def process_1(process: subprocess.Popen[str]) -> int:
    """The process that is number 1 inside, by its number outside: what an engine sends its signals to."""
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
