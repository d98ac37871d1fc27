"""A successor, as the old gate sees it: with small programs in its place."""

import selectors
import sys
from collections.abc import Iterator

import pytest

from gatekeeper.errors import StartError
from gatekeeper.process.upgrade import Successor, own_command
from tests.gate_process import PATIENCE

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
    return taken, successor.give_up(PATIENCE)


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
    assert "did not take over" in successor.give_up(0.0)


def test_a_command_that_is_gone_is_an_error() -> None:
    """The package was removed from disk: the gate goes on."""
    with pytest.raises(StartError, match="/nowhere/gatekeeper cannot be started: no such file"):
        Successor([], ["/nowhere/gatekeeper"], {})


def test_the_command_is_the_interpreter_and_its_arguments() -> None:
    """As this process was started."""
    assert own_command() == [sys.executable, *sys.orig_argv[1:]]
