"""When certificates are renewed, and when failures are tried again."""

import pytest

from gatekeeper.acme.schedule import (
    DAY,
    FIRST_RETRY_SECONDS,
    LAST_RETRY_SECONDS,
    Lifetime,
    renewal_time,
    retry_time,
)


@pytest.mark.parametrize(
    ("days", "chance", "after"),
    [(90, 0.0, 60.0), (90, 1.0, 55.5), (45, 0.0, 30.0), (10, 0.0, 20 / 3), (6, 0.0, 3.0), (6, 1.0, 2.7)],
)
def test_when_to_renew(days: float, chance: float, after: float) -> None:
    """With a third of the life left, short-lived ones with half; spread over a twentieth of it."""
    assert renewal_time(Lifetime(1000.0, 1000.0 + days * DAY), chance) == pytest.approx(1000.0 + after * DAY)


def test_failures_are_tried_again_ever_more_rarely() -> None:
    """At most four times in the first hour, five a day are left in the end; never much later than six hours."""
    now, times = 0.0, []
    for failures in range(1, 12):
        now = retry_time(failures, now, 0.0)
        times.append(now)
    assert times[0] == FIRST_RETRY_SECONDS
    assert len([one for one in times if one <= 3600.0]) <= 4
    assert times[-1] - times[-2] == LAST_RETRY_SECONDS
    assert retry_time(100_000, 0.0, 1.0) == pytest.approx(LAST_RETRY_SECONDS * 1.1)
