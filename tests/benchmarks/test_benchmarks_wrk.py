"""wrk's account of itself, and what is made of the shim's counters."""

import subprocess
from pathlib import Path

import pytest

from benchmarks.processes import BenchmarkError
from benchmarks.wrk import (
    BUCKET_MICROSECONDS,
    BUCKETS,
    COUNTERS,
    LATENCIES,
    Requests,
    build_shim,
    parse_summary,
    percentile,
)
from tests.tools import needs

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


def test_the_shim_compiles_and_agrees_on_the_layout(tmp_path: Path) -> None:
    """The counters that C writes are the bytes that Python reads."""
    needs("cc")
    if not Path("/usr/include/openssl/ssl.h").exists():
        pytest.skip("not installed: libssl-dev")
    build_shim(tmp_path)
    program = tmp_path / "size.c"
    source = Path(__file__).parents[2] / "benchmarks" / "shim.c"
    main = 'int main(void) { printf("%zu %d\\n", sizeof(struct counters), BUCKET_MICROSECONDS); }'
    program.write_text(f'#include "{source}"\n{main}\n')
    # The constructor of the shim wants its file.
    (tmp_path / "counters").write_bytes(bytes(COUNTERS.size + BUCKETS * 8))
    subprocess.run(["cc", "-o", tmp_path / "size", program, "-lssl", "-lcrypto", "-ldl"], check=True)
    env = {"SHIM_COUNTERS": str(tmp_path / "counters")}
    said = subprocess.run([tmp_path / "size"], env=env, capture_output=True, text=True, check=True).stdout.split()
    assert said == [str(COUNTERS.size + LATENCIES.size), str(BUCKET_MICROSECONDS)]
