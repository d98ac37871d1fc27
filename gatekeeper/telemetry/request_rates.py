"""When each client may ask again, in memory shared by the workers, for a limit that holds for the whole gate.

The generic cell rate algorithm (ITU-T I.371, annex A): all that is kept of a client is the theoretical arrival time of
its next request. Workers write to the same cells without a lock: two requests at the same moment may count as one.
A client is stored in one of many small buckets, as in `gatekeeper.telemetry.address_counts`. In a full bucket, a new
client takes the place of the one whose time is the earliest, which is then counted from the beginning.
"""

BUCKETS, SLOTS = 4096, 4
CELLS = BUCKETS * SLOTS * 2

_MICRO = 1_000_000


class RequestRates:
    """The table, in ``cells``, a view of `CELLS` unsigned 64-bit integers: for each client a key and a time."""

    __slots__ = ("_cells",)

    def __init__(self, cells: memoryview | None = None) -> None:
        self._cells = memoryview(bytearray(CELLS * 8)).cast("Q") if cells is None else cells

    def wait(self, client: str, rate: float, burst: int, now: float) -> float:
        """Count a request and return 0.0; or count none and return the seconds until it would be taken.

        ``rate`` is requests a second in the long run, ``burst`` how many may come at once, ``now`` monotonic seconds.
        """
        cells, moment = self._cells, int(now * _MICRO)
        at, key = self._find(client)
        due = max(moment, cells[at + 1] if cells[at] == key else 0)
        interval = int(_MICRO / rate)
        early = due - moment - (burst - 1) * interval
        if early > 0:
            return early / _MICRO
        cells[at], cells[at + 1] = key, due + interval
        return 0.0

    def _find(self, client: str) -> tuple[int, int]:
        """The client's own slot, else the one of its bucket with the earliest time; and its key, which is never 0."""
        number = hash(client) & (1 << 64) - 1
        start, key = number % BUCKETS * SLOTS * 2, number // BUCKETS + 1
        slots = range(start, start + SLOTS * 2, 2)
        own = next((at for at in slots if self._cells[at] == key), None)
        return (min(slots, key=lambda at: self._cells[at + 1]) if own is None else own), key
