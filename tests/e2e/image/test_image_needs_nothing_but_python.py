"""In the image: no root, no shell, nothing to write to, no compiler of byte code."""

import stat
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(1800)

STATE = "import os, sys; print(os.getpid(), os.getuid(), os.getgid(), sys.prefix)"
WRITE = "import sys\nfor path in sys.argv[1:]:\n    try: open(path, 'w')\n    except OSError: print('refused', path)"


def test_the_gate_runs_as_process_1_and_not_as_root(image: Any) -> None:
    """The interpreter found on the PATH is the gate's own, under the image's user."""
    assert image.run("python", "-c", STATE).stdout.split() == ["1", "10001", "10001", "/opt/gatekeeper"]


def test_the_user_owns_nothing(image: Any) -> None:
    """Without a read-only root as well: no file under /opt/gatekeeper can be changed by the gate."""
    loose = [
        path
        for path in (image.files / "opt/gatekeeper").rglob("*")
        if not path.is_symlink() and (path.stat().st_uid != 0 or path.stat().st_mode & stat.S_IWOTH)
    ]
    assert loose == []


def test_nothing_can_be_written(image: Any) -> None:
    """The tests' own guard: the root that the other tests run on is read-only indeed."""
    paths = ["/x", "/tmp/x", "/opt/gatekeeper/x"]
    assert image.run("python", "-c", WRITE, *paths).stdout.split() == [word for p in paths for word in ("refused", p)]


def test_every_module_comes_compiled(image: Any) -> None:
    """A source without byte code would be compiled anew at each start, as nothing can be written."""
    packages = image.files / "opt/gatekeeper/lib/python3.11/site-packages"
    uncompiled = [
        source
        for source in (packages / "gatekeeper").rglob("*.py")
        if not (source.parent / "__pycache__" / f"{source.stem}.cpython-311.pyc").exists()
    ]
    assert uncompiled == []


def test_the_image_is_small(image: Any) -> None:
    """At most 90 MB over its base: 80 here, and 10 for the compiled form (`test_the_compiled_form_is_small`)."""
    found = [path for path in (image.files / "opt/gatekeeper").rglob("*") if not path.is_symlink() and path.is_file()]
    assert sum(path.stat().st_size for path in found) < 80e6


def test_no_library_carries_debugging_symbols(image: Any) -> None:
    """They would be a quarter of all bytes; strip(1) removes the section .symtab, whose name the file then lacks."""
    libraries = [*(image.files / "opt/gatekeeper").rglob("*.so")]
    assert len(libraries) > 10
    assert [library.name for library in libraries if b"\0.symtab\0" in library.read_bytes()] == []


def test_no_package_installer_is_left(image: Any) -> None:
    """pip made the environment from outside and is not in it."""
    gate = image.files / "opt/gatekeeper"
    assert not [*gate.glob("bin/pip*"), *gate.glob("lib/python3.11/site-packages/pip*")]


def test_the_command_starts_without_a_shell(image: Any) -> None:
    """The console script is run by the interpreter itself."""
    script = (image.files / "opt/gatekeeper/bin/gatekeeper").read_text()
    assert script.startswith("#!/opt/gatekeeper/bin/python")
