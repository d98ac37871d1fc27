"""Every answer of the gate itself, as values that the proxy only has to frame."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import quote

from gatekeeper.errors import PackageChangedError, in_one_line
from gatekeeper.gate.verdict import Refuse
from gatekeeper.refusal import grpc, problem
from gatekeeper.refusal.negotiation import DEFAULT_LANGUAGE, choose_language, prefers_page, recognize_platform
from gatekeeper.refusal.shown import (
    LONGEST_NAME,
    LONGEST_PARAGRAPH,
    contact_link,
    header_safe,
    minutes,
    show,
    visible,
)
from gatekeeper.refusal.topic import layout, topic_of_failure, topic_of_refusal
from gatekeeper.settings.files import OPEN_DIRECTLY, FileReader

if TYPE_CHECKING:
    # Imports jinja2, which is loaded with the first page.
    from gatekeeper.refusal.page import Page, PreparedPage, Variables

_log = logging.getLogger(__name__)

# The digits of a request id that a person can read out on the telephone.
SHORT_NUMBER = 8

_PAGE_TYPE = "text/html; charset=utf-8"
_EVERY_ANSWER = (
    ("Cache-Control", "no-store"),
    ("Vary", "Accept, Accept-Language"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)
_EVERY_PROBLEM = (
    ("Content-Type", "application/problem+json"),
    ("Content-Language", DEFAULT_LANGUAGE),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    *_EVERY_ANSWER,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of the gate itself. The proxy adds framing, ``Connection`` and ``Date``.

    ``status`` is HTTP's, also where a gRPC client reads its own from the headers. Every header value is visible ASCII
    and spaces; only the last, the request id, differs between answers. For HEAD, the proxy omits the body.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Recipient(NamedTuple):
    """To whom an answer goes, as far as it depends on that. A tuple, because one is made for each refusal.

    ``accept``, ``language`` (Accept-Language), ``user_agent`` and ``host`` are fields of the request, "" where it has
    none, and any text: what is not safe to show is escaped or removed here. ``is_grpc`` says whether it is a gRPC call.
    """

    request_id: str
    accept: str = ""
    language: str = ""
    user_agent: str = ""
    host: str = ""
    is_grpc: bool = False


def _load_builtin_page() -> "PreparedPage":
    from gatekeeper.refusal.page import builtin_page

    return builtin_page()


class RefusalPages:
    """The answers of a gate with one ``[refusal]`` table; built with each reload.

    ``detail`` "minimal" omits the certificate and what the check found; the reason is given either way. ``contact``
    is an e-mail address, an http(s) address or any text. ``template`` is the operator's own page; ConfigurationError if
    it is missing or broken. ``invites``: certificates are handed out by invitations here, and the page for visitors
    without one says so. ``builtin`` loads the built-in page when the first is sent.

    No answer fails because a page does: whatever is raised while one is made, the same status and reason are sent as
    a problem (RFC 9457), and the log says why.
    """

    def __init__(
        self,
        *,
        detail: Literal["full", "minimal"] = "full",
        contact: str = "",
        template: Path | None = None,
        files: FileReader = OPEN_DIRECTLY,
        invites: bool = False,
        builtin: "Callable[[], PreparedPage]" = _load_builtin_page,
    ) -> None:
        self._builtin = builtin
        self._invites = invites
        self._minimal = detail == "minimal"
        self._contact = contact.strip()
        self._contact_link = contact_link(self._contact)
        self._own_page: Page | None = None
        if template:
            from gatekeeper.refusal.page import own_page

            self._own_page = own_page(template, files)

    @property
    def contact(self) -> str:
        """``refusal.contact``, "" if it is not set."""
        return self._contact

    @property
    def contact_link(self) -> str:
        """The link behind the contact, "" for none."""
        return self._contact_link

    def refused(self, refusal: Refuse, recipient: Recipient, now: float) -> Answer:
        """The 403 for a refusal; ``now`` is seconds since the epoch."""
        request_id = header_safe(recipient.request_id)
        reason = (("Gatekeeper-Reason", str(refusal.reason)),)
        if recipient.is_grpc:
            return _grpc(403, problem.sentence(refusal, minimal=self._minimal), request_id, reason)
        if prefers_page(recipient.accept):
            try:
                return self._refusal_page(refusal, recipient, request_id, now, reason)
            except Exception as error:  # a refusal stays one
                _log_no_page(request_id, error)
        return _problem(403, problem.refusal(refusal, request_id, minimal=self._minimal), request_id, reason)

    def _refusal_page(
        self, refusal: Refuse, recipient: Recipient, request_id: str, now: float, reason: tuple[tuple[str, str], ...]
    ) -> Answer:
        certificate = None if self._minimal else refusal.certificate
        topic = "list_ended" if refusal.stale else topic_of_refusal(refusal.reason, certificate, now)
        variables = self._variables(403, topic, refusal.detail, recipient.language, request_id)
        variables["reason"] = str(refusal.reason)
        variables["certificate"] = show(certificate) if certificate else None
        variables["host"] = visible(recipient.host, LONGEST_NAME)
        platform = variables["platform"] = recognize_platform(recipient.user_agent)
        variables["platforms"] = tuple(sorted(variables["platforms"], key=lambda one: one.key != platform))
        variables["checked"] = minutes(now)
        return self._answer(topic, variables, reason)

    def failed(
        self,
        status: int,
        detail: str,
        recipient: Recipient,
        *,
        retry_after: int | None = None,
        topic: str | None = None,
        link: str = "",
    ) -> Answer:
        """Any other answer of the gate: a 4xx or 5xx ``status``, ``detail`` safe to show, ``retry_after`` in seconds.

        ``topic`` selects the page if the status alone does not; the page then omits ``detail``, which would repeat it.
        ``link`` is the address to go to instead, "" for none; a very long one is left out.

        ``Allow`` for a 405 (RFC 9110, 15.5.6) is the caller's to add.
        """
        request_id = header_safe(recipient.request_id)
        retry = () if retry_after is None else (("Retry-After", str(retry_after)),)
        if recipient.is_grpc:
            return _grpc(status, problem.phrase(status) if self._minimal else detail, request_id, retry)
        if prefers_page(recipient.accept):
            try:
                topic, shown = (topic, "") if topic else (topic_of_failure(status), detail)
                variables = self._variables(status, topic, shown, recipient.language, request_id)
                variables["link"] = link if len(link) <= LONGEST_PARAGRAPH else ""
                return self._answer(topic, variables, retry)
            except Exception as error:
                _log_no_page(request_id, error)
        return _problem(status, problem.failure(status, detail, request_id, minimal=self._minimal), request_id, retry)

    def _variables(self, status: int, topic: str, detail: str, language: str, request_id: str) -> "Variables":
        from gatekeeper.refusal.catalogue import catalogues  # for the first page, as what renders it

        catalogue = catalogues()[choose_language(language, catalogues(), DEFAULT_LANGUAGE)]
        text = catalogue.topics[topic]
        return {
            "status": status,
            "reason": "",
            "language": catalogue.tag,
            "what": text.what,
            "todo": text.todo,
            "mark": text.mark,
            "layout": layout(topic),
            "words": catalogue.words,
            "platforms": catalogue.platforms,
            "platform": "",
            "certificate": None,
            "detail": "" if self._minimal else visible(detail, LONGEST_PARAGRAPH),
            "contact": self._contact,
            "contact_link": self._mail_about(f"{status} {topic}, {short_number(request_id)}"),
            "request_id": request_id,
            "request_number": short_number(request_id),
            "host": "",
            "link": "",
            "checked": "",
            "invited": self._invites,
        }

    def _mail_about(self, subject: str) -> str:
        """The link to the contact; a mail gets a subject, so that whoever reads it can find the line in the log."""
        mail = self._contact_link.startswith("mailto:")
        return f"{self._contact_link}?subject={quote(subject, safe='')}" if mail else self._contact_link

    def _answer(self, topic: str, variables: "Variables", extra: tuple[tuple[str, str], ...]) -> Answer:
        page, body = self._render(topic, variables)
        headers = (
            ("Content-Type", _PAGE_TYPE),
            ("Content-Language", variables["language"]),
            ("Content-Security-Policy", page.policy),
            *_EVERY_ANSWER,
            *extra,
            ("X-Request-Id", variables["request_id"]),
        )
        return Answer(variables["status"], headers, body)

    def _render(self, topic: str, variables: "Variables") -> "tuple[Page, bytes]":
        """The operator's page; if its template fails on this request, the built-in page and a line in the log."""
        from gatekeeper.refusal.page import blame

        if self._own_page is not None:
            try:
                return self._own_page, self._own_page.render(variables).encode("utf-8", "replace")
            except Exception as error:  # a template is a program and may raise anything
                _log.error("refusal.template failed, the built-in page is sent instead: %s", blame(error))
        page = self._builtin()
        return page, page.fill(topic, variables)


def short_number(request_id: str) -> str:
    """The first 8 digits, which people read out; they are nearly always enough to find the line in the log."""
    return request_id[:SHORT_NUMBER]


def _log_no_page(request_id: str, error: Exception) -> None:
    if isinstance(error, PackageChangedError):  # logged once
        return
    number = short_number(request_id)
    _log.error("the page for request %s could not be made, JSON is sent instead: %s", number, in_one_line(error))


def _grpc(status: int, message: str, request_id: str, extra: tuple[tuple[str, str], ...]) -> Answer:
    return Answer(status, (*grpc.headers(status, message), *extra, ("X-Request-Id", request_id)), b"")


def _problem(status: int, body: bytes, request_id: str, extra: tuple[tuple[str, str], ...]) -> Answer:
    return Answer(status, (*_EVERY_PROBLEM, *extra, ("X-Request-Id", request_id)), body)
