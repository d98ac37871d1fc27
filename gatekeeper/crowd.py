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

    __slots__ = ("_cells",)

    def __init__(self, cells: memoryview) -> None:
        self._cells = cells

    def note(self, address: str, count: int) -> None:
        """This worker has so many connections from there."""
        start, key = _place(address)
        cells = self._cells[start : start + PLACES].tolist()
        free = None
        for index, cell in enumerate(cells):
            if cell >> _COUNT_BITS == key and cell:
                free = index
                break
            if free is None and not cell:
                free = index
        if free is not None:
            self._cells[start + free] = key << _COUNT_BITS | min(count, _MOST) if count else 0

    def count(self, address: str) -> int:
        """What was noted last."""
        start, key = _place(address)
        return sum(cell & _MOST for cell in self._cells[start : start + PLACES].tolist() if cell >> _COUNT_BITS == key)

    def clear(self) -> None:
        """The worker is gone, and so are its connections."""
        self._cells.cast("B")[:] = bytes(len(self._cells) * 8)


def _place(address: str) -> tuple[int, int]:
    """Where the bucket of this address begins, and the address in short."""
    number = hash(address) & (1 << 64) - 1
    return number % BUCKETS * PLACES, number // BUCKETS & _KEYS


def in_all(crowds: Iterable[Crowd], address: str) -> int:
    """The connections from there, to every worker."""
    return sum(crowd.count(address) for crowd in crowds)
