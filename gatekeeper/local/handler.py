"""Accepts local requests on the event loop, answers them on threads, and removes expired invitations."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from gatekeeper.errors import InvitationError, PackageChangedError, in_one_line
from gatekeeper.invitations.token import INVITE
from gatekeeper.local.request import InvitationEvent, Reply, Request, failure
from gatekeeper.local.token_rate_limit import TokenRateLimit

if TYPE_CHECKING:
    from gatekeeper.invitations.folder import Invitations, StoredInvitation

_log = logging.getLogger("gatekeeper")

# How often expired invitations are looked for and deleted.
SWEEP_SECONDS = 30.0
# If the folder is on a file server that hangs, no more threads than these hang with it.
_THREADS = 4

_UNAVAILABLE = "Invitations are not available at the moment."
# For when even an error cannot be answered as a page or a problem.
_LAST_RESORT = Reply(
    503,
    (("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store"), ("Retry-After", "10")),
    f"{_UNAVAILABLE}\n".encode(),
    note=_UNAVAILABLE,
)


def _load_and_answer(request: Request) -> Reply:
    from gatekeeper.local.answers import answer  # with cryptography 11 MiB, which most gates never need

    return answer(request)


class LocalHandler:
    """One per process. ``invitations`` returns the folder in force, None if invitations are off. ``answer`` makes the
    reply to a request, on a thread.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        wall: Callable[[], float],
        invitations: "Callable[[], Invitations | None]",
        answer: Callable[[Request], Reply] = _load_and_answer,
    ) -> None:
        self._answer = answer
        self._loop = loop
        self._wall = wall
        self._invitations = invitations
        self._rate_limit = TokenRateLimit()
        self._threads = ThreadPoolExecutor(_THREADS, "local")
        self._timer: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Begin to delete expired invitations, at once those that a killed process left. No-op without a folder."""
        if self._timer is None and self._invitations() is not None:
            self._sweep()

    def close(self) -> None:
        """Stop answering: requests that wait for a thread are dropped."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._threads.shutdown(wait=False, cancel_futures=True)

    def handle(self, request: Request, then: Callable[[Reply], None]) -> None:
        """Answer a request on a thread; ``then`` gets a reply in any case, on the event loop."""
        wait = self._rate_limit.wait(request.address, self._loop.time())
        if wait and request.path.startswith(INVITE):
            detail = "Too many nonexistent invitations were requested."
            then(failure(request, 429, detail, topic="guessing", retry_after=wait, event=InvitationEvent.LIMITED))
            return
        future = self._loop.run_in_executor(self._threads, _reply_to, request, self._answer)
        future.add_done_callback(partial(self._answered, request, then))

    def settle(self, invitations: "Invitations", stored: "StoredInvitation", *, whole: bool) -> None:
        """Record the end of a download; ``whole`` if the client received all of it."""
        self._loop.run_in_executor(self._threads, _settle, invitations, stored, whole, self._wall())

    def _answered(self, request: Request, then: Callable[[Reply], None], future: "asyncio.Future[Reply]") -> None:
        if future.cancelled():
            return
        reply = future.result()
        if reply.event is InvitationEvent.UNKNOWN:
            self._rate_limit.wrong(request.address, self._loop.time())
        then(reply)

    def _sweep(self) -> None:
        self._timer = None
        invitations = self._invitations()
        if invitations is not None:
            self._loop.run_in_executor(self._threads, _tidy, invitations, self._wall())
            self._timer = self._loop.call_later(SWEEP_SECONDS, self._sweep)


def _reply_to(request: Request, answer: Callable[[Request], Reply]) -> Reply:
    """The reply to a request. Fails closed: after any exception, nothing is handed out."""
    try:
        return answer(request)
    except InvitationError as error:
        _log.error("invitations: %s", error)
    except PackageChangedError:
        pass  # logged once
    except Exception as error:
        _log.error("invitations: answering failed unexpectedly: %s", in_one_line(error))
    try:
        return failure(request, 503, _UNAVAILABLE, retry_after=10)
    except Exception as error:
        _log.error("invitations: not even an error could be answered: %s", in_one_line(error))
        return _LAST_RESORT


def _settle(invitations: "Invitations", stored: "StoredInvitation", whole: bool, now: float) -> None:
    try:
        invitations.settle(stored, whole=whole, now=now)
    except InvitationError as error:
        _log.error("invitations: %s", error)


def _tidy(invitations: "Invitations", now: float) -> None:
    try:
        invitations.sweep(now)
    except InvitationError as error:
        _log.error("invitations: %s", error)
