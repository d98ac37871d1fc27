"""The health of an endpoint: whether it gets requests, and how many. No socket, no clock: the time is an argument.

Health has two sources: the results of requests (passive), and the last check of ``health_path``
(active). Times are seconds of one monotonic clock.
"""

# An endpoint that cannot be connected to is left alone for this long, and twice as long each time that a trial fails. A
# restart takes seconds, hence the first; the last is what an operator waits at most after a repair.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
# So many requests in a row without an answer (closed, or too late) say that it is the endpoint and not the request: one
# that always times out must not shut an endpoint for everybody else.
MANY_FAILED = 3
# At the beginning of a slow start an endpoint gets a tenth of its share.
LEAST_SHARE = 0.1


class Health:
    """The health of one endpoint. ``slow_start`` is how long it gets fewer requests after it came back, in seconds."""

    __slots__ = ("_recovered_at", "_slow_start", "failed_check", "failures", "retry_at", "trying")

    def __init__(self, slow_start: float) -> None:
        self.failed_check = False
        """Whether the last check found it unfit: then it gets no request at all."""
        self.failures = 0
        """What went wrong since the last answer."""
        self.retry_at = 0.0
        """When the pause ends after a failure; 0 if there is none to get over."""
        self.trying = False
        """Whether a connection is being made."""
        self._slow_start = slow_start
        self._recovered_at = float("-inf")

    def up(self, now: float) -> bool:
        """Whether nothing speaks against it: after a pause that is so until the trial fails."""
        return not self.failed_check and now >= self.retry_at

    def usable(self, now: float) -> bool:
        """Whether a request may go there: also as the one trial after a pause."""
        return self.up(now) and not (self.retry_at and self.trying)

    @property
    def half_open(self) -> bool:
        """Whether it failed, and has not been connected to since."""
        return self.retry_at > 0

    def share(self, now: float) -> float:
        """The part of its load that it may be given: from a tenth to 1 within ``slow_start`` after it came back."""
        since = now - self._recovered_at
        return 1.0 if since >= self._slow_start else max(LEAST_SHARE, since / self._slow_start)

    # -- what happened; those that return a bool or a time say whether that changed anything

    def unreachable(self, now: float) -> float:
        """It could not be connected to. Returns for how long it is left alone from now on, 0 if it already was."""
        if not self.up(now):
            return 0.0  # requests that fail at the same time are one failure
        self.failures += 1
        pause = min(FIRST_PAUSE * 2.0 ** min(self.failures - 1, 10), LONGEST_PAUSE)
        self.retry_at = now + pause
        return pause

    def failed(self, now: float) -> float:
        """It took a request and did not answer. Returns the pause if there is one."""
        if self.failures + 1 >= MANY_FAILED:
            return self.unreachable(now)
        self.failures += 1
        return 0.0

    def answered(self) -> None:
        """It answered a request."""
        self.failures = 0

    def connected(self, now: float) -> bool:
        """It was connected to. True if it comes back by that."""
        back = self.half_open
        if back:
            self._recover(now)
        return back

    def checked(self, fit: bool, now: float) -> bool:
        """A check found it fit or not. True if that is news."""
        if fit and (self.failed_check or self.half_open):
            self.failed_check = False
            self.failures = 0
            self._recover(now)
            return True
        news = fit == self.failed_check
        self.failed_check = not fit
        return news

    def _recover(self, now: float) -> None:
        self.retry_at = 0.0
        self._recovered_at = now
