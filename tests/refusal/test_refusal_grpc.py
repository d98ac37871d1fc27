"""Answers for gRPC clients: PROTOCOL-HTTP2.md and http-grpc-status-mapping.md of grpc/grpc."""

import re
from urllib.parse import unquote

import pytest

from gatekeeper.gate.verdict import Reason, Refuse
from gatekeeper.refusal.answer import Recipient, RefusalPages
from gatekeeper.refusal.grpc import LONGEST_MESSAGE, headers, is_grpc
from tests.refusal.presented import CERTIFICATE, CHROME, HOSTILE, NOW, refuse

PAGES = RefusalPages(contact="you@example.com")


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        (b"application/grpc", True),
        (b"application/grpc+proto", True),
        (b"application/grpc; charset=utf-8", True),
        (b"Application/GRPC+json;a=b", True),
        (b"application/grpc-web", False),
        (b"application/grpc-web+proto", False),
        (b"application/grpc-web-text", False),
        (b"application/grpcx", False),
        (b"text/html, application/grpc", False),
        (b"", False),
    ],
)
def test_which_requests_are_calls(media_type: bytes, expected: bool) -> None:
    """The media type alone or with a message format; gRPC-Web is another protocol."""
    assert is_grpc(media_type) is expected


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 13), (401, 16), (403, 7), (404, 12), (429, 14), (431, 13), (502, 14), (503, 14), (504, 14), (413, 2)],
)
def test_the_status_is_what_clients_make_of_https(status: int, code: int) -> None:
    """The table of the specification; what is not in it is UNKNOWN."""
    assert headers(status, "why")[1] == ("Grpc-Status", str(code))


@pytest.mark.parametrize(
    ("message", "encoded"),
    [
        ("It has expired.", "It has expired."),
        ("100 %", "100 %25"),
        ("Müller", "M%C3%BCller"),
        ("two\r\nlines\x7f", "two%0D%0Alines%7F"),
        ("\ud800", "?"),
    ],
)
def test_a_message_is_percent_encoded(message: str, encoded: str) -> None:
    """Visible ASCII but the percent sign stands for itself, everything else for its bytes in UTF-8."""
    assert headers(403, message)[2] == ("Grpc-Message", encoded)


def test_a_message_has_a_bound() -> None:
    """A name of 8 KiB would be more than the metadata that clients take."""
    assert len(unquote(headers(403, "ä" * 8192)[2][1])) == LONGEST_MESSAGE


def test_a_refusal() -> None:
    """The status of the log, the fields of gRPC, no body, whatever the call says it accepts."""
    answer = PAGES.refused(
        Refuse(Reason.EXPIRED, "It ended on Monday.", CERTIFICATE),
        Recipient("01JD", CHROME, "de", host="app.example.com", is_grpc=True),
        NOW,
    )
    assert answer.status == 403
    assert answer.body == b""
    assert answer.headers == (
        ("Content-Type", "application/grpc"),
        ("Grpc-Status", "7"),
        ("Grpc-Message", "expired: It ended on Monday. Send a renewed certificate."),
        ("Gatekeeper-Reason", "expired"),
        ("X-Request-Id", "01JD"),
    )


@pytest.mark.parametrize("reason", Reason)
def test_minimal_tells_the_reason_alone(reason: Reason) -> None:
    """Nothing of what was found, nor of the certificate."""
    pages = RefusalPages(detail="minimal")
    told = [
        pages.refused(one, Recipient("1", is_grpc=True), NOW).headers
        for one in (refuse(reason), Refuse(reason, HOSTILE, CERTIFICATE))
    ]
    assert told[0] == told[1]
    assert told[0][2][1].startswith(f"{reason}: ")


@pytest.mark.parametrize("reason", Reason)
def test_no_certificate_can_break_the_field(reason: Reason) -> None:
    """Visible ASCII and spaces, whatever is in a name."""
    hostile = Refuse(reason, HOSTILE, CERTIFICATE)
    answer = PAGES.refused(hostile, Recipient("1", is_grpc=True), NOW)
    assert all(re.fullmatch(r"[ -~]+", value) for _, value in answer.headers)


def test_another_failure() -> None:
    """With Retry-After where there is one; "minimal" keeps the detail."""
    told = PAGES.failed(503, "Closed.", Recipient("1", is_grpc=True), retry_after=9)
    assert told.headers[1:4] == (("Grpc-Status", "14"), ("Grpc-Message", "Closed."), ("Retry-After", "9"))
    less = RefusalPages(detail="minimal").failed(503, "Closed.", Recipient("1", is_grpc=True))
    assert less.headers[2] == ("Grpc-Message", "Service Unavailable")
