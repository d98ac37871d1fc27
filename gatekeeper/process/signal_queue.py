"""Signals are queued when they arrive; the loop that waits for them acts on them."""

import selectors
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress


class SignalQueue:
    """Queues these signals while `listening`. A handler can run anywhere in the program, so it does nothing else."""

    def __init__(self, numbers: Sequence[signal.Signals]) -> None:
        self.numbers = tuple(numbers)
        self._queued: list[int] = []
        self._woken, self._wakes = socket.socketpair()
        self._woken.setblocking(False)
        self._wakes.setblocking(False)

    @contextmanager
    def listening(self, selector: selectors.BaseSelector) -> Iterator[None]:
        """A context in which signals are queued and wake ``selector``; blocked ones are delivered as it begins."""
        selector.register(self._woken, selectors.EVENT_READ, self)
        before = {
            number: signal.signal(number, lambda number, _: self._queued.append(number)) for number in self.numbers
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

    def take(self) -> list[int]:
        """The signals that arrived since the last call, in order."""
        with suppress(BlockingIOError):
            while self._woken.recv(4096):
                pass
        queued, self._queued = self._queued, []
        return queued

    def hold(self) -> None:
        """Block the signals until `release`: a child that was just forked must not run the parent's handlers."""
        signal.pthread_sigmask(signal.SIG_BLOCK, self.numbers)

    @contextmanager
    def held(self) -> Iterator[None]:
        """A context in which they are blocked, for what forks a child that ends by itself."""
        self.hold()
        try:
            yield
        finally:
            self.release()

    def release(self) -> None:
        """Unblock the signals; those that arrived meanwhile are delivered."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self.numbers)

    def forget(self) -> None:
        """In a forked child: stop queuing. SIGTERM ends it, as by default; the others are ignored."""
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
