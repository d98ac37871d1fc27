"""Dates in headers: RFC 9110, 5.6.7."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.wire.dates import http_date


@pytest.mark.parametrize(
    ("seconds", "date"),
    [
        (784111777, "Sun, 06 Nov 1994 08:49:37 GMT"),  # the RFC's own example
        (951782400.9, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ],
)
def test_a_date_is_an_imf_fixdate(seconds: float, date: str) -> None:
    """In English and in GMT, whatever the machine speaks; fractions are cut off."""
    assert http_date(seconds) == date


@given(st.integers(0, 253402300799))
def test_it_is_what_the_standard_library_writes(seconds: int) -> None:
    """`email.utils` is too large for a gate, but not for a test."""
    assert http_date(seconds) == formatdate(seconds, usegmt=True)
