"""The running proxy of one process: the current snapshot, the open connections, and who is told what happened."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gatekeeper.errors import MessageError
from gatekeeper.gate.verdict import Peer, Refuse, Verdict, confirm
from gatekeeper.local.handler import LocalHandler
from gatekeeper.proxy.expiry import Expiry
from gatekeeper.proxy.local_request import unsent_bytes
from gatekeeper.proxy.ocsp import Responders
from gatekeeper.proxy.snapshot import ClientContext, Snapshot
from gatekeeper.telemetry.access_log import AccessLog, OwnAnswer
from gatekeeper.telemetry.metrics import Cell, Metrics
from gatekeeper.wire.request import RequestHead
from gatekeeper.wire.response import own_response

if TYPE_CHECKING:
    from gatekeeper.proxy.client.connection import Downstream
    from gatekeeper.proxy.client.proxy_header import ProxyHeaderReader
    from gatekeeper.proxy.exchange import Exchange

# How long open connections may be judged anew before traffic gets its turn.
SLICE_SECONDS = 0.005

_log = logging.getLogger("gatekeeper")


@dataclass(frozen=True, slots=True)
class Reload:
    """How a reload went: when (seconds since the epoch), whether the new state is in force, and if not, why."""

    time: float
    ok: bool
    message: str = ""


class Proxy:
    """Shared by all connections of a process. ``snapshot`` is replaced by a reload; ``wall`` is the clock on the wall.

    ``last_reload`` is None until the first one. ``connections_in_all`` and ``connections_from``, of an address, count
    those of the other processes too. ``unsent`` is how many bytes of a connection were not acknowledged yet, None if
    nobody knows.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        loop: asyncio.AbstractEventLoop,
        log: AccessLog,
        metrics: Metrics,
        wall: Callable[[], float] = time.time,
        connections_in_all: Callable[[], int] | None = None,
        connections_from: Callable[[str], int] | None = None,
        unsent: Callable[[asyncio.BaseTransport], int | None] = unsent_bytes,
    ) -> None:
        self.snapshot = snapshot
        self.loop = loop
        self.wall = wall
        self.log = log
        self.metrics = metrics
        self.draining = False
        self.last_reload: Reload | None = None
        self.unsent = unsent
        self.responders = Responders(loop, wall)
        self.local = LocalHandler(loop, wall, lambda: self.snapshot.invitations)
        self.expiry = Expiry(loop, wall, _judge_anew)
        self.connections: set[Downstream] = set()
        self.pending: set[ProxyHeaderReader] = set()
        self._connections_in_all = connections_in_all or (lambda: len(self.connections))
        self._connections_from = connections_from or metrics.address_counts.count
        self._drained = asyncio.Event()
        for pool in snapshot.upstreams.values():
            pool.start()
        self.local.open()

    def judge(self, peer: Peer, now: float) -> Verdict:
        """The verdict about a peer at the moment ``now``, by what is loaded and what OCSP responders have said."""
        verdict, policy = self.snapshot.judge(peer, now), self.snapshot.policy.ocsp
        if policy is None or isinstance(verdict, Refuse):
            return verdict
        return confirm(verdict, self.responders.answer(peer, policy.responder, now), policy)

    def client_context(self, peer: Peer, now: float) -> ClientContext:
        """The verdict and what follows from it. It is the same for each connection of who was let in, so it is
        cached: 1 µs instead of 10. Not where an OCSP responder may say something new.
        """
        snapshot = self.snapshot
        if peer.leaf is None:
            return snapshot.nobody
        client_context = snapshot.cached(peer, now)
        if client_context is None:
            client_context = snapshot.derive(self.judge(peer, now), now)
            if client_context.authorizer.admitted and snapshot.policy.ocsp is None:
                snapshot.cache(peer, client_context)
        return client_context

    def since(self, moment: float) -> float:
        """Seconds since then; none if the clock on the wall was set back meanwhile: sums must not go backwards."""
        seconds = self.wall() - moment
        return seconds if seconds > 0.0 else 0.0

    def ask(self, peer: Peer, then: Callable[[], None]) -> None:
        """Ask the OCSP responder about a peer whose verdict is pending, and call ``then`` soon."""
        policy = self.snapshot.policy.ocsp
        if policy is None:
            self.loop.call_soon(then)  # a reload has switched it off meanwhile
        else:
            self.responders.ask(peer, policy.responder, then)

    def renew(self, snapshot: Snapshot) -> None:
        """Put a new snapshot into force: for new connections, for the next request of each open one, and for what is
        under way."""
        old, self.snapshot = self.snapshot, snapshot
        kept = set(map(id, snapshot.upstreams.values()))
        for pool in old.upstreams.values():
            if id(pool) not in kept:
                pool.retire()
        for pool in snapshot.upstreams.values():
            pool.start()
        self.local.open()
        self._judge_all_anew(iter(list(self.connections)))

    def _judge_all_anew(self, left: "Iterator[Downstream]") -> None:
        """In slices: after a change of the CA, a certificate costs a fifth of a millisecond to verify."""
        end = self.loop.time() + SLICE_SECONDS
        for downstream in left:
            downstream.judge_anew()
            if self.loop.time() >= end:
                self.loop.call_soon(self._judge_all_anew, left)
                return

    # -- connections

    def opened(self, downstream: "Downstream") -> None:
        """A client connected."""
        self.connections.add(downstream)
        self.metrics.address_counts.change(downstream.address, 1)
        self.metrics.change(Cell.CONNECTIONS, 1)

    def closed(self, downstream: "Downstream") -> None:
        """A client's connection is closed."""
        self.connections.discard(downstream)
        self.expiry.forget(downstream, downstream.ends)
        self.metrics.address_counts.change(downstream.address, -1)
        self.metrics.change(Cell.CONNECTIONS, -1)
        if self.draining:
            self._settle()

    def pending_added(self, pending: "ProxyHeaderReader") -> None:
        """A load balancer connected, and is to say for whom."""
        self.pending.add(pending)

    def pending_removed(self, pending: "ProxyHeaderReader") -> None:
        """It has said so, or never will."""
        self.pending.discard(pending)
        if self.draining:
            self._settle()

    @property
    def idle(self) -> bool:
        """Whether nobody is connected."""
        return not self.connections and not self.pending

    def _settle(self) -> None:
        if self.idle:
            self._drained.set()

    def capacity(self, coming: int) -> int:
        """How many more ``limits.connections`` allows than are open and on their way in."""
        return self.snapshot.settings.limits.connections - self._connections_in_all() - coming - len(self.pending)

    def over_limit(self, address: str) -> bool:
        """Whether ``limits.connections_per_ip`` forbids one more from there. A Unix socket is not an address."""
        most = self.snapshot.settings.limits.connections_per_ip
        if most == 0 or address == "unix":
            return False
        return max(self.metrics.address_counts.own(address), self._connections_from(address)) >= most

    def handshake_done(self, downstream: "Downstream") -> None:
        """TLS is established, whatever the certificate is worth."""
        self.metrics.shook_hands("ok")

    def handshake_failed(self, downstream: "Downstream", why: str) -> None:
        """No TLS came about, or it broke."""
        self.metrics.shook_hands("failed")
        name = downstream.tls.server_name
        # The name is the visitor's own invention, so it must not end the line.
        _log.info("tls failed: %s: %s%s", downstream.client, why, f" (for {name[:255]!a})" if name else "")

    def handshake_refused(self, downstream: "Downstream", refusal: Refuse) -> None:
        """A certificate ended the handshake. Nobody has proved to hold its key; anyone can show it who has seen it."""
        self.metrics.shook_hands("refused")
        self.metrics.refused(refusal.reason)
        shown = refusal.certificate
        who = f"subject {shown.subject}, issuer {shown.issuer}, serial {shown.serial}" if shown else "unreadable"
        _log.info("tls refused: %s: %s: %s Shown: %s", downstream.client, refusal.reason, refusal.detail, who)

    def plain_http_answer(self) -> bytes:
        """For a client that speaks HTTP where TLS is expected."""
        answer = self.snapshot.pages.failed(
            400, "This port speaks HTTPS: put https:// in front of the address.", accept="", language="", request_id=""
        )
        return own_response(answer.status, answer.headers, answer.body, method=b"GET", close=True, now=self.wall())

    async def drain(self, seconds: float) -> None:
        """Let running exchanges end, send everyone else away, and cut what is left after ``seconds``."""
        self.draining = True
        for downstream in list(self.connections):
            downstream.drain()
        self._settle()
        try:
            await asyncio.wait_for(self._drained.wait(), seconds)
        except TimeoutError:
            self.cut()

    def cut(self) -> None:
        """Close every connection now, whatever is under way."""
        for pending in list(self.pending):
            pending.cut()
        for downstream in list(self.connections):
            downstream.transport.abort()

    # -- what happened, for the log and the counters

    def exchange_ended(self, exchange: "Exchange") -> None:
        """An exchange of an admitted client is over."""
        if exchange.status == 101:
            self.metrics.change(Cell.TUNNELS, -1)
        exchange.duration = duration = self.since(exchange.started)
        self.metrics.answered(exchange.status, duration)
        self.log.write(exchange.downstream.visitor, exchange.head, exchange)

    def tunnel_opened(self) -> None:
        """An exchange became a tunnel; `exchange_ended` is told when it is over."""
        self.metrics.change(Cell.TUNNELS, 1)

    def revoked(self, exchange: "Exchange", refusal: Refuse) -> None:
        """A visitor is let in no longer while an exchange is under way, which ends; its line in the log says why."""
        self.metrics.refused(refusal.reason)
        exchange.reason, exchange.detail = refusal.reason, refusal.detail

    def refused(
        self, downstream: "Downstream", head: RequestHead, refusal: Refuse, sent: int, request_id: str, now: float
    ) -> None:
        """A request was answered with 403."""
        duration = self.since(now)
        self.metrics.refused(refusal.reason)
        self.metrics.answered(403, duration)
        outcome = OwnAnswer(now, duration, 403, sent, request_id, refusal.reason, refusal.detail)
        self.log.write(downstream.visitor, head, outcome)

    def answered(
        self, downstream: "Downstream", head: RequestHead, status: int, sent: int, request_id: str, now: float, why: str
    ) -> None:
        """The gate itself answered a request: with a document of its own, or because no route takes it."""
        duration = self.since(now)
        self.metrics.answered(status, duration)
        self.log.write(downstream.visitor, head, OwnAnswer(now, duration, status, sent, request_id, detail=why))

    def bad_request(
        self, downstream: "Downstream", head: RequestHead, error: MessageError, sent: int, request_id: str, now: float
    ) -> None:
        """A request could not be read and was answered with an error; ``head`` is what could be told of it."""
        duration = self.since(now)
        self.metrics.answered(error.status, duration)
        outcome = OwnAnswer(now, duration, error.status, sent, request_id, detail=error.detail)
        self.log.write(downstream.visitor, head, outcome)


def _judge_anew(downstream: "Downstream") -> None:
    downstream.judge_anew()
