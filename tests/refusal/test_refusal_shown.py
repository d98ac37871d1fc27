"""Text of strangers on the page: bounded, and nothing in it that cannot be seen."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.refusal.shown import (
    LONGEST_NAME,
    LONGEST_PARAGRAPH,
    LONGEST_REQUEST_ID,
    header_safe,
    minutes,
    rfc3339,
    show,
    visible,
)
from tests.refusal.presented import CERTIFICATE


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("alice", "alice"),
        ("Jürgen 王 שלום", "Jürgen 王 שלום"),
        ("a\r\nb", "a‹U+000D›‹U+000A›b"),
        ("\x1b[31m", "‹U+001B›[31m"),
        ("a\u202ecod.exe", "a‹U+202E›cod.exe"),
        ("a\u200bb", "a‹U+200B›b"),
        ("a\u3164b\ufe0f", "a‹U+3164›b‹U+FE0F›"),
        ("\ud800", "‹U+D800›"),
        ("\U000e0041", "‹U+E0041›"),
    ],
)
def test_unseen_characters_are_spelled_out(text: str, shown: str) -> None:
    """Control, format, separator and surrogate characters become code points, letters of any script stay."""
    assert visible(text, 100) == shown


def test_long_text_is_cut_with_an_ellipsis() -> None:
    """A limit of ten characters means ten, the ellipsis among them."""
    assert visible("a" * 8192, 10) == "aaaaaaaaa…"
    assert visible("a" * 10, 10) == "a" * 10


@given(st.text(st.characters()))
def test_what_is_shown_can_always_be_seen_and_encoded(text: str) -> None:
    """Whatever comes in, what goes out is printable UTF-8 of bounded length."""
    shown = visible(text, 50)
    assert shown.isprintable()
    assert len(shown.encode()) <= 50 * 16


@given(st.text(st.characters()))
def test_a_request_id_never_breaks_out_of_its_header_field(text: str) -> None:
    """Only visible ASCII is left, and not much of it."""
    safe = header_safe(text)
    assert len(safe) <= LONGEST_REQUEST_ID
    assert all("!" <= char <= "~" for char in safe)


@pytest.mark.parametrize(
    ("seconds", "json", "page"),
    [
        (1_795_460_400, "2026-11-23T19:00:00Z", "2026-11-23 19:00 UTC"),
        (1_795_460_459.9, "2026-11-23T19:00:59Z", "2026-11-23 19:00 UTC"),
        (0, "1970-01-01T00:00:00Z", "1970-01-01 00:00 UTC"),
        (-1_000_000_000, "1938-04-24T22:13:20Z", "1938-04-24 22:13 UTC"),
        (253_402_300_799, "9999-12-31T23:59:59Z", "9999-12-31 23:59 UTC"),
    ],
)
def test_every_date_that_a_certificate_can_hold_is_written(seconds: float, json: str, page: str) -> None:
    """In UTC, before 1970 and in the year 9999 too."""
    assert rfc3339(seconds) == json
    assert minutes(seconds) == page


def test_the_issuer_is_its_common_name_or_else_its_whole_name() -> None:
    """An authority without a CN is shown by its distinguished name."""
    assert show(CERTIFICATE).issuer == "Home CA"
    assert show(replace(CERTIFICATE, issuer="O=Home", issuer_common_names=())).issuer == "O=Home"


def test_a_blank_name_is_no_name() -> None:
    """A common name of spaces is shown like none at all."""
    assert show(replace(CERTIFICATE, common_names=("  ",))).name == ""


def test_every_field_of_a_certificate_is_bounded() -> None:
    """8 KiB in each name: the page shows a line or two, a paragraph in the details."""
    long = "x" * 8192
    shown = show(
        replace(CERTIFICATE, common_names=(long,), issuer_common_names=(long,), subject=long, issuer=long, serial=long)
    )
    assert {len(shown.name), len(shown.issuer), len(shown.serial)} == {LONGEST_NAME}
    assert {len(shown.subject_dn), len(shown.issuer_dn)} == {LONGEST_PARAGRAPH}
