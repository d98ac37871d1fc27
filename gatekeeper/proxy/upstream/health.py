"""The health of an endpoint: whether it gets requests, and how many. No socket, no clock: the time is an argument.

Health has two sources: the results of requests (passive), and the last check of ``health_path`` (active). An endpoint
that fails is ejected: it gets no requests for a time, and then a single one as a trial, which brings it back or ejects
it for longer. Times are seconds of one monotonic clock.
"""

# An endpoint that cannot be connected to is ejected for the first time, and twice as long after each failed trial. A
# restart takes seconds, hence the first; the last is what an operator waits at most after a repair.
FIRST_EJECTION = 1.0
LONGEST_EJECTION = 60.0
# An endpoint is ejected after this many requests in a row that were closed or timed out without a response. After a
# single one, a request that always times out would eject it for everybody.
MANY_FAILED = 3
# At the beginning of a slow start an endpoint gets a tenth of its share.
LEAST_SHARE = 0.1


class Health:
    """The health of one endpoint. For ``slow_start`` seconds after it came back, it gets fewer requests."""

    __slots__ = ("_recovered_at", "_slow_start", "failed_check", "failures", "retry_at", "trying")

    def __init__(self, slow_start: float) -> None:
        self.failed_check = False
        """Whether the last check failed: then it gets no request at all."""
        self.failures = 0
        """Failures in a row: how many since the last response."""
        self.retry_at = 0.0
        """When the ejection ends and a trial may follow; 0 if it is not ejected."""
        self.trying = False
        """Whether a connection is being made."""
        self._slow_start = slow_start
        self._recovered_at = float("-inf")

    def up(self, now: float) -> bool:
        """Whether it is neither ejected nor failing its checks. After an ejection it is up until the trial fails."""
        return not self.failed_check and now >= self.retry_at

    def usable(self, now: float) -> bool:
        """Whether a request may go there: also as the one trial after an ejection."""
        return self.up(now) and not (self.retry_at and self.trying)

    @property
    def half_open(self) -> bool:
        """Whether it was ejected, and has not been connected to since."""
        return self.retry_at > 0

    def share(self, now: float) -> float:
        """Its share of the load: it grows from a tenth to 1 within ``slow_start`` after it came back."""
        since = now - self._recovered_at
        return 1.0 if since >= self._slow_start else max(LEAST_SHARE, since / self._slow_start)

    # -- what happened; a bool or a time that is returned tells whether that changed anything

    def unreachable(self, now: float) -> float:
        """It could not be connected to. Returns for how long it is ejected from now on, 0 if it already was."""
        if not self.up(now):
            return 0.0  # requests that fail at the same time are one failure
        self.failures += 1
        ejected = min(FIRST_EJECTION * 2.0 ** min(self.failures - 1, 10), LONGEST_EJECTION)
        self.retry_at = now + ejected
        return ejected

    def failed(self, now: float) -> float:
        """It took a request and did not answer. Returns for how long it is ejected, 0 if it is not."""
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
        """A check passed (``fit``) or failed. True if the last one ended otherwise."""
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
