"""The number of connections from each address, in memory shared by the workers, for limits that hold for the whole
gate.

A worker writes its own table and reads the others'. An address is stored in one of many small buckets, chosen by
Python's hash, which is secret and the same in every worker, since they are forked. A cell is 8 bytes and is written
atomically.
"""

from collections.abc import Iterable

# With ten thousand addresses, hardly any bucket ever fills up. An address that finds its bucket full is counted by its
# own worker alone.
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
        # Count, cell and key of each address; the cell is -1 where its bucket had none left.
        self._own: dict[str, tuple[int, int, int]] = {}

    def change(self, address: str, by: int) -> None:
        """Add ``by`` to this worker's connections from an address. Only this worker may call it."""
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
        """This worker's connections from an address, in the table or not. Only this worker may call it."""
        return self._own[address][0] if address in self._own else 0

    def count(self, address: str) -> int:
        """The connections from an address, as far as the table holds them."""
        start, key = _bucket_and_key(address)
        return sum(cell & _MOST for cell in self._cells[start : start + SLOTS].tolist() if cell >> _COUNT_BITS == key)

    def clear(self) -> None:
        """Reset the table: the worker has ended, and its connections with it."""
        self._own.clear()
        self._cells.cast("B")[:] = bytes(len(self._cells) * 8)


def _bucket_and_key(address: str) -> tuple[int, int]:
    """The start of the address's bucket, and the key that identifies it there."""
    number = hash(address) & (1 << 64) - 1
    return number % BUCKETS * SLOTS, number // BUCKETS & _KEYS


def count_in_all(tables: Iterable[AddressCounts], address: str) -> int:
    """The connections from an address to all workers."""
    return sum(address_counts.count(address) for address_counts in tables)
