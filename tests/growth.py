"""How the cost of a call grows with its input: compared with itself, so that the machine's speed does not count."""

import time
from collections.abc import Callable

LONGER = 4
MORE = 2.5 * LONGER
"""Between four times the time, which is linear, and sixteen times, which is quadratic."""


FEW, MANY = 5, 50


def grows_linearly(call: Callable[[int], object], length: int) -> bool:
    """Whether an input of ``length`` costs about as much more CPU time as it is longer than a quarter of it."""
    return costs_less(MORE, lambda: _seconds(call, length), lambda: _seconds(call, length // LONGER))


def costs_less(times: float, much: Callable[[], float], little: Callable[[], float]) -> bool:
    """Whether the one costs less than so many times the other; both return the seconds of a call.

    Compared are the best of `FEW` calls in turn, and up to `MANY` if that is not enough: the machine does other things
    too, and they can make any call slower, but none faster.
    """
    most = least = float("inf")
    for count in range(1, MANY + 1):
        most, least = min(most, much()), min(least, little())
        if count >= FEW and most < times * least:
            return True
    return False


def _seconds(call: Callable[[int], object], length: int) -> float:
    began = time.process_time()
    call(length)
    return time.process_time() - began
