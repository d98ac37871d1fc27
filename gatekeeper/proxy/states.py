"""The states of an exchange and the legal transitions, as a table; the reasons to pause reading from a client."""

from enum import Enum, IntEnum, auto
from typing import Final


class PauseReason(Enum):
    """Why reading from the client is paused."""

    UPSTREAM = auto()  # the upstream takes the body more slowly than the client sends it
    CONNECTING = auto()  # there is no upstream to give the body to yet
    DISK = auto()  # a piece of the body is being written to a temporary file
    ASKING = auto()  # an OCSP responder is asked about the client's certificate
    AHEAD = auto()  # the client is too far ahead, or does not read its answers


class State(IntEnum):
    """The state of an exchange. An IntEnum, because Enum's hash is Python."""

    CONNECTING = auto()  # no upstream connection yet
    WAITING = auto()  # the request is under way, no final response head has come
    STREAMING = auto()  # the response is under way
    TUNNEL = auto()  # after 101: bytes, both ways
    ENDED = auto()


# Asking the class for a member is a call into its metaclass: 47 ns where a call costs 25 (CPython 3.11), and an
# exchange asks a dozen times.
CONNECTING: Final = State.CONNECTING
WAITING: Final = State.WAITING
STREAMING: Final = State.STREAMING
TUNNEL: Final = State.TUNNEL
ENDED: Final = State.ENDED

# The life of an exchange. WAITING goes back to CONNECTING where a kept connection turned out to be closed.
TRANSITIONS: Final = {
    CONNECTING: frozenset({WAITING, ENDED}),
    WAITING: frozenset({CONNECTING, STREAMING, TUNNEL, ENDED}),
    STREAMING: frozenset({ENDED}),
    TUNNEL: frozenset({ENDED}),
    ENDED: frozenset[State](),
}


def illegal_move(here: State, there: State) -> AssertionError:
    """The exception for a transition that is not in the table: a bug of the gate."""
    return AssertionError(f"an exchange cannot go from {here} to {there}")
