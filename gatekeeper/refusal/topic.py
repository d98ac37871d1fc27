"""What a page is about: a reason of the gate, or one of a few kinds of other errors, and what its page offers."""

from dataclasses import dataclass

from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.verdict import Reason


@dataclass(frozen=True, slots=True)
class Layout:
    """What the page of a topic shows besides its two sentences.

    ``icon`` is the picture; ``faulty`` is the field of the certificate that caused the refusal, if one did;
    ``importing`` adds how to import a certificate, ``choosing`` how to make the browser ask again, ``unsent`` why
    browsers do not send some certificates.
    """

    icon: str = "notice"
    faulty: str = ""
    importing: bool = False
    choosing: bool = False
    unsent: bool = False


_CALM = Layout()
_LAYOUTS = {
    "no_certificate": Layout("key", importing=True, choosing=True, unsent=True),
    "expired": Layout("clock", "not_after", importing=True, choosing=True),
    "authority_expired": Layout("clock", "issuer", importing=True, choosing=True),
    "not_yet_valid": Layout("clock", "not_before"),
    "authority_not_yet_valid": Layout("clock", "issuer"),
    "revoked": Layout("crossed", "serial", importing=True, choosing=True),
    "untrusted_issuer": Layout("stranger", "issuer", importing=True, choosing=True),
    "wrong_purpose": Layout("crossed", "purpose", importing=True, choosing=True),
    "blank_name": Layout("stranger", "name", importing=True, choosing=True),
    "not_allowed": Layout("lock", "name", choosing=True),
    "revocation_unknown": Layout(faulty="issuer"),
    "list_ended": Layout(faulty="issuer"),
    "invalid_certificate": Layout("crossed", importing=True, choosing=True),
}

# Grouped by what a person can do. Other statuses are bad_request below 500, and broken from 500 on.
_FAILURES = {
    404: "not_found",
    408: "timed_out",
    413: "too_large",
    414: "head_too_large",
    421: "misdirected",
    429: "too_many",
    431: "head_too_large",
    502: "no_answer",
    503: "busy",
    504: "slow",
}


def layout(topic: str) -> Layout:
    """The layout of ``topic``; a neutral one if the visitor's certificate is not the cause."""
    return _LAYOUTS.get(topic, _CALM)


def topic_of_failure(status: int) -> str:
    """The topic of an answer that is no refusal."""
    return _FAILURES.get(status, "bad_request" if status < 500 else "broken")


def topic_of_refusal(reason: Reason, certificate: Certificate | None, now: float) -> str:
    """The topic of a refusal: its reason, unless the dates of the authority, not of the visitor's certificate, caused
    it.

    A certificate is valid from ``not_before`` through the whole second ``not_after``, as in `gate.verdict`.
    """
    if certificate is not None:
        if reason is Reason.EXPIRED and now < certificate.not_after + 1:
            return "authority_expired"
        if reason is Reason.NOT_YET_VALID and now >= certificate.not_before:
            return "authority_not_yet_valid"
    return str(reason)
