"""gatekeeper.admin.status: what one worker says of all of them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gatekeeper.admin.status import Status, warnings
from gatekeeper.proxy.proxy import Reload
from gatekeeper.telemetry.ledger import Ledger
from gatekeeper.telemetry.metrics import Cell

FINE, BROKEN = Reload(1800000000.0, ok=True), Reload(1800000000.0, ok=False, message="no CA")


@pytest.mark.parametrize(
    ("own", "others_failed", "told"),
    [
        (None, False, None),
        (FINE, False, (True, "")),
        (BROKEN, True, (False, "no CA")),
        (None, True, (False, "another worker could not reload; the log says why")),
        (FINE, True, (False, "another worker could not reload; the log says why")),
    ],
)
def test_one_worker_that_could_not_reload_is_enough(own: Reload | None, others_failed: bool, told: Any) -> None:
    """As in the metric: whichever is asked, what is in force is not what is on disk."""
    ledger = Ledger(2)
    for pid, row in enumerate(ledger.rows, 1):
        row.begin(pid, 0.0, 0.0)
    ledger.rows[1].set(Cell.RELOAD_FAILED, others_failed)
    found = Status(SimpleNamespace(last_reload=own), ledger, Path("x"))._last_reload()  # type: ignore[arg-type]
    assert (found and (found["ok"], found["message"])) == told


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
