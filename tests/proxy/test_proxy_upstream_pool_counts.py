"""A pool under any sequence of events: what it counts is what there is, and everybody gets an answer."""

from collections.abc import Callable
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gatekeeper.proxy.streams import EndpointHealth, UpstreamStream
from gatekeeper.proxy.upstream.endpoints import make_endpoints
from gatekeeper.proxy.upstream.http1 import UpstreamConnection
from gatekeeper.proxy.upstream.pool import Pool
from gatekeeper.settings.upstream import UpstreamSettings
from tests.proxy.scene import App
from tests.proxy.virtual import VirtualLoop

ADDRESSES = [("127.0.0.1", 8001), ("127.0.0.1", 8002)]
CONNECT_SECONDS = 5.0
QUEUE_SECONDS = 3.0


class Asker:
    """An exchange, as far as a pool knows one."""

    def __init__(self) -> None:
        self.tried: tuple[EndpointHealth, ...] = ()
        self.detail = ""
        self.connection: UpstreamConnection | None = None
        self.status = 0
        self.left = False

    def connected(self, stream: UpstreamStream) -> None:
        assert self.connection is None
        assert not self.status
        assert not self.left, "connected for somebody who is gone"
        assert isinstance(stream, UpstreamConnection)
        self.connection = stream
        stream.handler = self  # type: ignore[assignment]

    def fail(self, status: int, _sentence: str, _why: str = "") -> None:
        assert self.connection is None
        assert not self.status, "failed twice"
        assert not self.left
        self.status = status

    def upstream_gone(self, _error: Exception | None) -> None:
        self.connection = None
        self.status = 502


class Play:
    """A pool with two endpoints, and everything that can happen to it."""

    def __init__(self, limit: int) -> None:
        self.loop = VirtualLoop()
        self.app = App(self.loop)
        self.limit = limit
        table = {
            "urls": [f"http://{host}:{port}" for host, port in ADDRESSES],
            "max_connections": limit,
            "queue_timeout": f"{QUEUE_SECONDS:g}s",
        }
        upstream = UpstreamSettings.model_validate(table)
        self.endpoints = make_endpoints("default", upstream, {})
        self.pool = Pool(upstream, self.endpoints, self.loop)
        self.askers: list[Asker] = []

    def act(self, name: str, number: int) -> None:
        getattr(self, name)(number)
        self.loop.settle()
        self.check()

    def check(self) -> None:
        for endpoint, address in zip(self.endpoints, ADDRESSES, strict=True):
            open_ones = sum(
                connection.protocol.endpoint is endpoint and not connection.transport.lost  # type: ignore[attr-defined]
                for connection in self.app.connections
            )
            assert endpoint.busy >= 0
            assert endpoint.busy + endpoint.idle == open_ones + len(endpoint._connecting), address
            assert not self.limit or endpoint.busy + endpoint.idle <= self.limit
        served = sum(asker.connection is not None for asker in self.askers)
        waiting = sum(not (a.connection or a.status or a.left) for a in self.askers)
        assert served + len(self.pool._connecting) == sum(endpoint.busy for endpoint in self.endpoints)
        assert waiting == len(self.pool._connecting) + len(self.pool._waiting)

    def _pick(self, number: int, which: Callable[[Asker], Any]) -> Asker | None:
        found = [asker for asker in self.askers if which(asker)]
        return found[number % len(found)] if found else None

    # -- events

    def ask(self, _: int) -> None:
        asker = Asker()
        self.askers.append(asker)
        connection = self.pool.acquire()
        if connection is not None:
            asker.connected(connection)
        else:
            self.pool.connect(asker, CONNECT_SECONDS)

    def ask_and_leave_at_once(self, _: int) -> None:
        self.ask(0)
        asker = self.askers[-1]
        if not asker.connection and not asker.status:
            asker.left = True
            self.pool.forget(asker)

    def answer(self, number: int) -> None:
        if asker := self._pick(number, lambda asker: asker.connection):
            connection, asker.connection, asker.status = asker.connection, None, 200
            assert connection is not None
            connection._reusable = True
            self.pool.release(connection)

    def answer_and_close(self, number: int) -> None:
        if asker := self._pick(number, lambda asker: asker.connection):
            connection, asker.connection, asker.status = asker.connection, None, 200
            assert connection is not None
            connection.reset()

    def leave(self, number: int) -> None:
        if asker := self._pick(number, lambda asker: not (asker.connection or asker.status or asker.left)):
            asker.left = True
            self.pool.forget(asker)

    def lose(self, number: int) -> None:
        alive = [connection for connection in self.app.connections if not connection.is_gone]
        if alive:
            alive[number % len(alive)].reset()

    def goes_down(self, number: int) -> None:
        self.app.down.add(ADDRESSES[number % 2])

    def falls_silent(self, number: int) -> None:
        self.app.silent.add(ADDRESSES[number % 2])

    def comes_back(self, _: int) -> None:
        self.app.down.clear()
        self.app.silent.clear()
        self.app.recover()

    def fails_its_check(self, number: int) -> None:
        self.endpoints[number % 2].checked("wrong", self.loop.time())
        self.pool._slot_freed()

    def passes_its_check(self, number: int) -> None:
        self.endpoints[number % 2].checked("", self.loop.time())
        self.pool._slot_freed()

    def wait(self, number: int) -> None:
        self.loop.advance(number / 4)

    # -- the end

    def end(self) -> None:
        """Whatever is left gets an answer, and nothing remains."""
        self.comes_back(0)
        self.loop.advance(2 * CONNECT_SECONDS + QUEUE_SECONDS)
        self.check()
        assert not self.pool._connecting
        assert not self.pool._waiting
        for _ in self.askers:
            self.answer_and_close(0)
        self.pool.close()
        self.loop.settle()
        assert [(endpoint.busy, endpoint.idle) for endpoint in self.endpoints] == [(0, 0)] * 2
        self.loop.close()


EVENTS = [
    "ask",
    "ask",
    "ask_and_leave_at_once",
    "answer",
    "answer_and_close",
    "leave",
    "lose",
    "goes_down",
    "falls_silent",
    "comes_back",
    "fails_its_check",
    "passes_its_check",
    "wait",
]


@settings(max_examples=150)
@example(1, [("ask", 0), ("answer", 0), ("goes_down", 1), ("ask", 0)])  # the other endpoint is full, and idle
@given(st.sampled_from([0, 1, 2]), st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 30)), max_size=60))
def test_counts_are_right_whatever_happens(limit: int, events: list[tuple[str, int]]) -> None:
    """Busy and idle are what is open or being opened, never above the bound; nobody is forgotten or told twice."""
    play = Play(limit)
    for name, number in events:
        play.act(name, number)
    play.end()
