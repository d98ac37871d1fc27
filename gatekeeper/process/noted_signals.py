"""Signals that are only recorded when they arrive; a loop that waits for them acts on them."""

import selectors
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress


class NotedSignals:
    """Records these signals while `noting`. A handler can run anywhere in the program, so it does nothing else."""

    def __init__(self, numbers: Sequence[signal.Signals]) -> None:
        self.numbers = tuple(numbers)
        self._noted: list[int] = []
        self._woken, self._wakes = socket.socketpair()
        self._woken.setblocking(False)
        self._wakes.setblocking(False)

    @contextmanager
    def noting(self, selector: selectors.BaseSelector) -> Iterator[None]:
        """A context in which signals are noted and wake ``selector``. What was blocked until now comes now."""
        selector.register(self._woken, selectors.EVENT_READ, self)
        before = {
            number: signal.signal(number, lambda number, _: self._noted.append(number)) for number in self.numbers
        }
        woken_before = signal.set_wakeup_fd(self._wakes.fileno(), warn_on_full_buffer=False)
        self.release()
        try:
            yield
        finally:
            signal.set_wakeup_fd(woken_before)
            for number, handler in before.items():
                signal.signal(number, handler)
            self.close()

    def _note(self, number: int, _frame: object) -> None:
        self._noted.append(number)

    def take(self) -> list[int]:
        """The signals that came since the last call, in order."""
        with suppress(BlockingIOError):
            while self._woken.recv(4096):
                pass
        noted, self._noted = self._noted, []
        return noted

    def hold(self) -> None:
        """Until `release`, none is delivered: a child that was just forked must not run the parent's handlers."""
        signal.pthread_sigmask(signal.SIG_BLOCK, self.numbers)

    def release(self) -> None:
        """Deliver what was held."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self.numbers)

    def forget(self) -> None:
        """In a forked child: note nothing more. SIGTERM ends it, as by default; the others mean nothing to it."""
        signal.set_wakeup_fd(-1)
        for number in self.numbers:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.release()
        self.close()

    def close(self) -> None:
        """Close the pair of sockets that wakes the loop."""
        self._woken.close()
        self._wakes.close()
