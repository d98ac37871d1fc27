"""The image as the Dockerfile makes it, built and entered without an engine."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.image.container import ROOT, Image
from tests.tools import needs
from tests.wheels import fetch_wheels, run

# Debian 12 as the base, because debootstrap makes it anywhere; its Python is 3.11, the oldest that is promised.
# With binutils, as every image that can compile has it: the libraries are stripped.
BASE_PACKAGES = "python3,python3-pip,python3-venv,ca-certificates,binutils"


class Buildah:
    """buildah with its whole storage in one folder, which takes everything along when it goes."""

    def __init__(self, folder: Path) -> None:
        self.options = ["--root", f"{folder}/root", "--runroot", f"{folder}/runroot"]
        # vfs works everywhere, but copies everything for each layer and container. overlay does not work on an overlay.
        trial = subprocess.run(
            ["buildah", *self.options, "--storage-driver=overlay", "info"], check=False, capture_output=True
        )
        self.options.append(f"--storage-driver={'vfs' if trial.returncode else 'overlay'}")
        if trial.returncode:
            shutil.rmtree(folder / "root", ignore_errors=True)

    def __call__(self, *arguments: str) -> str:
        return run("buildah", *self.options, *arguments)


def import_base(buildah: Buildah, folder: Path) -> str:
    """Debian by debootstrap, as the image that stands in for python:…-slim."""
    command = ["debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", "bookworm", f"{folder}/base"]
    # A server of packages that fails once must not fail the tests; what has arrived is not fetched again.
    if subprocess.run(command, capture_output=True, check=False).returncode:
        run(*command)
    container = buildah("from", "scratch")
    # The official image's name for it.
    (folder / "base/usr/bin/python").symlink_to("python3")
    buildah("copy", "-q", container, f"{folder}/base", "/")
    shutil.rmtree(folder / "base")
    buildah("commit", "-q", "--rm", container, "base")
    return "localhost/base"


def wheel_settings(folder: Path) -> list[str]:
    """Options that give the build its wheels; the build itself has no index."""
    fetch_wheels(folder / "wheels", "3.11")
    (folder / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
    return [f"--secret=id=pip,src={folder}/pip.conf", f"--volume={folder}/wheels:/wheels:ro"]


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """Where everything about the image lies, until the end. podman takes no --runroot of more than 50 characters, which
    pytest's own folders have where tests run in several processes.
    """
    needs("buildah", "debootstrap", "unshare", "mount", "chroot")
    if os.geteuid() != 0:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("building an image without an engine needs root")
    folder = Path(tempfile.mkdtemp(prefix="image"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def buildah(folder: Path) -> Iterator[Buildah]:
    """With the image and its base in its storage, once `image` has been made."""
    buildah = Buildah(folder)
    yield buildah
    buildah("rm", "--all")  # unmounts what `image` mounted
    subprocess.run(["umount", "--lazy", folder / "root" / "overlay"], check=False, capture_output=True)


@pytest.fixture(scope="session")
def image(folder: Path, buildah: Buildah) -> Image:
    """The real Dockerfile on a Debian base, without the base's shells.

    It takes one to two minutes, so all of its tests run in one process (tests/conftest.py): it is built once a run.
    """
    base = import_base(buildah, folder)
    # Interpreted: the base has no compiler, and `make core-compiled` runs the compiled form.
    arguments = [f"--build-arg={one}" for one in (f"BASE_IMAGE={base}", f"BUILD_IMAGE={base}", "COMPILED=0")]
    options = ["--isolation=chroot", "--format=docker", "--layers=false", *arguments]
    buildah("bud", *options, *wheel_settings(folder), "--tag=gatekeeper", str(ROOT))
    inspected = json.loads(buildah("inspect", "--type=image", "gatekeeper"))
    container = buildah("from", "--name=gate", "gatekeeper")
    files = Path(buildah("mount", container))
    # Every engine gives a container this file; buildah leaves it out of the image.
    (files / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    for shell in ("sh", "bash", "dash"):
        (files / "usr/bin" / shell).unlink()
    return Image(inspected["Docker"]["config"], files)
