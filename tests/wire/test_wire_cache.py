"""What was read before."""

import pytest

from gatekeeper.errors import MessageError
from gatekeeper.wire.cache import Cache
from gatekeeper.wire.rules import MessageRule


def memory(entries: int = 2, longest: int = 3) -> tuple[Cache[int], list[bytes]]:
    """A memory of lengths, and what it had to read."""
    read: list[bytes] = []

    def length(text: bytes) -> int:
        read.append(text)
        return len(text)

    return Cache(length, entries, longest), read


def test_a_text_is_read_once() -> None:
    """The second time the value is cached."""
    lengths, read = memory()
    assert [lengths[b"a"], lengths[b"a"], lengths[b"bb"]] == [1, 1, 2]
    assert read == [b"a", b"bb"]


def test_a_full_memory_is_emptied() -> None:
    """It never holds more than it may, and still answers."""
    lengths, read = memory()
    for text in (b"a", b"b", b"c", b"a"):
        assert lengths[text] == 1
        assert len(lengths) <= 2
    assert read == [b"a", b"b", b"c", b"a"]


def test_a_long_text_is_not_cached() -> None:
    """Entries are bounded in size."""
    lengths, read = memory()
    assert [lengths[b"long"], lengths[b"long"]] == [4, 4]
    assert read == [b"long", b"long"]
    assert not lengths


def test_a_memory_of_nothing_remembers_nothing() -> None:
    """This is what visitors without a good certificate get."""
    lengths, _ = memory(0, -1)
    assert [lengths[b""], lengths[b"a"]] == [0, 1]
    assert not lengths


def test_what_cannot_be_read_is_not_cached() -> None:
    """An error is raised each time, and leaves nothing behind."""

    def refuse(_text: bytes) -> int:
        raise MessageRule.FIELD_LINE.error()

    refusing = Cache(refuse, 2, 3)
    for _ in range(2):
        with pytest.raises(MessageError):
            refusing[b"a"]
    assert not refusing
