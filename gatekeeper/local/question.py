"""Local requests and their replies, as values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gatekeeper.gate.routes import Route
from gatekeeper.gate.verdict import Identity
from gatekeeper.invitations.folder import Found, Invitations
from gatekeeper.refusal.answer import RefusalPages
from gatekeeper.wire.request import Block


class Event(StrEnum):
    """What happened to an invitation; the metrics count each kind."""

    SHOWN = "shown"  # somebody looked at the page
    DOWNLOADED = "downloaded"  # whole, and destroyed here
    REQUESTED = "requested"  # a certificate request came, and waits
    INTERRUPTED = "interrupted"  # the download broke off
    REFUSED = "refused"  # used, ended, cancelled or under way, or asked for by a program that only looks
    UNKNOWN = "unknown"  # no invitation has this token
    LIMITED = "limited"  # too many were unknown


@dataclass(frozen=True, slots=True)
class Question:
    """A complete local request, with everything that its answer depends on.

    ``path`` is without the query and begins with `gatekeeper.gate.routes.LOCAL_PREFIX`. ``address`` is the visitor's,
    as the gate sees it; ``identity`` is set for who was let in. ``routes`` are all configured routes, none if every
    request goes the same way.
    """

    method: bytes
    path: bytes
    block: Block
    body: bytes
    address: str
    identity: Identity | None
    request_id: str
    now: float
    invitations: Invitations
    pages: RefusalPages
    routes: Sequence[Route] = ()

    def header(self, name: bytes) -> str:
        """A header field that the gate notes (`gatekeeper.wire.headers`), "" if it did not come."""
        return self.block.get(name).decode("latin-1")

    @property
    def host(self) -> str:
        """The gate's own name, as the visitor calls it."""
        return self.block.host.decode("latin-1")


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer, without framing, ``Connection`` and ``Date``.

    ``handing_out`` is the invitation whose file is the body: the sender watches whether it arrives, and settles it.
    ``note`` is for the access log.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    event: Event | None = None
    handing_out: Found | None = None
    note: str = field(default="", kw_only=True)


def failure(
    question: Question,
    status: int,
    detail: str,
    *,
    topic: str | None = None,
    retry_after: int | None = None,
    event: Event | None = None,
    extra: tuple[tuple[str, str], ...] = (),
) -> Reply:
    """An answer in the two forms of all that the gate says of itself: a page for people, JSON for programs."""
    answer = question.pages.failed(
        status,
        detail,
        accept=question.header(b"accept"),
        language=question.header(b"accept-language"),
        request_id=question.request_id,
        retry_after=retry_after,
        topic=topic,
    )
    return Reply(status, (*answer.headers, *extra), answer.body, event, note=detail)
