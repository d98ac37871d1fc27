"""The budget for frames that carry nothing: a token bucket."""

import pytest

from gatekeeper.wire.http2.budget import BURST, EARNED, PER_SECOND, Budget


def test_a_burst_is_allowed_and_not_one_frame_more() -> None:
    """A page that is left cancels everything at once."""
    budget = Budget()
    assert all(budget.spend(0.0) for _ in range(int(BURST)))
    assert not budget.spend(0.0)


def test_it_fills_with_time() -> None:
    """As many as come in a second may go on coming."""
    budget = Budget()
    while budget.left >= 1:
        budget.spend(100.0)
    assert all(budget.spend(101.0) for _ in range(int(PER_SECOND)))
    assert not budget.spend(101.0)


def test_it_fills_with_content() -> None:
    """A peer that says much about windows because it sends or takes much is no flood."""
    budget = Budget()
    while budget.left >= 1:
        budget.spend(0.0)
    left = budget.left
    budget.earn(10)
    assert budget.left == pytest.approx(left + 10 * EARNED)


@pytest.mark.parametrize("how", ["time", "content"])
def test_it_holds_no_more_than_a_burst(how: str) -> None:
    """An hour of quiet, or a large download, is no licence for a flood."""
    budget = Budget()
    budget.spend(0.0)
    if how == "content":
        budget.earn(100_000)
    assert budget.spend(3600.0, 0.0)
    assert budget.left == BURST


def test_a_frame_may_cost_more_or_less() -> None:
    """SETTINGS with many parameters, and DATA that crossed a reset."""
    budget = Budget()
    budget.spend(0.0, 2.5)
    budget.spend(0.0, 0.25)
    assert budget.left == BURST - 2.75
