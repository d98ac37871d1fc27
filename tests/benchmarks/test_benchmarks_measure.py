"""What makes the figures of a run invalid."""

from dataclasses import replace

import pytest

from benchmarks.gate import names_client
from benchmarks.measure import find_faults
from benchmarks.scenarios import GROWTH, SCENARIOS, Scenario
from benchmarks.wrk import Counters, Requests, Summary

FINE = Summary(requests=1000, microseconds=1_000_000, bytes=400_000, connect=0, read=0, write=0, status=0, timeout=0)
COUNTED = Counters(handshakes=32, resumed=0, failed=0, answered=32, requests=1000)
LOAD = Requests("/100b")
PLAIN = Scenario("small", "100 B", LOAD)


def test_a_run_in_which_all_is_well_has_no_faults() -> None:
    """The base of the cases below."""
    assert find_faults(PLAIN, LOAD, FINE, COUNTED) == []


@pytest.mark.parametrize(
    ("summary", "counters", "words"),
    [
        (replace(FINE, status=1), COUNTED, "status from 400 up"),
        (replace(FINE, bytes=99_999), COUNTED, "99999 bytes"),
        (FINE, replace(COUNTED, failed=2), "2 handshakes failed"),
        (FINE, replace(COUNTED, resumed=1), "1 handshakes were resumed"),
    ],
)
def test_anything_unwanted_is_a_fault(summary: Summary, counters: Counters, words: str) -> None:
    """One at a time."""
    (fault,) = find_faults(PLAIN, LOAD, summary, counters)
    assert words in fault


def test_where_403_is_wanted_every_answer_must_be_one() -> None:
    """An admitted request among the refused is a fault."""
    refused = replace(PLAIN, status=403, body=0)
    assert find_faults(refused, LOAD, replace(FINE, status=1000), COUNTED) == []
    assert find_faults(refused, LOAD, replace(FINE, status=999), COUNTED) != []


def test_where_resumption_is_measured_it_must_happen() -> None:
    """All but the first handshake of each connection."""
    load = replace(LOAD, close=True, resume=True)
    assert find_faults(PLAIN, load, FINE, replace(COUNTED, handshakes=1032, resumed=1000)) == []
    assert find_faults(PLAIN, load, FINE, replace(COUNTED, handshakes=1032, resumed=0)) != []


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("0A1B", True),
        ("a1b", True),
        ("CN=benchmark client,O=Benchmark", True),
        ("Subject%3D%22CN%3Dbenchmark+client%22", True),
        ("forged by the client", False),
    ],
)
def test_an_identity_header_must_name_the_client(value: str, named: bool) -> None:
    """By serial or by name, as the product writes it."""
    assert names_client(value, 0x0A1B) is named


def test_names_of_scenarios_are_different() -> None:
    """They choose on the command line and key the results."""
    names = [scenario.name for scenario in (*SCENARIOS, *GROWTH)]
    assert len(names) == len(set(names))
