"""A lock in a folder that several processes use."""

import errno
import os
from pathlib import Path

import pytest

from gatekeeper.settings.file_lock import try_lock


def test_one_holds_it_at_a_time(tmp_path: Path) -> None:
    """The second is told at once, and gets it when the first is through."""
    with try_lock(tmp_path / "lock") as first, try_lock(tmp_path / "lock") as second:
        assert (first, second) == (True, False)
    with try_lock(tmp_path / "lock") as third:
        assert third


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Nothing is made where it leads, which may be a place that only this process can write."""
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)), try_lock(tmp_path / "lock"):
        pass
    assert not (tmp_path / "elsewhere").exists()
