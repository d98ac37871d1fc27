"""How many connections each address has, in memory that the workers share: a limit for each address holds for the gate.

A worker writes its own table and reads those of the others. An address has its place in one of many small buckets, by
Python's hash, which is secret and the same in every worker, since they are forked. A cell is 8 bytes, written at once.
"""

from collections.abc import Iterable

# Ten thousand addresses spread over so many buckets fill none but once in many thousand times; an address without a
# place is counted by its own worker alone.
BUCKETS, SLOTS = 2048, 16
CELLS = BUCKETS * SLOTS

_COUNT_BITS = 16
_MOST = (1 << _COUNT_BITS) - 1
_KEYS = (1 << 64 - _COUNT_BITS) - 1


class AddressCounts:
    """One worker's table, in ``cells``, a view of `CELLS` unsigned 64-bit integers."""

    __slots__ = ("_cells", "_own")

    def __init__(self, cells: memoryview) -> None:
        self._cells = cells
        # Count, cell and key of each address. Who found no place has no cell: -1.
        self._own: dict[str, tuple[int, int, int]] = {}

    def change(self, address: str, by: int) -> None:
        """This worker has so many connections more from there; nobody else may say so here."""
        count, at, key = self._own.get(address) or (0, *self._find_slot(address))
        count += by
        if count:
            self._own[address] = count, at, key
        else:
            self._own.pop(address, None)
        if at >= 0:
            self._cells[at] = key << _COUNT_BITS | min(count, _MOST) if count else 0

    def _find_slot(self, address: str) -> tuple[int, int]:
        start, key = _bucket_and_key(address)
        try:
            return start + self._cells[start : start + SLOTS].tolist().index(0), key
        except ValueError:
            return -1, key

    def own(self, address: str) -> int:
        """How many this worker has from there, in the table or not. Only it may ask."""
        return self._own[address][0] if address in self._own else 0

    def count(self, address: str) -> int:
        """How many there are from there, as far as the table knows."""
        start, key = _bucket_and_key(address)
        return sum(cell & _MOST for cell in self._cells[start : start + SLOTS].tolist() if cell >> _COUNT_BITS == key)

    def clear(self) -> None:
        """The worker is gone, and so are its connections."""
        self._own.clear()
        self._cells.cast("B")[:] = bytes(len(self._cells) * 8)


def _bucket_and_key(address: str) -> tuple[int, int]:
    """Where the bucket of this address begins, and the address in short."""
    number = hash(address) & (1 << 64) - 1
    return number % BUCKETS * SLOTS, number // BUCKETS & _KEYS


def count_in_all(tables: Iterable[AddressCounts], address: str) -> int:
    """The connections from there, to every worker."""
    return sum(address_counts.count(address) for address_counts in tables)
