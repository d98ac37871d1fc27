"""A function called in a child process."""

import os
import signal
import subprocess
import sys

import pytest

from gatekeeper.process.apart import Apart

# pytest-xdist has a thread of its own; the children that are forked here take no lock.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


def test_the_value_is_passed_on() -> None:
    """It comes from another process."""
    pid = Apart(os.getpid).result()
    assert pid is not None
    assert pid != os.getpid()
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, 0)  # its end was waited for


def test_what_it_loads_stays_there() -> None:
    """This is what it is for."""
    code = (
        "import sys\nfrom gatekeeper.process.apart import Apart\n"
        "def load():\n    import wave\n    return 'wave' in sys.modules\n"
        "print(Apart(load).result(), 'wave' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"


def test_a_child_that_is_killed_has_no_value() -> None:
    """By the kernel for want of memory, for example; the caller does without."""
    assert Apart(lambda: os.kill(os.getpid(), signal.SIGKILL)).result() is None


def test_an_exception_is_no_value(capfd: pytest.CaptureFixture[str]) -> None:
    """Nor does the child go on with its parent's program."""

    def fail() -> int:
        raise ValueError

    assert Apart(fail).result() is None
