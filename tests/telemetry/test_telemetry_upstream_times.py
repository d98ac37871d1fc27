"""gatekeeper.telemetry.upstream_times: what is known of an app's latency."""

import os
from dataclasses import astuple

import pytest

from gatekeeper.telemetry.ledger import Ledger
from gatekeeper.telemetry.upstream_times import (
    BOUNDS,
    CELLS,
    MARK_SECONDS,
    PLACES,
    WINDOW_SECONDS,
    UpstreamTimes,
    latency,
)


def new_times() -> UpstreamTimes:
    return UpstreamTimes(memoryview(bytearray(CELLS * 8)).cast("Q"))


def bucket(seconds: float) -> int:
    return next((index for index, bound in enumerate(BOUNDS) if seconds <= bound), len(BOUNDS))


@pytest.mark.parametrize("seconds", [0.0, 0.0005, 0.00051, 0.025, 10.0, 10.01, 3600.0])
def test_a_time_falls_into_the_bucket_that_holds_it(seconds: float) -> None:
    """A bound belongs to its bucket, as Prometheus has it (le)."""
    times = new_times()
    times.assign(["app"])["app"].append(seconds)
    times.publish(0.0)
    counts, total = times.total("app")
    assert [index for index, count in enumerate(counts) if count] == [bucket(seconds)]
    assert total == seconds


def test_each_app_is_counted_by_itself() -> None:
    """Also several that answer in the same second, and none twice."""
    times = new_times()
    lists = times.assign(["one", "two"])
    lists["one"] += [0.25, 0.5]
    lists["two"].append(3.0)
    times.publish(0.0)
    times.publish(1.0)
    assert (sum(times.total("one")[0]), times.total("one")[1]) == (2, 0.75)
    assert (sum(times.total("two")[0]), times.total("two")[1]) == (1, 3.0)
    assert sum(times.total("three")[0]) == 0


@pytest.mark.parametrize("came", [6000, 6059])
def test_only_the_last_minutes_are_recent(came: int) -> None:
    """A response is recent for more than four minutes and for at most five; the total keeps it."""
    times = new_times()
    app = times.assign(["app"])["app"]
    times.publish(5999.0)
    times.publish(6000.0)
    seen = {}
    for second in range(came, 6000 + WINDOW_SECONDS + MARK_SECONDS):
        if second == came:
            app.append(0.1)
        times.publish(float(second))
        seen[second] = sum(times.recent("app", float(second)))
    assert [second for second, count in seen.items() if count] == list(range(came, 6000 + WINDOW_SECONDS))
    assert sum(times.total("app")[0]) == 1


def test_a_worker_that_was_held_up_for_minutes_forgets_what_is_old() -> None:
    """It copies its counts for each minute that it missed."""
    times = new_times()
    app = times.assign(["app"])["app"]
    times.publish(6000.0)
    app.append(0.1)
    times.publish(6001.0)
    times.publish(7000.0)
    assert sum(times.recent("app", 7000.0)) == 0


def test_a_successor_continues_the_total_and_has_nothing_recent() -> None:
    """It is another process, which knows only what stands in the shared memory."""
    memory = memoryview(bytearray(CELLS * 8)).cast("Q")
    first = UpstreamTimes(memory)
    first.assign(["other", "app"])["app"].append(0.25)
    first.publish(6000.0)
    second = UpstreamTimes(memory)
    second.assign(["app"])["app"].append(0.5)
    second.publish(6030.0)
    assert (sum(second.total("app")[0]), second.total("app")[1]) == (2, 0.75)
    assert sum(second.recent("app", 6030.0)) == 0


def test_another_process_reads_the_same() -> None:
    """Python's hash of a name is secret, and the same in every process that is forked."""
    ledger = Ledger(2)
    pid = os.fork()
    if pid == 0:
        ledger.rows[1].upstream_times.assign(["app"])["app"].append(0.002)
        ledger.rows[1].beat(6000.0)
        os._exit(0)
    os.waitpid(pid, 0)
    assert sum(ledger.upstream_times("app")[0]) == 1


def test_the_rows_of_all_workers_are_added() -> None:
    """Whichever worker answered."""
    ledger = Ledger(2)
    for row in ledger.rows:
        row.beat(6000.0)
        row.upstream_times.assign(["app"])["app"].append(0.002)
        row.beat(6001.0)
    found = ledger.latency("app", 6001.0)
    assert found is not None
    assert found.responses == 2


def test_an_app_that_is_no_more_makes_room() -> None:
    """The newcomer begins at zero; those that are still there keep their counts."""
    times = new_times()
    names = [f"app{number}" for number in range(PLACES - 1)]
    for app in times.assign(names).values():
        app.append(0.1)
    times.publish(0.0)
    times.assign([*names[1:], "new"])
    assert sum(times.total("new")[0]) == 0
    assert sum(times.total("app0")[0]) == 0
    assert all(sum(times.total(name)[0]) == 1 for name in names[1:])


def test_more_apps_than_places_do_no_harm() -> None:
    """They are not counted, and what is collected of them does not grow."""
    times = new_times()
    lists = times.assign(f"app{number}" for number in range(PLACES + 1))
    beyond = lists[f"app{PLACES}"]
    beyond.append(0.1)
    times.publish(0.0)
    assert beyond == []
    assert sum(times.total(f"app{PLACES}")[0]) == 0
    assert all(sum(times.total(f"app{number}")[0]) == 0 for number in range(PLACES))


def test_quantiles_are_estimated_within_their_bucket() -> None:
    """As histogram_quantile does: evenly spread, and the highest bound for what is longer."""
    counts = [0] * (len(BOUNDS) + 1)
    assert latency(counts) is None
    counts[4] = 100  # 5 to 10 ms
    found = latency(counts)
    assert found is not None
    assert astuple(found) == pytest.approx((100, 0.0075, 0.00975))
    counts[-1] = 100
    found = latency(counts)
    assert found is not None
    assert astuple(found) == pytest.approx((200, 0.01, BOUNDS[-1]))
