"""h2load's account of itself."""

import pytest

from benchmarks.h2load import faults
from benchmarks.processes import BenchmarkError

OUTPUT = """\
finished in 1.50s, 18689.33 req/s, 2.49MB/s
requests: 28034 total, 28066 started, 28034 done, {} succeeded, {} failed, {} errored, {} timeout
status codes: 28034 2xx, 0 3xx, 0 4xx, 0 5xx
"""


def test_a_run_without_a_fault() -> None:
    """Every request was answered."""
    assert faults(OUTPUT.format(28034, 0, 0, 0)) == []


def test_what_went_wrong_is_told() -> None:
    """Each kind with its number."""
    assert faults(OUTPUT.format(28025, 2, 3, 4)) == ["2 requests failed", "3 requests errored", "4 requests timeout"]


def test_h2load_without_a_summary_is_an_error_with_its_words() -> None:
    """For instance where it does not know an option."""
    with pytest.raises(BenchmarkError, match="unrecognized option"):
        faults("h2load: unrecognized option '--qlog'\n")
