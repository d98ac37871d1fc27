"""How many connections each address has, in memory that the workers share: a limit for each address holds for the gate.

A worker writes its own table and reads those of the others. An address has its place in one of many small buckets, by
Python's hash, which is secret and the same in every worker, since they are forked. A cell is 8 bytes, written at once.
"""

from collections.abc import Iterable

# Ten thousand addresses spread over so many buckets fill none but once in many thousand times; an address without a
# place is counted by its own worker alone.
BUCKETS, PLACES = 2048, 16
CELLS = BUCKETS * PLACES

_COUNT_BITS = 16
_MOST = (1 << _COUNT_BITS) - 1
_KEYS = (1 << 64 - _COUNT_BITS) - 1


class Crowd:
    """One worker's table, in ``cells``, a view of `CELLS` unsigned 64-bit integers."""

    __slots__ = ("_cells", "_own")

    def __init__(self, cells: memoryview) -> None:
        self._cells = cells
        self._own: dict[str, tuple[int, int]] = {}  # cell and key of each address that has a place

    def note(self, address: str, count: int) -> None:
        """This worker has so many connections from there; nobody else may note anything here."""
        place = self._own.get(address) or self._take_place(address)
        if place is None:
            return
        at, key = place
        if count:
            self._cells[at] = key << _COUNT_BITS | (count if count < _MOST else _MOST)
        else:
            self._cells[at] = 0
            del self._own[address]

    def _take_place(self, address: str) -> tuple[int, int] | None:
        start, key = _place(address)
        try:
            place = self._own[address] = start + self._cells[start : start + PLACES].tolist().index(0), key
        except ValueError:
            return None
        return place

    def count(self, address: str) -> int:
        """What was noted last."""
        start, key = _place(address)
        return sum(cell & _MOST for cell in self._cells[start : start + PLACES].tolist() if cell >> _COUNT_BITS == key)

    def clear(self) -> None:
        """The worker is gone, and so are its connections."""
        self._own.clear()
        self._cells.cast("B")[:] = bytes(len(self._cells) * 8)


def _place(address: str) -> tuple[int, int]:
    """Where the bucket of this address begins, and the address in short."""
    number = hash(address) & (1 << 64) - 1
    return number % BUCKETS * PLACES, number // BUCKETS & _KEYS


def in_all(crowds: Iterable[Crowd], address: str) -> int:
    """The connections from there, to every worker."""
    return sum(crowd.count(address) for crowd in crowds)
