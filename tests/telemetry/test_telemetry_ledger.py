"""gatekeeper.telemetry.ledger: the rows of all workers, and their sums."""

import os
import socket

import pytest

from gatekeeper.gate.verdict import Reason
from gatekeeper.telemetry.ledger import Ledger
from gatekeeper.telemetry.metrics import Cell, RowState


def test_all_rows_are_added_up() -> None:
    """Each process has one."""
    ledger = Ledger(2)
    for row in ledger.rows:
        row.begin(1, 0.0, 1.0)
        row.answered(200, 0.5)
        row.answered(200, 3.0)
        row.refused(Reason.EXPIRED, 1_800_000_000.0)
        row.handshake_ended("failed")
        row.change(Cell.CONNECTIONS, 2)
        row.beat(1.0)
    totals = ledger.totals()
    assert totals.requests == {200: 4}
    assert sum(totals.durations) == 4
    assert totals.duration_sum == pytest.approx(7.0)
    assert totals.refusals["expired"] == 2
    assert totals.refusals["revoked"] == 0
    assert ledger.refusal_history(1_800_000_000.0) == [0] * 47 + [2]
    assert totals.handshakes == {"ok": 0, "failed": 2, "refused": 0}
    assert totals.connections == ledger.connections == 4


def test_a_replacement_goes_on_counting() -> None:
    """What was counted stays; what was open is gone with the process that held it."""
    ledger = Ledger(1)
    row = ledger.rows[0]
    row.begin(41, 1.0, 1.0)
    row.answered(200, 0.5)
    row.change(Cell.CONNECTIONS, 3)
    row.beat(2.0)
    row.end()
    assert list(ledger.workers) == []
    assert ledger.connections == 0
    successor = ledger.rows[0]
    successor.begin(42, 3.0, 3.0)
    successor.answered(200, 0.5)
    successor.beat(4.0)
    assert ledger.totals().requests == {200: 2}
    assert ledger.totals().duration_sum == 1.0
    assert [row.count(Cell.PID) for row in ledger.workers] == [42]


def test_another_process_counts_in_the_same_memory() -> None:
    """Also one that is killed a moment later."""
    ledger = Ledger(1)
    ledger.rows[0].begin(1, 0.0, 1.0)
    pid = os.fork()
    if pid == 0:
        ledger.rows[0].answered(200, 0.1)
        os._exit(0)
    os.waitpid(pid, 0)
    assert ledger.totals().requests == {200: 1}


def test_the_sum_of_durations_never_decreases() -> None:
    """A replacement is forked from the supervisor, and does not have its predecessor's objects."""
    ledger = Ledger(1)
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            ledger.rows[0].answered(200, 0.5)
            ledger.rows[0].beat(1.0)
            os._exit(0)
        os.waitpid(pid, 0)
        ledger.rows[0].begin(pid, 1.0, 1.0)
    assert ledger.totals().duration_sum == 1.0


def test_the_ledger_knows_the_state_of_the_gate() -> None:
    """Stopping, a reload that failed, restarts."""
    ledger = Ledger(1)
    assert not ledger.stopping
    assert not ledger.reload_failed
    ledger.rows[0].begin(42, 1.0, 1.0)
    ledger.rows[0].set(Cell.RELOAD_FAILED, 1)
    assert ledger.reload_failed
    ledger.restarted()
    ledger.stop()
    assert ledger.stopping
    assert ledger.totals().restarts == 1
    assert ledger.rows[0].count(Cell.STATE) == RowState.STARTING


def test_key_exchanges_are_counted_by_group() -> None:
    """In all workers; a group without a name here is counted as another one, and none is lost."""
    ledger = Ledger(2)
    for pid, row in enumerate(ledger.rows, 1):
        row.begin(pid, 0.0, 1.0)
    for group in ("x25519", "X25519MLKEM768", "ffdhe2048", ""):
        ledger.rows[0].key_exchanged(group)
    ledger.rows[1].key_exchanged("x25519")
    assert ledger.totals().groups == {"x25519": 2, "X25519MLKEM768": 1, "other": 2}


def test_the_last_reload_of_any_worker_counts() -> None:
    """Also of one that has ended: its successor began with what was loaded then."""
    ledger = Ledger(2)
    assert ledger.last_reload == 0.0
    for row, when in zip(ledger.rows, (2000.0, 1000.0), strict=True):
        row.begin(42, 1.0, 1.0)
        row.set_time(Cell.RELOADED, when)
    ledger.rows[0].end()
    ledger.rows[0].begin(43, 3000.0, 3000.0)
    assert ledger.last_reload == 2000.0


def test_a_row_that_was_added_later_counts_in_every_process() -> None:
    """Also in those that were forked before, which must hold limits for the whole gate."""
    ledger = Ledger(1, most=3)
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.recv(1)
        os._exit(ledger.connections)
    ledger.grow(3)
    assert len(ledger.rows) == 3
    ledger.rows[2].begin(1, 0.0, 1.0)
    ledger.rows[2].change(Cell.CONNECTIONS, 5)
    theirs.send(b"g")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
    ours.close()
    theirs.close()


def test_the_ledger_grows_up_to_its_most_and_never_shrinks() -> None:
    """What a row counted is part of the sums for good."""
    ledger = Ledger(2, most=3)
    ledger.grow(1)
    assert len(ledger.rows) == 2
    ledger.grow(9)
    assert len(ledger.rows) == ledger.most == 3
