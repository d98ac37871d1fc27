"""How the cost of a call grows with its input: compared with itself, so that the machine's speed does not count."""

import time
from collections.abc import Callable

LONGER = 4
MORE = 2.5 * LONGER
"""Between four times the time, which is linear, and sixteen times, which is quadratic."""


def grows_linearly(call: Callable[[int], object], length: int) -> bool:
    """Whether an input of ``length`` costs about as much more CPU time as it is longer than a quarter of it."""
    return _seconds(call, length) <= MORE * _seconds(call, length // LONGER)


def _seconds(call: Callable[[int], object], length: int) -> float:
    """The best of five: the machine does other things too."""

    def once() -> float:
        began = time.process_time()
        call(length)
        return time.process_time() - began

    return min(once() for _ in range(5))
