"""The lowest versions that pyproject.toml allows."""

import pytest

from releasing.lowest import constraints


def test_each_dependency_is_held_at_its_lower_bound() -> None:
    """With its marker, and without its extras, which pip takes in no constraint."""
    found = list(constraints(["aiohttp>=3.10,<4", "pyjwt[crypto]>=2.9", "uvloop>=0.21,<1; sys_platform != 'win32'"]))
    assert found == ["aiohttp==3.10", "pyjwt==2.9", 'uvloop==0.21; sys_platform != "win32"']


def test_a_dependency_without_a_lower_bound_is_refused() -> None:
    """It would be tested at whatever pip takes, and that says nothing."""
    with pytest.raises(ValueError, match="no lower bound"):
        list(constraints(["aiohttp<4"]))
