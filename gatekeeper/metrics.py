"""What one process counts."""

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field

# Seconds; the buckets that Prometheus' own client libraries begin with.
DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# More are not counted: a number that large says enough.
MAX_EXPIRING_CLIENTS = 10_000


def _counts() -> defaultdict[str, int]:
    return defaultdict(int)


@dataclass(slots=True)
class Metrics:
    """Counters that only grow. ``durations`` has one slot for each bucket and one for what is longer."""

    requests: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    refusals: defaultdict[str, int] = field(default_factory=_counts)
    handshakes: defaultdict[str, int] = field(default_factory=_counts)
    durations: list[int] = field(default_factory=lambda: [0] * (len(DURATION_BUCKETS) + 1))
    duration_sum: float = 0.0
    expiring_clients: set[str] = field(default_factory=set)

    def expiring(self, sha256: str) -> None:
        """A client was warned that its certificate ends soon; each certificate is counted once."""
        if len(self.expiring_clients) < MAX_EXPIRING_CLIENTS:
            self.expiring_clients.add(sha256)

    def answered(self, status: int, duration: float) -> None:
        """A request got this status after ``duration`` seconds."""
        self.requests[status] += 1
        self.durations[bisect_left(DURATION_BUCKETS, duration)] += 1
        self.duration_sum += duration
