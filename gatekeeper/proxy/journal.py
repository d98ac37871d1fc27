"""Writes the access log and updates the counters, from plain values. It knows neither connections nor exchanges."""

import logging
from collections.abc import Callable

from gatekeeper.gate.verdict import Reason, Refuse
from gatekeeper.telemetry.access_log import ExchangeLog
from gatekeeper.telemetry.log_lines import LocalOutcome, Outcome, Visitor
from gatekeeper.telemetry.metrics import Cell, Metrics
from gatekeeper.wire.request import RequestHead

_log = logging.getLogger("gatekeeper")


class Journal:
    """One per process. ``wall`` is the wall clock (seconds since the epoch)."""

    def __init__(self, log: ExchangeLog, metrics: Metrics, wall: Callable[[], float]) -> None:
        self.log = log
        self.metrics = metrics
        self._wall = wall

    def since(self, moment: float) -> float:
        """Seconds since ``moment``; 0 if the wall clock was set back meanwhile, because sums must not decrease."""
        seconds = self._wall() - moment
        return seconds if seconds > 0.0 else 0.0

    def ended(self, visitor: Visitor, head: RequestHead, outcome: Outcome) -> None:
        """A request has ended."""
        if visitor.protocol:
            self.metrics.answered_http2(outcome.status)
        self.metrics.answered(outcome.status, outcome.duration)
        self.log.write(visitor, head, outcome)

    def tunnel_opened(self) -> None:
        """An exchange became a tunnel."""
        self.metrics.change(Cell.TUNNELS, 1)

    def tunnel_closed(self) -> None:
        """A tunnel has ended; `ended` follows."""
        self.metrics.change(Cell.TUNNELS, -1)

    def revoked(self, reason: Reason) -> None:
        """An exchange was ended because its client would be refused now."""
        self.metrics.refused(reason, self._wall())

    def refused(
        self, visitor: Visitor, head: RequestHead, refusal: Refuse, sent: int, request_id: str, began: float
    ) -> None:
        """A request was answered with 403."""
        duration = self.since(began)
        self.metrics.refused(refusal.reason, began)
        outcome = LocalOutcome(began, duration, 403, sent, request_id, refusal.reason, refusal.detail)
        self.ended(visitor, head, outcome)

    def answered(
        self, visitor: Visitor, head: RequestHead, status: int, sent: int, request_id: str, began: float, detail: str
    ) -> None:
        """A request got a response of the gate's own: a local resource, or an error."""
        duration = self.since(began)
        outcome = LocalOutcome(began, duration, status, sent, request_id, detail=detail)
        self.ended(visitor, head, outcome)

    # -- TLS

    def handshake_done(self, group: str, *, resumed: bool) -> None:
        """A TLS handshake was completed, with a good certificate or not. ``group`` is that of the key exchange;
        ``resumed`` if it began with the session of another connection.
        """
        self.metrics.handshake_ended("ok")
        self.metrics.key_exchanged(group)
        if resumed:
            self.metrics.change(Cell.RESUMED, 1)

    def handshake_failed(self, client: str, why: str, server_name: str | None, level: int = logging.INFO) -> None:
        """A TLS handshake failed, or an established connection broke TLS's rules."""
        self.metrics.handshake_ended("failed")
        # The client may send any bytes as the name, so it is escaped: it must not end the line.
        _log.log(level, "tls failed: %s: %s%s", client, why, f" (for {server_name[:255]!a})" if server_name else "")

    def handshake_refused(self, client: str, refusal: Refuse) -> None:
        """A handshake was ended because of the certificate. The client has not proved that it holds the key, so the log
        says "shown", not who it was.
        """
        self.metrics.handshake_ended("refused")
        self.metrics.refused(refusal.reason, self._wall())
        shown = refusal.certificate
        who = f"subject {shown.subject}, issuer {shown.issuer}, serial {shown.serial}" if shown else "unreadable"
        _log.info("tls refused: %s: %s: %s Shown: %s", client, refusal.reason, refusal.detail, who)
