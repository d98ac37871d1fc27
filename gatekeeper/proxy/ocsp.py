"""Queries OCSP responders in the background (RFC 6960): one query at a time for each certificate, and none while a
response is valid.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from gatekeeper.gate.revocation import RevocationStatus, Standing
from gatekeeper.gate.verdict import Peer
from gatekeeper.tls.client import client_context

if TYPE_CHECKING:
    import aiohttp

_log = logging.getLogger("gatekeeper")

# How long a visitor's first request may wait for the whole query, including the connection.
PATIENCE_SECONDS = 5.0
# After a query without a response, the first request after this time asks again.
RETRY_SECONDS = 30.0
# A response about one certificate is 0.5 to 3 KB; with a delegate's chain hardly more than twice that.
MAX_RESPONSE = 64 * 1024
# How many responses are kept, at 0.5 KB each whatever the certificates are.
MAX_ANSWERS = 10_000
MAX_CONNECTIONS = 16

OCSPKey = tuple[bytes, bytes, str | None]
"""The SHA-256 of the certificate and of its issuer's, and the responder that was configured, if one was."""


class Responders:
    """OCSP responses, and requests under way. A request takes ``patience`` seconds at most."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        wall: Callable[[], float] = time.time,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._loop = loop
        self._wall = wall
        self._patience = patience
        self._answers: OrderedDict[OCSPKey, RevocationStatus] = OrderedDict()
        self._waiting: dict[OCSPKey, list[Callable[[], None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    def answer(self, peer: Peer, responder: str | None, now: float) -> RevocationStatus | None:
        """The status of a peer whose chain is good; None if its responder must be asked first.

        Its ``stale`` is set if the responder did not respond.
        """
        key = _key(peer, responder)
        answer = self._answers.get(key)
        return answer if answer is not None and now < answer.until else None

    def ask(self, peer: Peer, responder: str | None, then: Callable[[], None]) -> None:
        """Ask about a peer, and call ``then`` when there is a response, or the time for it has passed."""
        key = _key(peer, responder)
        if key in self._waiting:
            self._waiting[key].append(then)
            return
        self._waiting[key] = [then]
        task = self._loop.create_task(self._find_out(key, *_leaf_and_issuer(peer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel the requests under way."""
        for task in self._tasks:
            task.cancel()
        if self._session is not None:
            await self._session.close()

    async def _find_out(self, key: OCSPKey, leaf: bytes, issuer: bytes) -> None:
        from gatekeeper.gate.ocsp import make_request, read_response, responder_of  # see `load_client`

        url = key[2] or responder_of(leaf)
        try:
            if url is None:
                raise ValueError("the certificate names no responder")
            content = await asyncio.wait_for(self._post(url, make_request(leaf, issuer)), self._patience)
            answer = read_response(content, leaf, issuer, self._wall())
        except Exception as error:  # whatever it is: visitors are waiting, and must get an answer
            why = "nothing came in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
            _log.warning("ocsp: no usable response from %s: %s", url or "nobody", why)
            answer = _without_answer(self._answers.get(key), self._wall() + RETRY_SECONDS)
        self._answers[key] = answer
        self._answers.move_to_end(key)
        while len(self._answers) > MAX_ANSWERS:
            self._answers.popitem(last=False)
        for then in self._waiting.pop(key):
            self._loop.call_soon(then)  # not called here: one that raises must not keep the others waiting

    async def _post(self, url: str, request: bytes) -> bytes:
        """RFC 6960, A.1. ValueError if the answer is no OCSP response."""
        if self._session is None:
            import aiohttp  # 25 MiB that most configurations never need; `load_client` has it ready

            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, ssl=client_context())
            )
        headers = {"Content-Type": "application/ocsp-request", "Accept": "application/ocsp-response"}
        async with self._session.post(url, data=request, headers=headers, allow_redirects=False) as response:
            if response.status != 200:
                raise ValueError(f"status {response.status}")
            content = await response.content.read(MAX_RESPONSE + 1)
            while len(content) <= MAX_RESPONSE and (more := await response.content.read(MAX_RESPONSE + 1)):
                content += more
            if len(content) > MAX_RESPONSE:
                raise ValueError("its answer is too large")
            return content


def load_client() -> None:
    """Load the HTTP client and cryptography, which take a third of a second, before a visitor has to wait for them."""
    import aiohttp  # noqa: F401

    import gatekeeper.gate.ocsp  # noqa: F401


async def ask_once(peer: Peer, responder: str | None) -> RevocationStatus | None:
    """The status that the responder reports for a peer whose chain is good. Nothing is cached."""
    responders, answered = Responders(asyncio.get_running_loop()), asyncio.Event()
    try:
        responders.ask(peer, responder, answered.set)
        await answered.wait()
        return responders.answer(peer, responder, time.time())
    finally:
        await responders.close()


def _without_answer(last: RevocationStatus | None, until: float) -> RevocationStatus:
    """Revoked stays revoked, as on a stale list: a revoked visitor must not get in by blocking the responder."""
    if last is not None and last.standing is Standing.REVOKED:
        return replace(last, until=until)
    return RevocationStatus(Standing.UNKNOWN, until, "The OCSP responder gives no answer", stale=True)


def _leaf_and_issuer(peer: Peer) -> tuple[bytes, bytes]:
    if peer.leaf is None:
        raise AssertionError("nobody is asked about a visitor without a certificate")
    return peer.leaf, (peer.verified or (peer.leaf,))[0]


def _key(peer: Peer, responder: str | None) -> OCSPKey:
    leaf, issuer = _leaf_and_issuer(peer)
    return sha256(leaf).digest(), sha256(issuer).digest(), responder
