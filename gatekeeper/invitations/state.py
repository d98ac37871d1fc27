"""The life of an invitation, as values. Each state is the name of a folder; to move on is to rename it.

::

    open ──► taken ──► used          downloaded whole: destroyed
      │      │   ▲
      │      ▼   │                   broke off: the same address may try again
      │      left ──► lost           nobody did within ten minutes: destroyed
      ├──► ended                     its time has passed
      ├──► cancelled                 by the administrator; whatever is not over can be cancelled
      └──► asked ──► signed ──► used     a request came, was signed, and the time to fetch has passed
             └──► ended                  nobody signed it in time
"""

import hashlib
import re
from dataclasses import dataclass, replace
from enum import StrEnum

# A download that broke off may be repeated for so long after it was first begun.
REPEAT_SECONDS = 600
# Whoever is handing a file out is done, one way or the other, long before this. One who is not was killed.
LEASE_SECONDS = 120
# Who keeps the key may fetch the certificate for so long after it was signed, even if the invitation ends before.
FETCH_SECONDS = 86400


class Stage(StrEnum):
    """The stages of an invitation's life."""

    OPEN = "open"  # nobody has come
    TAKEN = "taken"  # a download is under way
    LEFT = "left"  # a download broke off
    ASKED = "asked"  # a certificate request came, and waits for the administrator
    SIGNED = "signed"  # the certificate waits to be fetched
    USED = "used"  # a download was whole, or the time to fetch a certificate has passed
    LOST = "lost"  # a download broke off and was not repeated in time
    ENDED = "ended"  # its time has passed, and nobody came
    CANCELLED = "cancelled"  # the administrator took it back


ALIVE = frozenset({Stage.OPEN, Stage.TAKEN, Stage.LEFT, Stage.ASKED, Stage.SIGNED})

UNFETCHED = frozenset({Stage.LOST, Stage.ENDED})
"""Over, and nobody has what was offered."""

_NAME = re.compile(
    r"(open)|(taken)-([0-9]{1,12})-([0-9]{1,12})-([0-9a-f]{32})|(left|asked|signed)-([0-9]{1,12})-([0-9a-f]{32})|"
    r"(used|lost|ended|cancelled)-([0-9]{1,12})"
)


@dataclass(frozen=True, slots=True)
class State:
    """A stage with its details. Times are seconds since the epoch.

    ``since`` is when the stage began (for downloads: when the first one did), ``again`` when the current download did;
    ``mark`` stands for the address that downloads, see `mark_of`, or for the key that requests a certificate.
    """

    stage: Stage = Stage.OPEN
    since: int = 0
    again: int = 0
    mark: str = ""

    @property
    def name(self) -> str:
        """The name of the folder in this state."""
        match self.stage:
            case Stage.OPEN:
                return "open"
            case Stage.TAKEN:
                return f"taken-{self.since}-{self.again}-{self.mark}"
            case Stage.LEFT | Stage.ASKED | Stage.SIGNED:
                return f"{self.stage}-{self.since}-{self.mark}"
            case _:
                return f"{self.stage}-{self.since}"

    @property
    def alive(self) -> bool:
        """Whether something can still be downloaded or requested."""
        return self.stage in ALIVE


def read_state(name: str) -> State | None:
    """The state that a folder's name stands for; None for other names."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    if match[1]:
        return State()
    if match[2]:
        return State(Stage.TAKEN, int(match[3]), int(match[4]), match[5])
    if match[6]:
        return State(Stage(match[6]), int(match[7]), mark=match[8])
    return State(Stage(match[9]), int(match[10]))


def mark_of(address: str, digest: str) -> str:
    """A hash that stands for an address in one invitation, so that the address itself is not stored."""
    return hashlib.sha256(f"{digest} {address}".encode()).hexdigest()[:32]


def now_is(state: State, ends: float, now: float) -> State:
    """The state at ``now``, after transitions that only depend on time; ``state`` itself if none is due."""
    if state.stage is Stage.TAKEN and now >= state.again + LEASE_SECONDS:
        state = State(Stage.LEFT, state.since, mark=state.mark)
    if state.stage is Stage.LEFT and now >= state.since + REPEAT_SECONDS:
        return State(Stage.LOST, int(now))
    if state.stage in (Stage.OPEN, Stage.ASKED) and now >= ends:
        return State(Stage.ENDED, int(now))
    if state.stage is Stage.SIGNED and now >= max(ends, state.since + FETCH_SECONDS):
        return State(Stage.USED, int(now))
    return state


def may_take(state: State, mark: str) -> bool:
    """Whether the client with this mark may begin a download; ``state`` must be the current one."""
    return state.stage is Stage.OPEN or (state.stage is Stage.LEFT and state.mark == mark)


def taken(state: State, mark: str, now: float) -> State:
    """The state once a download has begun."""
    since = int(now) if state.stage is Stage.OPEN else state.since
    return State(Stage.TAKEN, since, int(now), mark)


def settled(state: State, *, whole: bool, now: float) -> State:
    """The state once a download has ended."""
    if whole:
        return over(Stage.USED, now)
    return replace(state, stage=Stage.LEFT, again=0)


def over(stage: Stage, now: float) -> State:
    """The final state of this stage, from ``now`` on."""
    return State(stage, int(now))
