"""A successor, as the old gate sees it: with small programs in its place."""

import os
import selectors
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatekeeper.errors import StartError
from gatekeeper.process.upgrade import EXIT_SECONDS, Successor, Upgrade, own_command
from gatekeeper.telemetry.ledger import Ledger
from tests.gate_process import PATIENCE, until

TAKES_OVER = """
import json, os, socket
told = json.loads(os.environ["GATEKEEPER_UPGRADE"])
assert told["listeners"] == [] and "WATCHDOG_PID" not in os.environ
socket.socket(fileno=told["channel"]).send(b"ready\\n")
"""


@pytest.fixture
def selector() -> Iterator[selectors.BaseSelector]:
    with selectors.DefaultSelector() as selector:
        yield selector


def outcome(selector: selectors.BaseSelector, program: str) -> tuple[bool | None, str]:
    successor = Successor([], [sys.executable, "-c", program], {"WATCHDOG_PID": "1"})
    assert successor.pid > 0
    selector.register(successor.channel, selectors.EVENT_READ)
    assert selector.select(PATIENCE)
    taken = successor.has_taken_over()
    selector.unregister(successor.channel)
    until(lambda: successor.has_ended)
    return taken, successor.give_up()


def test_the_word_of_a_successor_is_heard(selector: selectors.BaseSelector) -> None:
    """It has the channel, and no watchdog variable that names another process."""
    assert outcome(selector, TAKES_OVER) == (True, "the new process ended with exit code 0")


def test_a_successor_that_ends_has_not_taken_over(selector: selectors.BaseSelector) -> None:
    """The end of its channel is enough, whatever it says elsewhere."""
    assert outcome(selector, "raise SystemExit(2)") == (False, "the new process ended with exit code 2")


def test_a_successor_that_hangs_is_ended() -> None:
    """At once where nobody waits for it."""
    successor = Successor([], [sys.executable, "-c", "input()"], {})
    assert successor.has_taken_over() is None
    assert "did not take over" in successor.give_up()


CLOSES_FIRST = """
import json, os
os.close(json.loads(os.environ["GATEKEEPER_UPGRADE"])["channel"])
open(os.environ["RELEASE"]).read()
raise SystemExit(2)
"""


@pytest.fixture
def upgrade(selector: selectors.BaseSelector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Upgrade:
    """An attempt whose successor closes the channel long before it ends: as soon as somebody writes to "release"."""
    os.mkfifo(tmp_path / "release")
    monkeypatch.setenv("RELEASE", str(tmp_path / "release"))
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", CLOSES_FIRST])
    upgrade = Upgrade(selector, Ledger(1))
    upgrade.begin([], 0.0)
    assert selector.select(PATIENCE)
    assert not upgrade.has_taken_over(1.0)
    return upgrade


def test_a_successor_that_takes_its_time_to_end_is_waited_for(
    upgrade: Upgrade, selector: selectors.BaseSelector, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says how it ended. The supervisor does not stand still meanwhile, and its closed channel wakes nobody."""
    assert not selector.get_map()
    assert not upgrade.has_taken_over(1.0 + EXIT_SECONDS)
    assert "not upgraded" not in caplog.text
    (tmp_path / "release").write_text("")

    def is_over() -> bool:
        assert not upgrade.has_taken_over(1.0 + EXIT_SECONDS)
        return "not upgraded" in caplog.text

    until(is_over)
    assert "the new process ended with exit code 2" in caplog.text


def test_a_successor_that_does_not_end_is_ended(upgrade: Upgrade, caplog: pytest.LogCaptureFixture) -> None:
    """After EXIT_SECONDS, so that another attempt can be made."""
    assert not upgrade.has_taken_over(1.1 + EXIT_SECONDS)
    assert "it did not take over" in caplog.text


def test_a_command_that_is_gone_is_an_error() -> None:
    """The package was removed from disk: the gate goes on."""
    with pytest.raises(StartError, match="/nowhere/gatekeeper cannot be started: no such file"):
        Successor([], ["/nowhere/gatekeeper"], {})


def test_the_command_is_the_interpreter_and_its_arguments() -> None:
    """As this process was started."""
    assert own_command() == [sys.executable, *sys.orig_argv[1:]]
