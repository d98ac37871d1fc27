"""The life of an invitation."""

import pytest

from gatekeeper.invitations.state import (
    ALIVE,
    FETCH_SECONDS,
    LEASE_SECONDS,
    REPEAT_SECONDS,
    Stage,
    State,
    mark_of,
    may_take,
    now_is,
    over,
    read_state,
    settled,
    taken,
)

HERE, ELSEWHERE = mark_of("192.0.2.7", "d"), mark_of("192.0.2.8", "d")
BEGUN = taken(State(), HERE, 1000.9)
BROKEN = settled(BEGUN, whole=False, now=1010)
AGAIN = taken(BROKEN, HERE, 1100)
ASKED, SIGNED = (State(stage, 1000, mark="0" * 32) for stage in (Stage.ASKED, Stage.SIGNED))
OVER = [stage for stage in Stage if stage not in ALIVE]


@pytest.mark.parametrize("state", [State(), BEGUN, BROKEN, AGAIN, ASKED, SIGNED, *(over(stage, 5) for stage in OVER)])
def test_a_state_is_the_name_of_a_folder(state: State) -> None:
    """And the name is the state."""
    assert read_state(state.name) == state


@pytest.mark.parametrize(
    "name", ["opened", "open-5", "taken-1-2", "left-1-xyz", "used", "used-", "invitation.json", ""]
)
def test_other_names_are_no_state(name: str) -> None:
    """Whatever else lies there decides nothing."""
    assert read_state(name) is None


def test_an_address_is_not_written_down() -> None:
    """What stands for it differs between invitations, too."""
    assert HERE != ELSEWHERE
    assert mark_of("192.0.2.7", "e") != HERE
    assert "192" not in BEGUN.name


def test_an_open_one_may_be_taken_by_anybody() -> None:
    """Once."""
    assert may_take(State(), HERE)
    assert not may_take(BEGUN, HERE)
    assert not may_take(BEGUN, ELSEWHERE)


def test_a_download_that_broke_off_may_be_repeated_from_the_same_address_only() -> None:
    """As often as it breaks off."""
    assert may_take(BROKEN, HERE)
    assert not may_take(BROKEN, ELSEWHERE)
    assert may_take(settled(AGAIN, whole=False, now=1200), HERE)


def test_ten_minutes_count_from_the_first_time() -> None:
    """Else it could be kept alive for ever."""
    assert AGAIN.since == 1000
    last = settled(AGAIN, whole=False, now=1500)
    assert now_is(last, 1e9, 1000 + REPEAT_SECONDS - 1) == last
    assert now_is(last, 1e9, 1000 + REPEAT_SECONDS).stage is Stage.LOST


def test_a_whole_download_ends_it() -> None:
    """For everybody."""
    used = settled(BEGUN, whole=True, now=1010)
    assert used.stage is Stage.USED
    assert not used.alive
    assert not may_take(used, HERE)


def test_who_was_killed_while_handing_out_has_left() -> None:
    """After the lease the same address may try again, and after ten minutes it is lost."""
    assert now_is(BEGUN, 1e9, 1000 + LEASE_SECONDS - 1) == BEGUN
    assert now_is(BEGUN, 1e9, 1000 + LEASE_SECONDS) == State(Stage.LEFT, 1000, mark=HERE)
    assert now_is(BEGUN, 1e9, 1000 + REPEAT_SECONDS).stage is Stage.LOST


def test_its_time_ends_what_nobody_came_for() -> None:
    """Who came in time may still repeat."""
    assert now_is(State(), 2000, 1999) == State()
    assert now_is(State(), 2000, 2000) == over(Stage.ENDED, 2000)
    assert now_is(BROKEN, 1020, 1030) == BROKEN


@pytest.mark.parametrize("stage", [Stage.USED, Stage.LOST, Stage.ENDED, Stage.CANCELLED])
def test_what_is_over_stays_over(stage: Stage) -> None:
    """No time brings it back."""
    assert now_is(over(stage, 5), 10, 1e9) == over(stage, 5)
    assert not may_take(over(stage, 5), HERE)


def test_a_request_waits_as_long_as_the_invitation_holds() -> None:
    """Then nobody signs it any more."""
    assert now_is(ASKED, 5000, 4999.9) is ASKED
    assert now_is(ASKED, 5000, 5000) == over(Stage.ENDED, 5000)


def test_a_certificate_waits_a_day_or_longer() -> None:
    """A day after it was signed, or until the end of the invitation if that is later."""
    for ends in (1001, 1000 + 2 * FETCH_SECONDS):
        end = max(ends, 1000 + FETCH_SECONDS)
        assert now_is(SIGNED, ends, end - 0.1) is SIGNED
        assert now_is(SIGNED, ends, end) == over(Stage.USED, end)


@pytest.mark.parametrize("state", [ASKED, SIGNED])
def test_what_a_computer_has_asked_for_is_no_download(state: State) -> None:
    """Not for the address that asked either."""
    assert state.alive
    assert not may_take(state, state.mark)
