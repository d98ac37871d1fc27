"""RFC 9110, 12.5: which body and which language a visitor gets."""

import pytest

from gatekeeper.refusal.negotiation import LONGEST_FIELD, choose_language, prefers_page, recognize_platform
from tests.growth import grows_linearly
from tests.refusal.presented import CHROME

PAGE = [
    CHROME,
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "text/html, application/xhtml+xml, */*",
    "text/html",
    "TEXT/HTML",
    "text/*",
    "text/html;q=0.5, application/problem+json;q=0.4",
    "text/html;charset=utf-8, application/json;q=0.9",
    "application/json;q=0.1, text/html ; Q=0.2",
    ", text/html ,,",
    'text/html;note="a, b;q=0"',
    "application/signed-exchange;v=b3;q=0.7, text/html",
    "text/html;",
    "text/html;q=1.000",
    "application/*;q=0, */*",
]
PROBLEM = [
    "",
    "*/*",
    "application/json",
    "application/problem+json",
    "application/json, text/plain, */*",
    "application/json, text/html",
    "text/html, application/problem+json",
    "application/*, text/html;q=0.9",
    "image/avif,image/webp,image/apng,*/*;q=0.8",
    "text/css,*/*;q=0.1",
    "text/event-stream",
    "text/html;q=0",
    "text/html;q=0, */*",
    "text/html;q=0.001, */*",
    "image/png",
]
BROKEN = [
    "text/html;q=2",
    "text/html;q=",
    "text/html;q=0.1234",
    "text/html;q=nan",
    "text/html;q=1e0",
    "text/html;q=-1",
    "text/html garbage",
    "text",
    "text/html, \x00",
    "text/html;x",
    'text/html;x="unfinished',
    "text/html, text//html",
    "text/html\r\nX: y",
    "text/html;" + "x=y;" * LONGEST_FIELD,
]


@pytest.mark.parametrize("accept", PAGE)
def test_a_page_for_who_prefers_html(accept: str) -> None:
    """text/html weighs more, or as much and named more precisely."""
    assert prefers_page(accept)


@pytest.mark.parametrize("accept", PROBLEM)
def test_json_for_everybody_else(accept: str) -> None:
    """JSON weighs as much or more, or HTML is not acceptable."""
    assert not prefers_page(accept)


@pytest.mark.parametrize("accept", BROKEN)
def test_json_for_a_broken_field(accept: str) -> None:
    """A field with a syntax error anywhere, or too long, says nothing."""
    assert not prefers_page(accept)


@pytest.mark.parametrize(
    ("accept_language", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT", "de"),
        ("DE-at", "de"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("zh-Hans", "zh"),
        ("zh-Hans-CN", "zh"),
        ("fr-CA;q=0.5, es;q=0.7", "es"),
        ("fr, es", "fr"),
        ("pl, cs;q=0.9, de;q=0.1", "de"),
        ("de;q=0, fr;q=0.1", "fr"),
        ("de;q=0", "en"),
        ("*", "en"),
        ("*, de;q=0.5", "de"),
        ("ja", "en"),
        ("de;q=7, fr", "fr"),
        ("garbage!, es", "es"),
        ("deutsche", "en"),
        ("de ; q=0.3 , fr ; q=0.2", "de"),
        ("de," * LONGEST_FIELD, "en"),
    ],
)
def test_the_language_is_looked_up_by_weight_then_order(accept_language: str, language: str) -> None:
    """RFC 4647, 3.4: the best-weighted range whose primary subtag is available, else the default."""
    assert choose_language(accept_language, {"en", "de", "fr", "es", "zh"}, "en") == language


@pytest.mark.parametrize(
    ("user_agent", "platform"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML) Chrome/131.0.0.0 Safari/537.36",
            "windows",
        ),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.1 Safari/605.1.15", "mac"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML) Chrome/131.0.0.0 Safari/537.36", "linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0", "firefox"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1", "ios"),
        ("Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML) Chrome/131.0.0.0 Mobile", "android"),
        ("Mozilla/5.0 (Android 14; Mobile; rv:133.0) Gecko/133.0 Firefox/133.0", "android"),
        ("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36", "linux"),
        ("curl/7.88.1", ""),
        ("", ""),
        (" " * LONGEST_FIELD + "iPhone", ""),
    ],
)
def test_the_device_is_recognized_by_what_the_browser_calls_itself(user_agent: str, platform: str) -> None:
    """A phone before its system, Firefox on a computer before the computer; nothing, if it is not known."""
    assert recognize_platform(user_agent) == platform


@pytest.mark.parametrize("start", ["", "a/b", "de", 'a/b;a="'])
@pytest.mark.parametrize(
    "filling", [";", "; ", " ; ", ",", " ", "\t", "a/b;a=b ", "\\a", ";q=0", ";q=0.00 ", "-aa", ", de;"]
)
def test_no_field_takes_long_to_read(start: str, filling: str) -> None:
    """The expressions do not backtrack, in a field as long as any that is read and broken at its end."""

    def read(length: int) -> None:
        field = (start + filling * length)[: length - 1] + "!"
        prefers_page(field)
        choose_language(field, {"de"}, "en")

    assert grows_linearly(read, LONGEST_FIELD)
