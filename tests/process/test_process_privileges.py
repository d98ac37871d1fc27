"""Giving up root, in a process of its own: which groups are left, and that there is no way back."""

import os
import subprocess
import sys
import textwrap

import pytest

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
NOBODY = 65534


def run(script: str) -> list[str]:
    """What a root process says that has more groups than it needs; ``become`` and ``nobody`` are at hand."""
    beginning = f"""
    import os
    from gatekeeper.errors import StartError
    from gatekeeper.process.privileges import Account, become
    nobody = Account({NOBODY}, {NOBODY}, ({NOBODY}, 4711))
    os.setgroups([0, 12])
    """
    program = textwrap.dedent(beginning) + textwrap.dedent(script)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@ROOT
def test_only_the_accounts_own_groups_are_left() -> None:
    """initgroups(3): root's supplementary groups open files that are nobody else's."""
    assert run(
        """
        become(nobody)
        print(sorted(os.getgroups()))
        print(os.getresuid(), os.getresgid())
        """
    ) == [f"[4711, {NOBODY}]", f"({NOBODY}, {NOBODY}, {NOBODY}) ({NOBODY}, {NOBODY}, {NOBODY})"]


@ROOT
@pytest.mark.parametrize("way", ["setuid", "seteuid", "setgid", "setegid"])
def test_root_cannot_be_regained(way: str) -> None:
    """The saved ids are given up too (credentials(7))."""
    assert run(
        f"""
        become(nobody)
        try:
            os.{way}(0)
        except PermissionError:
            print("refused")
        """
    ) == ["refused"]


@ROOT
def test_a_way_back_is_noticed() -> None:
    """Where a system leaves one, the gate does not start: here the saved user id stays root's."""
    assert run(
        """
        os.setresuid = lambda *_: os.seteuid(nobody.uid)
        try:
            become(nobody)
        except StartError as error:
            print("StartError:", error)
        """
    ) == ["StartError: privileges could be taken back after they were given up"]
