"""wrk's account of itself, and what is made of the shim's counters."""

import dataclasses
import re

import pytest

from benchmarks.processes import BenchmarkError
from benchmarks.wrk import BUCKET_MICROSECONDS, BUCKETS, SHIM_SOURCE, Counters, Requests, parse_summary, percentile

OUTPUT = """\
Running 10m test @ https://127.0.0.1:20443/100b
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.05ms  312.41us   9.01ms   84.05%
    Req/Sec    30.55k     1.26k   32.10k    76.00%
  30557 requests in 1.01s, 9.41MB read
Requests/sec:  30271.33
Transfer/sec:      9.33MB
SUMMARY {"requests":30557,"microseconds":1009437,"bytes":9869911,"connect":0,"read":2,"write":0,"status":7,"timeout":0}
"""


def test_the_summary_is_read_from_the_line_of_our_script() -> None:
    """Not from wrk's own lines, which are rounded."""
    summary = parse_summary(OUTPUT)
    assert (summary.requests, summary.bytes, summary.status) == (30557, 9869911, 7)


def test_errors_of_the_connection_are_faults_and_status_codes_are_not() -> None:
    """Which status is wrong depends on the scenario."""
    assert parse_summary(OUTPUT).faults() == ["2 read errors"]


def test_wrk_without_a_summary_is_an_error_with_its_words() -> None:
    """For instance when it cannot connect at all."""
    with pytest.raises(BenchmarkError, match="unable to connect"):
        parse_summary("unable to connect to 127.0.0.1:1 Connection refused\n")


@pytest.mark.parametrize(("fraction", "bucket"), [(0.5, 2), (0.98, 2), (0.99, 7), (1.0, 7)])
def test_a_percentile_is_the_bucket_that_reaches_the_share(fraction: float, bucket: int) -> None:
    """Of a hundred, ninety-eight are in bucket 2 and two in bucket 7."""
    histogram = [0, 0, 98, 0, 0, 0, 0, 2]
    assert percentile(histogram, fraction) == (bucket + 0.5) * BUCKET_MICROSECONDS


def test_no_latency_is_no_percentile() -> None:
    """Zero, not an exception: the sample says elsewhere that nothing was answered."""
    assert percentile([0, 0], 0.99) == 0.0


def test_a_header_value_cannot_end_the_lua_string() -> None:
    """Quotes in a value are escaped for Lua."""
    script = Requests("/", headers=(("Sec-CH-UA", '"Chromium";v="142"'),)).script()
    assert 'wrk.headers["Sec-CH-UA"] = "\\"Chromium\\";v=\\"142\\""' in script


def test_the_shim_writes_what_is_read() -> None:
    """The same counters in the same order, and the same buckets; the two sides share memory."""
    source = SHIM_SOURCE.read_text()
    (members,) = re.findall(r"uint64_t ([a-z, ]+), latency\[BUCKETS\];", source)
    assert members.split(", ") == [field.name for field in dataclasses.fields(Counters)]
    assert re.search(rf"#define BUCKETS {BUCKETS}\b", source)
    assert re.search(rf"#define BUCKET_MICROSECONDS {BUCKET_MICROSECONDS}\b", source)
