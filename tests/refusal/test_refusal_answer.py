"""The answers as a whole: status, header fields, body."""

import json
import logging
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeeper.errors import ConfigurationError
from gatekeeper.gate.verdict import Reason, Refuse
from gatekeeper.refusal.answer import Answer, Recipient, RefusalPages
from gatekeeper.refusal.catalogue import catalogues
from gatekeeper.refusal.page import builtin_page
from tests.refusal.presented import CERTIFICATE, CHROME, CURL, EXPIRED, HOSTILE, NOW, refuse

PAGES = RefusalPages(contact="you@example.com")
STATUSES = [400, 404, 405, 408, 413, 414, 417, 421, 426, 431, 500, 501, 502, 503, 504, 505]


def refused(refusal: Refuse, *, pages: RefusalPages = PAGES, accept: str = CHROME, language: str = "") -> Answer:
    return pages.refused(refusal, Recipient("01JD", accept, language, host="app.example.com"), NOW)


def failed(status: int, *, pages: RefusalPages = PAGES, accept: str = CHROME, language: str = "") -> Answer:
    return pages.failed(status, "Why it failed.", Recipient("01JD", accept, language))


@pytest.mark.parametrize("reason", Reason)
def test_the_page_of_every_reason(reason: Reason) -> None:
    """403 with exactly these header fields; the reason's own words, the certificate, the contact, the request id."""
    answer = refused(refuse(reason, EXPIRED if reason is Reason.EXPIRED else replace(CERTIFICATE, not_before=NOW + 1)))
    assert answer.status == 403
    assert answer.headers == (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Language", "en"),
        ("Content-Security-Policy", builtin_page().policy),
        ("Cache-Control", "no-store"),
        ("Vary", "Accept, Accept-Language"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Gatekeeper-Reason", reason.value),
        ("X-Request-Id", "01JD"),
    )
    page = answer.body.decode()
    assert f"<h1>{catalogues()['en'].topics[reason].what}</h1>" in page
    assert "2026-11-23 19:00 UTC" in page
    assert ">you@example.com</a>" in page
    assert '<code title="01JD">01JD</code>' in page
    assert ("alice&#39;s laptop" in page) == (reason is not Reason.NO_CERTIFICATE)


@pytest.mark.parametrize("reason", Reason)
def test_the_problem_of_every_reason(reason: Reason) -> None:
    """403 with exactly these header fields, in English whatever the visitor reads."""
    answer = refused(refuse(reason), accept=CURL, language="de")
    assert answer.status == 403
    assert answer.headers == (
        ("Content-Type", "application/problem+json"),
        ("Content-Language", "en"),
        ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
        ("Cache-Control", "no-store"),
        ("Vary", "Accept, Accept-Language"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Gatekeeper-Reason", reason.value),
        ("X-Request-Id", "01JD"),
    )
    problem = json.loads(answer.body)
    assert (problem["reason"], problem["request_id"]) == (reason, "01JD")
    assert ("certificate" in problem) == (reason is not Reason.NO_CERTIFICATE)


@pytest.mark.parametrize("status", STATUSES)
def test_both_forms_of_every_failure(status: int) -> None:
    """The status of the cause, no reason, the detail in either form."""
    page, problem = failed(status), failed(status, accept=CURL)
    assert page.status == problem.status == status
    assert "Gatekeeper-Reason" not in dict(page.headers) | dict(problem.headers)
    assert "Why it failed." in page.body.decode()
    assert json.loads(problem.body)["detail"] == "Why it failed."


@pytest.mark.parametrize("accept", [CHROME, CURL])
def test_retry_after_is_told_where_it_is_known(accept: str) -> None:
    """RFC 9110, 10.2.3, in seconds."""
    answer = PAGES.failed(503, "", Recipient("01JD", accept), retry_after=7)
    assert dict(answer.headers)["Retry-After"] == "7"
    assert "Retry-After" not in dict(failed(503, accept=accept).headers)


@pytest.mark.parametrize(
    ("language", "tag"),
    [("de-AT,de;q=0.9", "de"), ("es-MX", "es"), ("fr", "fr"), ("zh-CN", "zh-Hans"), ("pl", "en"), ("", "en")],
)
def test_the_page_speaks_the_visitors_language(language: str, tag: str) -> None:
    """In the header field, in the lang attribute and in the words."""
    words = catalogues()[tag.split("-")[0]].topics["expired"].what
    answer = refused(refuse(Reason.EXPIRED, EXPIRED), language=language)
    assert dict(answer.headers)["Content-Language"] == tag
    assert f'<html lang="{tag}">' in answer.body.decode()
    assert f"<h1>{words}</h1>" in answer.body.decode()


def test_the_field_to_blame_is_marked() -> None:
    """An expired certificate has its end marked; where the authority has expired, the authority."""
    own = refused(refuse(Reason.EXPIRED, EXPIRED)).body.decode()
    authority = refused(refuse(Reason.EXPIRED, CERTIFICATE)).body.decode()
    assert '<dt>Valid until</dt><dd><bdi>2026-11-20 19:00 UTC</bdi> <span class="mark">has passed</span>' in own
    assert '<dt>Issued by</dt><dd><bdi>Home CA</bdi> <span class="mark">has expired</span>' in authority
    assert own.count('class="mark"') == authority.count('class="mark"') == 1


@pytest.mark.parametrize(
    ("reason", "row"),
    [
        (Reason.REVOKED, "<dt>Serial number</dt><dd><code><bdi>0A1B2C3D</bdi></code>"),
        (Reason.NOT_ALLOWED, "<dt>Name</dt><dd><bdi>alice&#39;s laptop</bdi>"),
        (Reason.WRONG_PURPOSE, "<dt>Made for</dt><dd><bdi>serverAuth, 1.2.3.4</bdi>"),
        (Reason.REVOCATION_UNKNOWN, "<dt>Issued by</dt><dd><bdi>Home CA</bdi>"),
    ],
)
def test_every_reason_marks_what_it_is_about(reason: Reason, row: str) -> None:
    """So that a person who reads the page out names the right thing."""
    server = replace(CERTIFICATE, purposes=("1.3.6.1.5.5.7.3.1", "1.2.3.4"))
    page = refused(refuse(reason, server)).body.decode()
    mark = catalogues()["en"].topics[str(reason)].mark
    assert f'{row} <span class="mark">{mark}</span>' in page
    assert page.count('class="mark"') == 1


@pytest.mark.parametrize("language", sorted(catalogues()))
def test_the_page_says_how_one_gets_a_certificate_here(language: str) -> None:
    """In its first lines, where certificates come by invitation; and nowhere else."""
    words = catalogues()[language].words
    inviting = RefusalPages(contact="you@example.com", invites=True)
    page = refused(refuse(Reason.NO_CERTIFICATE), pages=inviting, language=language).body.decode()
    head = page[page.index("<h1>") : page.index("</header>")]
    assert words.invited in head
    assert ">you@example.com</a>" in head
    for other in (
        refused(refuse(Reason.NO_CERTIFICATE), language=language),
        refused(refuse(Reason.REVOKED), pages=inviting, language=language),
    ):
        assert words.invited not in other.body.decode()


@pytest.mark.parametrize("language", sorted(catalogues()))
def test_nobody_is_named_below_where_no_contact_is_set(language: str) -> None:
    """The page then sends the visitor to whoever gave them the address."""
    words = catalogues()[language].words
    page = refused(refuse(Reason.NO_CERTIFICATE), pages=RefusalPages(invites=True), language=language).body.decode()
    assert words.invited_by_somebody in page
    assert words.invited not in page
    assert words.invited_by_somebody != words.invited


@pytest.mark.parametrize("language", sorted(catalogues()))
def test_a_certificate_that_the_browser_keeps_back_is_spoken_of_openly(language: str) -> None:
    """Chromium never sends one that has expired, is not valid yet or is for servers: its owner lands on this page."""
    words = catalogues()[language].words
    page = refused(refuse(Reason.NO_CERTIFICATE), language=language).body.decode()
    assert words.unsent in page[page.index("<h1>") : page.index("</header>")]
    assert words.unsent not in refused(refuse(Reason.EXPIRED, EXPIRED), language=language).body.decode()


@pytest.mark.parametrize("accept", [CHROME, CURL])
@pytest.mark.parametrize("reason", Reason)
def test_minimal_leaks_nothing(reason: Reason, accept: str) -> None:
    """Whatever the certificate and the detail hold, two visitors refused for the same reason cannot be told apart."""
    pages = RefusalPages(detail="minimal")
    secret = replace(EXPIRED, subject="CN=secret", common_names=("secret",), issuer="CN=secret", sha256="99" * 32)
    one = refused(Refuse(reason, "secret", secret), pages=pages, accept=accept)
    other = refused(Refuse(reason, "What was found.", None), pages=pages, accept=accept)
    assert one == other
    assert dict(one.headers)["Gatekeeper-Reason"] == reason


@pytest.mark.parametrize("accept", [CHROME, CURL])
def test_minimal_leaves_out_why_something_failed(accept: str) -> None:
    """The status is all there is."""
    assert b"Why it failed" not in failed(502, pages=RefusalPages(detail="minimal"), accept=accept).body


def test_a_page_that_has_a_topic_of_its_own_does_not_say_it_twice() -> None:
    """A person reads the topic, a program the detail."""

    def over(accept: str) -> bytes:
        return PAGES.failed(410, "Used.", Recipient("1", accept), topic="invitation_used").body

    assert b"Used." not in over(CHROME)
    assert b"Used." in over(CURL)


@pytest.mark.parametrize("accept", [CHROME, CURL])
def test_hostile_fields_never_reach_the_header(accept: str) -> None:
    """A request id and a host full of line ends: every header value stays one line of visible ASCII."""
    hostile = replace(CERTIFICATE, subject=HOSTILE, issuer=HOSTILE, common_names=(HOSTILE,))
    answer = PAGES.refused(
        Refuse(Reason.EXPIRED, HOSTILE, hostile),
        Recipient("a\r\nSet-Cookie: b=c\u2028", accept, HOSTILE, host=HOSTILE, user_agent=HOSTILE),
        NOW,
    )
    assert dict(answer.headers)["X-Request-Id"] == "a__Set-Cookie:_b=c_"
    assert all(char == " " or "!" <= char <= "~" for name, value in answer.headers for char in name + value)
    assert b"<script" not in answer.body or accept == CURL
    assert b"\r" not in answer.body
    assert b"\x1b" not in answer.body


@settings(max_examples=200)
@given(
    text=st.text(st.characters()),
    accept=st.one_of(st.just(CHROME), st.text(st.characters())),
    reason=st.sampled_from(Reason),
)
def test_there_is_always_an_answer(text: str, accept: str, reason: Reason) -> None:
    """Whatever a visitor sends, the answer is a 403 with sound header values: an error here must not open the gate."""
    hostile = replace(CERTIFICATE, subject=text, issuer=text, common_names=(text,), issuer_common_names=(text,))
    answer = PAGES.refused(Refuse(reason, text, hostile), Recipient(text, accept, text, host=text), NOW)
    assert answer.status == 403
    assert dict(answer.headers)["Gatekeeper-Reason"] == reason
    assert all(" " <= char <= "~" for _, value in answer.headers for char in value)


@pytest.mark.parametrize("accept", [CHROME, CURL])
def test_an_answer_stays_small(accept: str) -> None:
    """8 KiB in every name and 32 KiB in every field add little to what everybody gets."""
    long = "\u202e" * 8192
    huge = replace(
        CERTIFICATE, subject=long, issuer=long, serial=long, common_names=(long,), issuer_common_names=(long,)
    )
    answer = PAGES.refused(Refuse(Reason.EXPIRED, long, huge), Recipient(long, accept, long * 4, host=long), NOW)
    assert len(answer.body) < len(refused(refuse(Reason.EXPIRED), accept=accept).body) + 32 * 1024


@pytest.mark.parametrize(
    ("contact", "shown"),
    [
        ("you@example.com", '<a href="mailto:you@example.com?subject=403%20revoked%2C%2001JD">you@example.com</a>'),
        (
            "https://help.example.com/a?b=c&d",
            '<a href="https://help.example.com/a?b=c&amp;d">https://help.example.com/a?b=c&amp;d</a>',
        ),
        ("javascript:alert(1)", "<bdi>javascript:alert(1)</bdi>"),
        ("Room <3>", "<bdi>Room &lt;3&gt;</bdi>"),
        ("", "Ask the person who gave you this address or your certificate."),
    ],
)
def test_whom_to_ask(contact: str, shown: str) -> None:
    """A mail that names the request, a web page, a text, or a general hint."""
    page = refused(refuse(Reason.REVOKED), pages=RefusalPages(contact=contact)).body.decode()
    assert f"<p>{shown}</p>" in page


def test_an_own_template_is_used(tmp_path: Path) -> None:
    """With the variables of the docs, for refusals and for failures, and a policy made for its own style."""
    path = tmp_path / "own.html"
    path.write_text("<style>p{}</style><p>{{ status }} {{ reason or 'failed' }} {{ what }} {{ request_id }}</p>")
    pages = RefusalPages(template=path)
    answer = refused(refuse(Reason.REVOKED), pages=pages, language="fr")
    assert answer.body == "<style>p{}</style><p>403 revoked Votre certificat a été révoqué 01JD</p>".encode()
    assert dict(answer.headers)["Content-Security-Policy"] != builtin_page().policy
    assert b"502 failed" in failed(502, pages=pages).body
    assert json.loads(refused(refuse(Reason.REVOKED), pages=pages, accept=CURL).body)["reason"] == "revoked"


def test_a_missing_template_stops_the_start(tmp_path: Path) -> None:
    """Not a page of the gate's own in its place."""
    with pytest.raises(ConfigurationError):
        RefusalPages(template=tmp_path / "none.html")


def test_a_template_that_fails_on_one_visitor_is_replaced_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The visitor gets the built-in page under its own policy, the log gets the template's line: not silent."""
    path = tmp_path / "own.html"
    path.write_text("{{ what }}\n{{ 1 / (host != 'app.example.com') }}")
    with caplog.at_level(logging.ERROR):
        answer = refused(refuse(Reason.REVOKED), pages=RefusalPages(template=path))
    assert answer.body.startswith(b"<!doctype html>")
    assert dict(answer.headers)["Content-Security-Policy"] == builtin_page().policy
    assert "refusal.template failed, the built-in page is sent instead: line 2: division by zero" in caplog.text


def test_the_visitors_own_device_comes_first_and_is_opened() -> None:
    """The others follow, closed; a browser that is not known gets them all closed."""
    iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1"
    for user_agent, opened in ((iphone, ["iPhone, iPad: Safari"]), ("a new browser", [])):
        page = PAGES.refused(
            refuse(Reason.NO_CERTIFICATE), Recipient("01JD", CHROME, user_agent=user_agent), NOW
        ).body.decode()
        devices = re.findall(r"<details( open)?>\s*<summary>(.*?)</summary>\s*<ol>", page)
        assert len(devices) == 6
        assert [name for is_open, name in devices if is_open] == opened
        assert devices[0][1] == (opened or ["Windows: Chrome, Edge"])[0]


def test_a_person_reads_out_eight_digits() -> None:
    """The short number on the page and in the mail begins the long one, which stays in header and log."""
    answer = RefusalPages(contact="you@example.com").refused(
        refuse(Reason.NO_CERTIFICATE), Recipient("0123456789abcdef", CHROME), NOW
    )
    page = answer.body.decode()
    assert '<code title="0123456789abcdef">01234567</code>' in page
    assert "no_certificate%2C%2001234567&" in page or 'no_certificate%2C%2001234567"' in page
    assert ("X-Request-Id", "0123456789abcdef") in answer.headers


def test_an_ended_list_is_nothing_that_a_visitor_can_mend() -> None:
    """Trying again in a few minutes is no advice: only the administrator can sign a new list."""
    refusal = Refuse(Reason.REVOCATION_UNKNOWN, "The list has ended.", None, stale=True)
    page = PAGES.refused(refusal, Recipient("1", CHROME), NOW).body.decode()
    assert "until the person who runs this site signs a new list" in page
    assert "few minutes" not in page
