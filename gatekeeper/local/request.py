"""Local requests and their replies, as values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.routes import Route
from gatekeeper.gate.verdict import Identity
from gatekeeper.invitations.folder import Invitations, StoredInvitation
from gatekeeper.refusal.answer import RefusalPages
from gatekeeper.wire.block import Block


class InvitationEvent(StrEnum):
    """What happened to an invitation; the metrics count each kind."""

    SHOWN = "shown"  # somebody looked at the page
    DOWNLOADED = "downloaded"  # whole, and destroyed here
    REQUESTED = "requested"  # a certificate request came, and waits
    INTERRUPTED = "interrupted"  # the download broke off
    REFUSED = "refused"  # used, ended, cancelled or under way, or asked for by a program that only looks
    UNKNOWN = "unknown"  # no invitation has this token
    LIMITED = "limited"  # too many were unknown


@dataclass(frozen=True, slots=True)
class Request:
    """A complete local request, with everything that its answer depends on.

    ``path`` is without the query and begins with `gatekeeper.gate.routes.LOCAL_PREFIX`. ``address`` is the visitor's,
    as the gate sees it; ``identity`` is set for who was let in. ``routes`` are all configured routes, none if every
    request goes the same way. ``authorities`` are those whose certificates are let in on this host.
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
    authorities: Sequence[Certificate] = ()

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
    event: InvitationEvent | None = None
    handing_out: StoredInvitation | None = None
    note: str = field(default="", kw_only=True)


def failure(
    request: Request,
    status: int,
    detail: str,
    *,
    topic: str | None = None,
    retry_after: int | None = None,
    event: InvitationEvent | None = None,
    extra: tuple[tuple[str, str], ...] = (),
) -> Reply:
    """An answer in the two forms of all that the gate says of itself: a page for people, JSON for programs."""
    answer = request.pages.failed(
        status,
        detail,
        accept=request.header(b"accept"),
        language=request.header(b"accept-language"),
        request_id=request.request_id,
        retry_after=retry_after,
        topic=topic,
    )
    return Reply(status, (*answer.headers, *extra), answer.body, event, note=detail)
