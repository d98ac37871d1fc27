"""A function called in a child process, so that this one does without the libraries that it loads."""

import os
import pickle
from collections.abc import Callable
from typing import Generic, TypeVar, cast

T = TypeVar("T")


class Apart(Generic[T]):
    """Begins to call ``function`` in a child process; its value is passed on by `pickle`.

    Forks, so no other thread may run. The function opens no file that may hang: the child would outlive its parent.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        ours, theirs = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            try:
                os.close(ours)
                with open(theirs, "wb") as result:
                    result.write(pickle.dumps(function()))
            finally:
                os._exit(0)
        os.close(theirs)
        self._channel = ours

    def result(self) -> T | None:
        """Wait for the value. None if the child ended before it had one. To be called once."""
        with open(self._channel, "rb") as written:
            packed = written.read()
        os.waitpid(self._child, 0)
        try:
            # Written by this program, in its child.
            return cast(T, pickle.loads(packed))  # noqa: S301
        except (EOFError, pickle.UnpicklingError):
            return None
