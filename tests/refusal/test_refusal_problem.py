"""problem+json: RFC 9457, and what it tells."""

import json
from dataclasses import replace

import pytest

from gatekeeper.gate.verdict import Reason, Refuse
from gatekeeper.refusal.problem import LONGEST_VALUE, failure, refusal
from tests.refusal.presented import CERTIFICATE, HOSTILE, refuse


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_its_problem(reason: Reason) -> None:
    """The members of the contract, in this order, with a title of the reason's own and the advice after the detail."""
    problem = json.loads(refusal(refuse(reason, None), "id-1", minimal=False))
    assert list(problem) == ["type", "title", "status", "detail", "reason", "request_id"]
    assert problem["type"] == f"urn:gatekeeper:refusal:{reason}"
    assert problem["status"] == 403
    assert problem["reason"] == reason
    assert problem["request_id"] == "id-1"
    assert problem["detail"].startswith("What was found. ")


@pytest.mark.parametrize("minimal", [False, True])
def test_programs_that_keep_a_certificate_back_are_explained(minimal: bool) -> None:
    """Wget, Go and Java say nothing of it: who has given them a certificate is told why the gate has none."""
    problem = json.loads(refusal(refuse(Reason.NO_CERTIFICATE, None), "id", minimal=minimal))
    assert "if its issuer is not accepted here or its key cannot be read" in problem["detail"]


def test_titles_differ() -> None:
    """Who reads only the title knows the reason."""
    problems = [json.loads(refusal(refuse(reason), "id", minimal=False)) for reason in Reason]
    assert len({problem["title"] for problem in problems}) == len(Reason)


def test_the_certificate_is_told() -> None:
    """Names as in the log, serial and fingerprint in hex, dates as RFC 3339."""
    assert json.loads(refusal(refuse(Reason.REVOKED), "id", minimal=False))["certificate"] == {
        "subject": "CN=alice's laptop,OU=ops,O=Home",
        "issuer": "CN=Home CA,O=Home",
        "serial": "0A1B2C3D",
        "not_before": "2026-08-15T19:00:00Z",
        "not_after": "2027-08-15T19:00:00Z",
        "sha256": "ab" * 32,
    }


@pytest.mark.parametrize("reason", Reason)
def test_minimal_depends_on_nothing_but_the_reason(reason: Reason) -> None:
    """Two visitors with different certificates and details get the same words."""
    one = refusal(refuse(reason), "id", minimal=True)
    other = refusal(Refuse(reason, "secret", replace(CERTIFICATE, subject="CN=secret")), "id", minimal=True)
    assert one == other
    assert "certificate" not in json.loads(one)


def test_hostile_names_are_plain_ascii_in_json() -> None:
    """Nothing but printable ASCII and newlines is written, and the reader gets back exactly what was in the name."""
    body = refusal(Refuse(Reason.EXPIRED, HOSTILE, replace(CERTIFICATE, subject=HOSTILE)), "id", minimal=False)
    assert all(byte == 0x0A or 0x20 <= byte < 0x7F for byte in body)
    assert json.loads(body)["certificate"]["subject"] == HOSTILE


def test_long_names_are_cut() -> None:
    """8 KiB of name do not make an answer of 8 KiB."""
    long = replace(CERTIFICATE, subject="s" * 8192, issuer="i" * 8192, serial="0" * 8192)
    problem = json.loads(refusal(Refuse(Reason.EXPIRED, "d" * 8192, long), "id", minimal=False))
    assert {len(problem["certificate"][name]) for name in ("subject", "issuer", "serial")} == {LONGEST_VALUE}
    assert len(problem["detail"]) < LONGEST_VALUE + 200


@pytest.mark.parametrize("minimal", [False, True])
@pytest.mark.parametrize("text", ["What was found.", HOSTILE, '", "', ""])
def test_the_form_is_that_of_json_dumps(text: str, minimal: bool) -> None:
    """One member a line, two spaces a level, a newline at the end: made to be read in a terminal."""
    named = replace(CERTIFICATE, subject=text, issuer=text, serial=text)
    for body in (
        refusal(Refuse(Reason.EXPIRED, text, named), text, minimal=minimal).decode(),
        refusal(Refuse(Reason.NO_CERTIFICATE, text), text, minimal=minimal).decode(),
        failure(502, text, text, minimal=minimal).decode(),
    ):
        assert body == json.dumps(json.loads(body), indent=2) + "\n"


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (400, "Bad Request"),
        (404, "Not Found"),
        (405, "Method Not Allowed"),
        (408, "Request Timeout"),
        (413, "Content Too Large"),
        (414, "URI Too Long"),
        (417, "Expectation Failed"),
        (421, "Misdirected Request"),
        (426, "Upgrade Required"),
        (431, "Request Header Fields Too Large"),
        (500, "Internal Server Error"),
        (501, "Not Implemented"),
        (502, "Bad Gateway"),
        (503, "Service Unavailable"),
        (504, "Gateway Timeout"),
        (505, "HTTP Version Not Supported"),
    ],
)
def test_other_answers_are_about_blank(status: int, title: str) -> None:
    """RFC 9457, 4.2.1: about:blank means that the status says it all, and the title is its phrase in RFC 9110."""
    assert json.loads(failure(status, "Why.", "id", minimal=False)) == {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": "Why.",
        "request_id": "id",
    }


def test_minimal_leaves_the_detail_of_a_failure_out() -> None:
    """What went wrong inside is not for strangers."""
    assert "detail" not in json.loads(failure(502, "127.0.0.1:8000 refused", "id", minimal=True))
