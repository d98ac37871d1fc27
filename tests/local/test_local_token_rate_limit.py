"""How often an address may be wrong."""

import pytest

from gatekeeper.local.token_rate_limit import MOST_ADDRESSES, MOST_GUESSES, WINDOW_SECONDS, TokenRateLimit


def wrong(guesses: TokenRateLimit, address: str, times: int = MOST_GUESSES, now: float = 0.0) -> TokenRateLimit:
    for _ in range(times):
        guesses.wrong(address, now)
    return guesses


def test_who_is_wrong_too_often_waits() -> None:
    """Until the window ends that began with the first guess."""
    guesses = wrong(TokenRateLimit(), "192.0.2.7", MOST_GUESSES - 1)
    assert guesses.wait("192.0.2.7", 1) == 0
    guesses.wrong("192.0.2.7", 5)
    assert guesses.wait("192.0.2.7", 10) == WINDOW_SECONDS - 10 + 1
    assert guesses.wait("192.0.2.7", WINDOW_SECONDS) == 0


def test_others_do_not_wait() -> None:
    """Each address for itself."""
    assert wrong(TokenRateLimit(), "192.0.2.7").wait("192.0.2.8", 0) == 0


def test_afterwards_it_begins_anew() -> None:
    """One more wrong guess is one, not eleven, and ten more are too many again."""
    guesses = wrong(TokenRateLimit(), "192.0.2.7")
    guesses.wrong("192.0.2.7", WINDOW_SECONDS)
    assert guesses.wait("192.0.2.7", WINDOW_SECONDS) == 0
    wrong(guesses, "192.0.2.7", MOST_GUESSES - 1, WINDOW_SECONDS)
    assert guesses.wait("192.0.2.7", WINDOW_SECONDS) == WINDOW_SECONDS + 1


@pytest.mark.parametrize(("other", "waits"), [("2001:db8:0:1::ffff", True), ("2001:db8:0:2::1", False)])
def test_ipv6_counts_by_network(other: str, waits: bool) -> None:
    """A /64 is one customer, who has 2**64 addresses to guess from."""
    assert bool(wrong(TokenRateLimit(), "2001:db8:0:1::1").wait(other, 0)) is waits


def test_a_unix_socket_counts_as_one() -> None:
    """It has no address."""
    assert wrong(TokenRateLimit(), "unix").wait("unix", 0)


def test_memory_is_bounded() -> None:
    """The oldest is forgotten."""
    guesses = wrong(TokenRateLimit(), "192.0.2.7")
    for number in range(MOST_ADDRESSES):
        guesses.wrong(f"10.0.{number >> 8}.{number & 255}", 0)
    assert guesses.wait("192.0.2.7", 0) == 0
    assert len(guesses._counted) == MOST_ADDRESSES
