"""Large buffers stay with the process."""

import platform
import subprocess
import sys


def test_large_buffers_are_kept_on_glibc() -> None:
    """In a process of its own, because it holds for the whole process."""
    code = "from gatekeeper.process.malloc import keep_large_buffers; print(keep_large_buffers())"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == str(platform.libc_ver()[0] == "glibc")


def test_a_c_library_without_mallopt_is_left_as_it_is() -> None:
    """musl has none: the gate runs all the same. In a process of its own as well, where ctypes finds no function."""
    hide = "import ctypes; ctypes.PyDLL = lambda name: object()"
    code = f"{hide}; from gatekeeper.process.malloc import keep_large_buffers; print(keep_large_buffers())"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
