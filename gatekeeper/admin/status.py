"""What a running gate reports: readiness, status, and metrics for Prometheus.

Any worker can answer: the ledger holds the counters of all workers, and all have loaded the same configuration.
"""

import asyncio
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatekeeper import __version__, form
from gatekeeper.admin.exposition import family, head, histogram, label, labelled, single
from gatekeeper.gate.certificate import Certificate
from gatekeeper.proxy.crl_folder import CRLFolder
from gatekeeper.proxy.crl_sources import wanted_urls
from gatekeeper.proxy.proxy import Proxy
from gatekeeper.proxy.snapshot import Snapshot
from gatekeeper.proxy.upstream.pool import Pool
from gatekeeper.telemetry.ledger import Ledger, Totals
from gatekeeper.telemetry.metrics import DURATION_BUCKETS, Cell, RowState
from gatekeeper.telemetry.refusal_history import BUCKET_SECONDS
from gatekeeper.telemetry.upstream_times import BOUNDS, WINDOW_SECONDS

if TYPE_CHECKING:
    from gatekeeper.acme.report import Report
    from gatekeeper.settings.tables import Settings

# An app that takes longer to accept a connection counts as down.
REACH_SECONDS = 2.0
# More frequent requests get the previous result.
REACH_AGAIN_SECONDS = 1.0

ANOTHER_FAILED = "another worker could not reload; the log says why"

_DAY = 86400


@dataclass(frozen=True, slots=True)
class Check:
    """A readiness condition; ``detail`` is a sentence if it fails. ``decides`` says whether a failure makes the gate
    unready.
    """

    ok: bool
    detail: str = ""
    decides: bool = True


def is_ready(checks: Mapping[str, Check]) -> bool:
    """Whether every deciding condition is met."""
    return all(check.ok for check in checks.values() if check.decides)


class Status:
    """Builds each answer from the current snapshot and the ledger. ``configuration`` is the file that was loaded."""

    def __init__(self, proxy: Proxy, ledger: Ledger, configuration: Path) -> None:
        self._configuration = os.path.abspath(configuration)
        self._proxy = proxy
        self._ledger = ledger
        self._reached: dict[str, tuple[float, bool]] = {}

    # -- /readyz

    async def checks(self, *, verbose: bool = False) -> Mapping[str, Check]:
        """The readiness conditions: the gate accepts connections and is not draining, and those in
        ``readiness.checks``. With ``verbose`` also those that do not decide.

        An app that is down does not decide by default: every replica would become unready at once, and a load balancer
        would have none left to send visitors to.
        """
        stopping = self._ledger.stopping
        serving = any(row.count(Cell.STATE) == RowState.SERVING for row in self._ledger.workers)
        found = {
            "listening": _check(serving and not stopping, "no worker accepts connections"),
            "draining": _check(not stopping, "the gate is stopping"),
        }
        snapshot = self._proxy.snapshot
        wanted = snapshot.settings.readiness.checks
        if verbose or "upstream" in wanted:
            found["upstream"] = replace(await self._app_check(), decides="upstream" in wanted)
        if verbose or "crl" in wanted:
            stale = "; ".join(snapshot.policy.locked_out(time.time()))
            found["crl"] = replace(_check(not stale, f"the CRL of {stale} is stale"), decides="crl" in wanted)
        if verbose:
            reload = self._last_reload()
            message = reload["message"] if reload is not None else ""
            found["reload"] = Check(reload is None or reload["ok"], message, decides=False)
        return found

    async def _app_check(self) -> Check:
        upstreams = await self._upstreams()
        down = [name for name, up in upstreams.items() if not up]
        # One app of several that is down is no reason to keep visitors from the others.
        return _check(len(down) < len(upstreams), f"no connection to {', '.join(down)}")

    async def _upstreams(self) -> dict[str, bool]:
        """Whether each app accepts connections, tested now or a moment ago."""
        pools = self._proxy.snapshot.upstreams
        answers = await asyncio.gather(*(self._reach(name, pool) for name, pool in pools.items()))
        return dict(zip(pools, answers, strict=True))

    async def _reach(self, name: str, pool: Pool) -> bool:
        now = time.monotonic()
        tried, up = self._reached.get(name, (float("-inf"), False))
        if now - tried >= REACH_AGAIN_SECONDS:
            up = await pool.is_reachable(REACH_SECONDS)
            self._reached[name] = now, up
        return up

    # -- /status

    async def report(self) -> dict[str, Any]:
        """The status as a value that JSON can represent."""
        now, totals = time.time(), self._ledger.totals()
        checks, upstreams = await self.checks(verbose=True), await self._upstreams()
        snapshot = self._proxy.snapshot
        return {
            "version": __version__,
            "form": form(),
            "configuration": self._configuration,
            "ready": is_ready(checks),
            "checks": {name: asdict(check) for name, check in checks.items()},
            "uptime_seconds": round(now - self._ledger.started, 3),
            "tls": {"mode": snapshot.tls.mode.value, "reason": snapshot.tls.reason},
            "supervisor": self._ledger.own.count(Cell.PID),
            "upgrades_failed": self._ledger.own.count(Cell.UPGRADES_FAILED),
            "workers": list(self._workers(now)),
            "worker_restarts": totals.restarts,
            "last_reload": self._last_reload(),
            "certificates": list(certificate_fields(snapshot, now)),
            "crls": list(crl_fields(snapshot, now)),
            "crl_fetches": list(crl_fetch_fields(snapshot)),
            "acme": list(_acme(snapshot)),
            "upstreams": [
                {
                    "name": name,
                    "up": upstreams.get(name, False),
                    "places": [str(one) for one in pool.settings.endpoints],
                    "latency": self._latency(name),
                }
                for name, pool in snapshot.upstreams.items()
            ],
            "warnings": warnings(snapshot, self._ledger, now),
            "protocols": protocols(snapshot.settings),
            "connections": totals.connections,
            "http2_connections": totals.http2_connections,
            "tunnels": totals.tunnels,
            "requests": sum(totals.requests.values()),
            "requests_by_protocol": _by_protocol(totals),
            "refusals": dict(totals.refusals),
            "refusal_history": {"seconds": BUCKET_SECONDS, "counts": self._ledger.refusal_history(now)},
            "expiring_clients": totals.expiring_clients,
            "handshakes": dict(totals.handshakes),
            "tls_groups": dict(totals.groups),
            "tls_resumed": totals.resumed,
            "rate_limited": totals.rate_limited,
            "access_log_lost": totals.lost_lines,
        }

    def _latency(self, name: str) -> dict[str, Any] | None:
        found = self._ledger.latency(name, time.monotonic())
        if found is None:
            return None
        seconds = {"median": round(found.median, 6), "p95": round(found.p95, 6)}
        return {"seconds": WINDOW_SECONDS, "responses": found.responses, **seconds}

    def _workers(self, now: float) -> Iterator[dict[str, Any]]:
        for row in self._ledger.workers:
            yield {
                "pid": row.count(Cell.PID),
                "state": RowState(row.count(Cell.STATE)).name.lower(),
                "uptime_seconds": round(now - row.time(Cell.STARTED), 3),
                "connections": row.count(Cell.CONNECTIONS),
            }

    def _last_reload(self) -> dict[str, Any] | None:
        """Of any worker: this one may have started later. Only the message is in the memory of the one that failed."""
        when, ok, message, own = self._ledger.last_reload, not self._ledger.reload_failed, "", self._proxy.last_reload
        if not ok:
            message = own.message if own is not None and not own.ok else ANOTHER_FAILED
        elif not when:
            return None
        return {"time": _iso(when or self._ledger.started), "ok": ok, "message": message}

    # -- /metrics

    async def metrics(self) -> str:
        """The metrics in Prometheus' text format, version 0.0.4."""
        upstreams = await self._upstreams()
        return "".join(f"{line}\n" for line in self._lines(self._ledger.totals(), upstreams))

    def _lines(self, totals: Totals, upstreams: Mapping[str, bool]) -> Iterator[str]:
        name, text = "gatekeeper_requests_total", "Answers by status code and version of HTTP."
        yield from labelled(name, "counter", text, ("code", "protocol"), _requests(totals))
        yield from family(
            "gatekeeper_refusals_total", "counter", "Refusals by reason.", "reason", totals.refusals.items()
        )
        yield from _durations(totals)
        yield from family(
            "gatekeeper_handshakes_total", "counter", "TLS handshakes by result.", "result", totals.handshakes.items()
        )
        name, text = "gatekeeper_tls_groups_total", "Completed handshakes by the group of their key exchange."
        yield from family(name, "counter", text, "group", totals.groups.items())
        text = "Completed handshakes that resumed a session."
        yield from single("gatekeeper_tls_resumed_total", "counter", text, totals.resumed)
        if self._proxy.snapshot.invitations is not None:
            name, text = "gatekeeper_invitations_total", "What happened to invitations."
            yield from family(name, "counter", text, "event", totals.invitations.items())
        yield from _orders(_reports(self._proxy.snapshot.settings))
        yield from single("gatekeeper_connections", "gauge", "Open connections.", totals.connections)
        name, text = "gatekeeper_connections_by_protocol", "Open connections by version of HTTP."
        open_ones = {"HTTP/1": totals.connections - totals.http2_connections, "HTTP/2": totals.http2_connections}
        yield from family(name, "gauge", text, "protocol", open_ones.items())
        yield from single("gatekeeper_http2_streams", "gauge", "Requests under way by HTTP/2.", totals.http2_streams)
        yield from single("gatekeeper_tunnels", "gauge", "Open WebSockets and other tunnels.", totals.tunnels)
        up = [(name, int(is_up)) for name, is_up in upstreams.items()]
        yield from family("gatekeeper_upstream_up", "gauge", "Whether the app takes connections.", "upstream", up)
        yield from self._upstream_times()
        ends: dict[tuple[str, str], float] = {}
        for kind, certificate in _certificates_by_kind(self._proxy.snapshot):
            named = kind, name_of(certificate)
            ends[named] = min(ends.get(named, certificate.not_after), certificate.not_after)
        name, text = "gatekeeper_certificate_not_after_seconds", "When a certificate in use ends, Unix time."
        yield from labelled(name, "gauge", text, ("kind", "name"), ends.items())
        revocations = self._proxy.snapshot.policy.revocations
        if revocations is not None and revocations.lists:
            first = min(max(one.next_update for one in lists) for lists in revocations.lists.values())
            text = "When the first CRL must be replaced, Unix time."
            yield from single("gatekeeper_crl_next_update_seconds", "gauge", text, first)
        if self._proxy.snapshot.settings.client_auth.crl_folder is not None:
            name, text = "gatekeeper_crl_fetches_total", "Fetches of CRLs by result."
            yield from family(name, "counter", text, "result", totals.crl_fetches.items())
        text = "Whether the state in force is the one on disk."
        yield from single("gatekeeper_last_reload_success", "gauge", text, int(not self._ledger.reload_failed))
        text = "Workers that ended by themselves and were replaced."
        yield from single("gatekeeper_worker_restarts_total", "counter", text, totals.restarts)
        text = "Clients with a certificate that expires soon, seen by each worker since its start."
        yield from single("gatekeeper_expiring_clients", "gauge", text, totals.expiring_clients)
        text = "Requests that were answered 429, because of limits.rate or limits.concurrent."
        yield from single("gatekeeper_rate_limited_total", "counter", text, totals.rate_limited)
        text = "Lines that the access log's target did not take."
        yield from single("gatekeeper_access_log_lost_lines_total", "counter", text, totals.lost_lines)
        name, text = "gatekeeper_build_info", "The running version, and whether it is compiled."
        yield from labelled(name, "gauge", text, ("version", "form"), [((__version__, form()), 1)])
        text = "When the gate started, Unix time."
        yield from single("gatekeeper_start_time_seconds", "gauge", text, self._ledger.started)

    def _upstream_times(self) -> Iterator[str]:
        name = "gatekeeper_upstream_time_seconds"
        yield from head(name, "histogram", "From a request that was sent to the app to the head of its response.")
        for upstream in self._proxy.snapshot.upstreams:
            yield from histogram(name, BOUNDS, *self._ledger.upstream_times(upstream), label("upstream", upstream))


def protocols(settings: "Settings") -> list[str]:
    """The versions of HTTP that visitors are offered, the preferred one first."""
    return ["HTTP/2", "HTTP/1.1"] if settings.server.http2 else ["HTTP/1.1"]


def _by_protocol(totals: Totals) -> dict[str, int]:
    http2 = sum(totals.http2_requests.values())
    return {"HTTP/1": sum(totals.requests.values()) - http2, "HTTP/2": http2}


def _requests(totals: Totals) -> Iterator[tuple[tuple[int, str], int]]:
    for code, count in sorted(totals.requests.items()):
        http2 = min(totals.http2_requests.get(code, 0), count)
        if count > http2:
            yield (code, "HTTP/1"), count - http2
        if http2:
            yield (code, "HTTP/2"), http2


def name_of(certificate: Certificate) -> str:
    """What people call a certificate: its common name, else its first host name, else its whole subject."""
    return certificate.common_name or next(iter(certificate.dns_names), certificate.subject)


def warnings(snapshot: Snapshot, ledger: Ledger, now: float) -> list[str]:
    """The warnings of the snapshot, and one if a reload asked for more workers than the ledger has rows for: each
    worker takes two, because old and new ones overlap.
    """
    configured, most = snapshot.settings.server.workers, ledger.most // 2
    found = snapshot.warnings(now)
    if isinstance(configured, int) and configured > most:
        found.append(f"server.workers is {configured}, but a reload gives at most {most}; restart or upgrade the gate")
    return found


def certificate_fields(snapshot: Snapshot, now: float) -> Iterator[dict[str, Any]]:
    """The server certificate and the trusted authorities, with days left, as JSON values."""
    for kind, certificate in _certificates_by_kind(snapshot):
        yield {
            "kind": kind,
            "subject": certificate.subject,
            "not_after": _iso(certificate.not_after),
            "days_left": int((certificate.not_after - now) // _DAY),
        }


def _reports(settings: "Settings") -> "list[Report]":
    if settings.acme is None:
        return []
    from gatekeeper.acme.report import reports

    return reports(settings)


def _acme(snapshot: Snapshot) -> Iterator[dict[str, Any]]:
    for one in _reports(snapshot.settings):
        state = one.state
        yield {
            "names": list(one.names),
            "not_after": _iso(one.ends) if one.ends else None,
            "directory": state.directory or None,
            "renew_at": _iso(state.renew_at) if state.renew_at else None,
            "failures": state.failures,
            "retry_at": _iso(state.retry_at) if state.failures else None,
            "error": state.error or None,
        }


def crl_fields(snapshot: Snapshot, now: float) -> Iterator[dict[str, Any]]:
    """The CRLs, with days until nextUpdate, as JSON values."""
    revocations = snapshot.policy.revocations
    for one in revocations.every if revocations is not None else ():
        yield {
            "issuer": one.issuer[0],
            "next_update": _iso(one.next_update),
            "days_left": int((one.next_update - now) // _DAY),
            "revoked": len(one.serials),
        }


def crl_fetch_fields(snapshot: Snapshot) -> Iterator[dict[str, Any]]:
    """The last fetch of each list that comes by HTTP; ``checked`` is null where there was none."""
    auth = snapshot.settings.client_auth
    if auth.crl_folder is None:
        return
    folder = CRLFolder(auth.crl_folder)
    for url in wanted_urls(auth, snapshot.tls.authorities):
        fetch = folder.fetch(url)
        yield {
            "url": url,
            "ok": fetch is not None and not fetch.failures,
            "checked": _iso(fetch.checked) if fetch else None,
            "due": _iso(fetch.due) if fetch else None,
            "failures": fetch.failures if fetch else 0,
            "message": fetch.message if fetch else "",
        }


def _certificates_by_kind(snapshot: Snapshot) -> Iterator[tuple[str, Certificate]]:
    for one in snapshot.tls.names.all:
        yield "server", one.certificate
    for authority in snapshot.tls.authorities:
        yield "client_ca", authority


def _orders(found: "list[Report]") -> Iterator[str]:
    counts = [
        ((one.names[0], result), count)
        for one in found
        for result, count in (("issued", one.state.issued), ("failed", one.state.failed))
    ]
    if counts:
        name, text = (
            "gatekeeper_acme_orders_total",
            "Orders of each certificate by result, of all who share acme.folder.",
        )
        yield from labelled(name, "counter", text, ("certificate", "result"), counts)


def _durations(totals: Totals) -> Iterator[str]:
    name = "gatekeeper_request_duration_seconds"
    yield from head(name, "histogram", "From the head of a request to the end of its answer.")
    yield from histogram(name, DURATION_BUCKETS, totals.durations, totals.duration_sum)


def _check(ok: bool, detail: str) -> Check:
    return Check(ok, "" if ok else detail)


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
