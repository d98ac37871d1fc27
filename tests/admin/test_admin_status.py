"""gatekeeper.admin.status: what one worker says of all of them."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gatekeeper.admin.status import Status, is_ready, warnings
from gatekeeper.proxy.proxy import Reload
from gatekeeper.telemetry.ledger import Ledger
from gatekeeper.telemetry.metrics import Cell, RowState

WHEN = 1800000000.0
FINE, BROKEN = Reload(WHEN, ok=True), Reload(WHEN, ok=False, message="no CA")


@pytest.mark.parametrize(
    ("own", "reloaded", "failed", "told"),
    [
        (None, 0.0, False, None),
        (FINE, WHEN, False, (True, "")),
        (None, WHEN, False, (True, "")),  # it has started later
        (BROKEN, WHEN, True, (False, "no CA")),
        (None, WHEN, True, (False, "another worker could not reload; the log says why")),
        (FINE, WHEN, True, (False, "another worker could not reload; the log says why")),
    ],
)
def test_every_worker_tells_of_the_same_reload(
    own: Reload | None, reloaded: float, failed: bool, told: tuple[bool, str] | None
) -> None:
    """As in the metric, one that failed is enough: whichever is asked, what is in force is not what is on disk."""
    ledger = Ledger(2)
    for pid, row in enumerate(ledger.rows, 1):
        row.begin(pid, 0.0, 0.0)
    ledger.rows[1].set_time(Cell.RELOADED, reloaded)
    ledger.rows[1].set(Cell.RELOAD_FAILED, failed)
    found = Status(SimpleNamespace(last_reload=own), ledger, Path("x"))._last_reload()  # type: ignore[arg-type]
    assert found == (told and {"time": "2027-01-15T08:00:00Z", "ok": told[0], "message": told[1]})


def test_a_gate_is_ready_while_a_worker_serves_and_it_is_not_stopping() -> None:
    """A worker that starts does not serve yet. Once the gate stops, both conditions fail, though workers serve."""
    ledger = Ledger(2)
    settings = SimpleNamespace(readiness=SimpleNamespace(checks=()))
    proxy: Any = SimpleNamespace(snapshot=SimpleNamespace(settings=settings))

    def checks() -> tuple[bool, bool, bool]:
        found = asyncio.run(Status(proxy, ledger, Path("x")).checks())
        assert set(found) == {"listening", "draining"}
        return found["listening"].ok, found["draining"].ok, is_ready(found)

    ledger.rows[0].begin(1, 0.0, 0.0)
    assert checks() == (False, True, False)
    ledger.rows[0].set(Cell.STATE, RowState.SERVING)
    assert checks() == (True, True, True)
    ledger.stop()
    assert checks() == (False, False, False)


@pytest.mark.parametrize(
    ("configured", "told"),
    [
        ("auto", ["other"]),
        (64, ["other"]),
        (65, ["other", "server.workers is 65, but a reload gives at most 64; restart or upgrade the gate"]),
    ],
)
def test_workers_that_a_reload_cannot_add_are_a_warning(configured: int | str, told: list[str]) -> None:
    """Of 128 rows half are for workers that end while their successors serve."""
    settings = SimpleNamespace(server=SimpleNamespace(workers=configured))
    snapshot: Any = SimpleNamespace(settings=settings, warnings=lambda now: ["other"])
    assert warnings(snapshot, Ledger(4, 128), 0.0) == told
