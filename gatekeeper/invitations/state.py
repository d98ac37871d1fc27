"""The life of an invitation, as values. Each state is the name of a folder; to move on is to rename it.

::

    open ──► taken ──► used          downloaded whole: destroyed
      │      │   ▲
      │      ▼   │                   interrupted: the same address may try again
      │      left ──► lost           not repeated within ten minutes: destroyed
      ├──► ended                     expired unused
      ├──► cancelled                 by the administrator, from every state that is not final
      └──► asked ──► signed ──► used     a request came, was signed, and its time to fetch has passed
             └──► ended                  not signed in time
"""

import hashlib
import re
from dataclasses import dataclass, replace
from enum import StrEnum

# How long an interrupted download may be repeated, from its first attempt.
REPEAT_SECONDS = 600
# After this time a download counts as interrupted: the worker that served it must have been killed.
LEASE_SECONDS = 120
# How long a signed certificate can be fetched, even if the invitation expires before.
FETCH_SECONDS = 86400


class Stage(StrEnum):
    """The stages of an invitation's life."""

    OPEN = "open"  # not used yet
    TAKEN = "taken"  # a download is under way
    LEFT = "left"  # a download was interrupted
    ASKED = "asked"  # a certificate request waits for the administrator
    SIGNED = "signed"  # the certificate is signed and can be fetched
    USED = "used"  # a download was complete, or the time to fetch a certificate has passed
    LOST = "lost"  # a download was interrupted and not repeated in time
    ENDED = "ended"  # expired unused
    CANCELLED = "cancelled"  # cancelled by the administrator


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

    ``since`` is when the stage began, for downloads the first one; ``again`` is when the current download began.
    ``mark`` identifies the client: by its address (`mark_of`) for downloads, by its key (`mark_of_key`) for requests.
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
    """The state encoded in a folder's name; None for other names."""
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
    """A hash that identifies an address within one invitation, so that the address itself is not stored."""
    return hashlib.sha256(f"{digest} {address}".encode()).hexdigest()[:32]


def now_is(state: State, ends: float, now: float) -> State:
    """The state at ``now``, after the transitions that depend on time alone; ``state`` itself if none is due."""
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
