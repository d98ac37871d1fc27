"""Local requests and their replies, as values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.routes import Route
from gatekeeper.gate.verdict import Identity, Policy
from gatekeeper.refusal.answer import Recipient, RefusalPages
from gatekeeper.wire.block import Block

if TYPE_CHECKING:
    from gatekeeper.invitations.folder import Invitations, StoredInvitation


class InvitationEvent(StrEnum):
    """What happened to an invitation; the metrics count each kind."""

    SHOWN = "shown"  # somebody looked at the page
    DOWNLOADED = "downloaded"  # complete, and deleted here
    REQUESTED = "requested"  # a certificate request was stored
    INTERRUPTED = "interrupted"  # the download was interrupted
    REFUSED = "refused"  # used, expired, cancelled, withdrawn or being downloaded; or requested by a link preview
    UNKNOWN = "unknown"  # no invitation has this token
    LIMITED = "limited"  # the address has sent too many unknown tokens


@dataclass(frozen=True, slots=True, repr=False)  # the event loop logs what its callbacks are called with
class Request:
    """A complete local request, with everything that its answer depends on.

    ``path`` is without the query and begins with `gatekeeper.gate.routes.LOCAL_PREFIX`. ``address`` is the visitor's,
    as the gate sees it; ``identity`` is set for admitted visitors. ``routes`` are all configured routes, empty if
    there are none. ``authorities`` are those whose clients are admitted on this host, ``policy`` judges on every host.
    """

    method: bytes
    path: bytes
    block: Block
    body: bytes
    address: str
    identity: Identity | None
    request_id: str
    now: float
    invitations: "Invitations"
    pages: RefusalPages
    routes: Sequence[Route] = ()
    authorities: Sequence[Certificate] = ()
    policy: Policy = field(default_factory=Policy)

    def header(self, name: bytes) -> str:
        """The value of a header that the parser keeps (`gatekeeper.wire.headers`), "" if it is missing."""
        return self.block.get(name).decode("latin-1")

    @property
    def host(self) -> str:
        """The value of the Host header."""
        return self.block.host.decode("latin-1")

    @property
    def own_origin(self) -> str:
        """The Origin (RFC 6454, 6.2) of pages on the requested host, in lower case."""
        return f"https://{self.host.lower()}"


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer, without framing, ``Connection`` and ``Date``.

    ``handing_out`` is the invitation whose file is the body: the sender watches whether it arrives and
    then calls `LocalHandler.settle`.
    ``note`` is for the access log.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    event: InvitationEvent | None = None
    handing_out: "StoredInvitation | None" = None
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
    """An error in one of two forms: a page for people, JSON for programs."""
    answer = request.pages.failed(
        status,
        detail,
        Recipient(request.request_id, request.header(b"accept"), request.header(b"accept-language")),
        retry_after=retry_after,
        topic=topic,
    )
    return Reply(status, (*answer.headers, *extra), answer.body, event, note=detail)
