"""gatekeeper.admin.wording: what a person reads."""

import pytest

from gatekeeper.admin.wording import brief, pluralized, span


def test_one_is_singular() -> None:
    """And nothing else is."""
    assert [pluralized(number, "line") for number in (0, 1, 2)] == ["0 lines", "1 line", "2 lines"]


def test_a_duration_has_two_units() -> None:
    """The two largest."""
    assert [span(seconds) for seconds in (0, 59, 61, 90061, 86400)] == ["0 s", "59 s", "1 min 1 s", "1 d 1 h", "1 d"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0.0, "0.0 ms"), (0.00042, "0.4 ms"), (0.00994, "9.9 ms"), (0.00996, "10 ms")),
        *((0.25, "250 ms"), (0.9994, "999 ms"), (0.9996, "1.0 s"), (10.0, "10.0 s")),
    ],
)
def test_a_short_duration_changes_its_unit(seconds: float, text: str) -> None:
    """No rounding leads to 1000 ms."""
    assert brief(seconds) == text
