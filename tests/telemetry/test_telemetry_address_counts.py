"""How many connections each address has, over all workers."""

import random
from itertools import islice

from gatekeeper.telemetry.address_counts import CELLS, SLOTS, AddressCounts, _bucket_and_key, count_in_all


def address_counts() -> AddressCounts:
    return AddressCounts(memoryview(bytearray(8 * CELLS)).cast("Q"))


def test_each_address_counts_for_itself() -> None:
    """None is left when all have gone."""
    one = address_counts()
    for address, count in (("192.0.2.1", 1), ("192.0.2.1", 1), ("2001:db8::1", 70_000), ("192.0.2.3", 1)):
        one.change(address, count)
    one.change("192.0.2.3", -1)
    assert [one.count(address) for address in ("192.0.2.1", "2001:db8::1", "192.0.2.3")] == [2, 65_535, 0]


def test_workers_are_added_up() -> None:
    """A worker that is gone has none."""
    workers = [address_counts(), address_counts(), address_counts()]
    for worker in workers:
        worker.change("192.0.2.1", 2)
    workers[1].clear()
    assert count_in_all(workers, "192.0.2.1") == 4


def test_as_many_as_a_worker_holds() -> None:
    """Ten thousand addresses come and go; nearly all are counted, and none of them twice."""
    one, addresses = address_counts(), [f"192.0.{number >> 8}.{number & 255}" for number in range(10_000)]
    for address in addresses:
        one.change(address, 1)
    counts = [one.count(address) for address in addresses]
    assert set(counts) <= {0, 1}
    assert counts.count(1) > 9_990
    random.Random(1).shuffle(addresses)
    for address in addresses:
        one.change(address, -1)
    assert not any(one.count(address) for address in addresses)


def test_a_full_bucket_leaves_the_others_alone() -> None:
    """Who finds no place is counted by this worker alone, and does not overwrite anybody."""
    one, start = address_counts(), _bucket_and_key("192.0.2.1")[0]
    several = (f"10.{a}.{b}.{c}" for a in range(256) for b in range(256) for c in range(256))
    neighbours = list(islice((one for one in several if _bucket_and_key(one)[0] == start), SLOTS))
    for address in neighbours:
        one.change(address, 3)
    one.change("192.0.2.1", 5)
    assert (one.count("192.0.2.1"), one.own("192.0.2.1")) == (0, 5)
    assert {one.count(address) for address in neighbours} == {3}
