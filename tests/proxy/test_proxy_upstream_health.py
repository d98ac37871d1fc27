"""How an endpoint fares: pauses, trials, checks, and the way back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.proxy.upstream.health import FIRST_EJECTION, LEAST_SHARE, LONGEST_EJECTION, MANY_FAILED, Health


def test_a_place_is_fit_until_something_is_known_of_it() -> None:
    """A gate that starts before its apps must not wait for checks."""
    health = Health(10.0)
    assert health.up(0.0)
    assert health.usable(0.0)
    assert health.share(0.0) == 1.0


def test_pauses_double_and_end_at_a_minute() -> None:
    """Each trial that fails makes the next come later."""
    health, now, pauses = Health(0.0), 100.0, []
    for _ in range(9):
        pauses.append(health.unreachable(now))
        assert not health.up(now)
        now += pauses[-1]
        assert health.up(now)
    assert pauses == [FIRST_EJECTION, 2.0, 4.0, 8.0, 16.0, 32.0, LONGEST_EJECTION, LONGEST_EJECTION, LONGEST_EJECTION]


def test_requests_that_fail_at_the_same_time_are_one_failure() -> None:
    """A hundred visitors at the moment of a restart must not shut an endpoint for a minute."""
    health = Health(0.0)
    assert [health.unreachable(5.0) for _ in range(100)] == [FIRST_EJECTION] + [0.0] * 99
    assert health.up(6.0)


def test_after_a_pause_there_is_one_trial() -> None:
    """One visitor waits for it, not everybody."""
    health = Health(0.0)
    health.unreachable(0.0)
    assert health.usable(1.0)
    health.trying = True
    assert not health.usable(1.0)
    assert health.up(1.0)


def test_only_an_answer_makes_the_pauses_short_again() -> None:
    """An endpoint that takes connections and never answers is not well."""
    health = Health(0.0)
    assert health.unreachable(0.0) == 1.0
    assert health.connected(1.0)
    assert health.unreachable(2.0) == 2.0
    assert health.connected(4.0)
    health.answered()
    assert health.unreachable(5.0) == 1.0


def test_requests_without_an_answer_count_only_in_a_row() -> None:
    """One request that always times out is the request's fault."""
    health = Health(0.0)
    for _ in range(10):
        for _ in range(MANY_FAILED - 1):
            assert health.failed(0.0) == 0.0
        health.answered()
    for _ in range(MANY_FAILED - 1):
        assert health.failed(0.0) == 0.0
    assert health.failed(0.0) > 0


def test_a_failed_check_shuts_a_place_until_one_passes() -> None:
    """However long that takes."""
    health = Health(0.0)
    assert health.checked(False, 0.0)
    assert not health.checked(False, 10.0)
    assert not health.up(1e6)
    assert health.checked(True, 1e6)
    assert health.usable(1e6)
    assert not health.checked(True, 1e6 + 10)


def test_a_check_that_passes_ends_a_pause() -> None:
    """It proves what the trial would."""
    health = Health(0.0)
    for now in (0.0, 1.0, 3.0):
        health.unreachable(now)
    assert health.checked(True, 4.0)
    assert health.usable(4.0)
    assert health.unreachable(5.0) == FIRST_EJECTION


@pytest.mark.parametrize(("after", "share"), [(0.0, LEAST_SHARE), (0.5, LEAST_SHARE), (5.0, 0.5), (10.0, 1.0)])
def test_a_place_that_came_back_gets_its_share_slowly(after: float, share: float) -> None:
    """slow_start: caches are cold, and everybody has waited for it."""
    health = Health(10.0)
    health.unreachable(0.0)
    health.connected(1.0)
    assert health.share(1.0 + after) == pytest.approx(share)


def test_without_slow_start_it_gets_everything_at_once() -> None:
    """slow_start = "0s"."""
    health = Health(0.0)
    health.unreachable(0.0)
    health.connected(1.0)
    assert health.share(1.0) == 1.0


EVENTS = ("unreachable", "failed", "answered", "connected", "fit", "unfit")


@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.floats(0, 100))))
def test_no_place_is_shut_for_ever_by_what_requests_met(events: list[tuple[str, float]]) -> None:
    """Whatever happened, a minute later an endpoint is usable, unless its last check failed."""
    health, now, fit = Health(10.0), 0.0, True
    for event, pause in events:
        now += pause
        if event in ("fit", "unfit"):
            fit = event == "fit"
            health.checked(fit, now)
        elif event == "answered":
            health.answered()
        else:
            getattr(health, event)(now)
        assert health.usable(now + LONGEST_EJECTION) == fit
        assert LEAST_SHARE <= health.share(now) <= 1.0
