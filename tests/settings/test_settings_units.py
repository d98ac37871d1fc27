"""Durations and sizes as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.settings.units import parse_duration, parse_rate, parse_size, write_duration, write_rate, write_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0),
        ("500ms", 0.5),
        ("30s", 30),
        ("5m", 300),
        ("2h", 7200),
        ("14d", 1209600),
        ("1h30m", 5400),
        ("7ms", 0.007),
    ],
)
def test_a_duration_is_numbers_with_units(text: str, seconds: float) -> None:
    """Each number has its unit; several add up."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "s",
        "5 s",
        " 5s",
        "5s ",
        "-5s",
        "+5s",
        "5.5s",
        "5S",
        "1w",
        "1e3s",
        "٥s",
        "5s\n",
        "1_0s",
        "1000000000000s",
        "1h 5m",
    ],
)
def test_anything_else_is_no_duration(text: str) -> None:
    """No bare numbers, signs, fractions, spaces, foreign digits, unknown units."""
    with pytest.raises(ValueError, match=r"^$"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=400 * 86_400_000))
def test_a_written_duration_reads_back(milliseconds: int) -> None:
    """To the millisecond."""
    assert parse_duration(write_duration(milliseconds / 1000)) == milliseconds / 1000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.5, "500ms"),
        (60, "60s"),
        (75, "75s"),
        (120, "2m"),
        (3600, "1h"),
        (5400, "90m"),
        (14 * 86400, "14d"),
    ],
)
def test_a_duration_is_written_as_people_would(seconds: float, text: str) -> None:
    """One number, one unit."""
    assert write_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [("0B", 0), ("512B", 512), ("32KiB", 32768), ("1MiB", 1 << 20), ("2GiB", 2 << 30), ("1TiB", 1 << 40)],
)
def test_a_size_is_a_number_with_a_binary_unit(text: str, size: int) -> None:
    """KiB is 1024 bytes."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "5", "5KB", "5kB", "5K", "5kib", "1.5MiB", "-1B", "1 MiB", "1MiB\n", "٥B", "1MiB1KiB"]
)
def test_anything_else_is_no_size(text: str) -> None:
    """Decimal units are read as 1000 by some and 1024 by others, so they are refused."""
    with pytest.raises(ValueError, match=r"^$"):
        parse_size(text)


@given(st.integers(min_value=0, max_value=10**12 - 1))
def test_a_written_size_reads_back(size: int) -> None:
    """In whatever unit it was written."""
    assert parse_size(write_size(size)) == size


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0B"), (1000, "1000B"), (1024, "1KiB"), (1536, "1536B"), (8 << 20, "8MiB")]
)
def test_a_size_is_written_in_the_largest_unit_that_divides_it(size: int, text: str) -> None:
    """So that 32768 is shown as it was configured."""
    assert write_size(size) == text


@pytest.mark.parametrize(
    ("text", "rate"), [("50/s", 50.0), ("1/s", 1.0), ("90/m", 1.5), ("100/m", 100 / 60), ("1/h", 1 / 3600)]
)
def test_a_rate_is_read_and_written(text: str, rate: float) -> None:
    """Requests in a second, a minute or an hour."""
    assert parse_rate(text) == rate
    assert write_rate(rate) == text


@pytest.mark.parametrize("text", ["0/s", "1/d", "1", "/s", "-1/s", "1.5/s", "1 /s", "1/s ", "1000000/s0"])
def test_what_is_no_rate(text: str) -> None:
    """Nothing a day, and nothing that is no whole number."""
    with pytest.raises(ValueError, match=r"^$"):
        parse_rate(text)
