"""What the corpus is played with: an app that reads with h11, and a client that does."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import h11

from tests.proxy.scene import App, AppConnection, Scene

ANSWER = b"ok"
# What the gate adds to every request, whatever came; tested for what it says elsewhere, here only taken out again.
GATES_OWN = re.compile(rb"(?:X-Real-IP|X-Forwarded-[A-Za-z]+|X-Request-Id|X-SSL-Client-[A-Za-z-]+): [^\r\n]*\r\n")


@dataclass
class Asked:
    """One request as the app understood it: h11's reading, independent of the gate's."""

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)


class Reader:
    """An app on one connection: answers each complete request with 200, and an expectation with 100."""

    def __init__(self, connection: AppConnection) -> None:
        self.connection = connection
        self.http = h11.Connection(h11.SERVER)
        self.raw = b""
        self.requests: list[Asked] = []
        self.whole = True
        """Whether nothing of an unfinished request is there."""

    def work(self) -> bool:
        """Read and answer what is there; False if nothing was."""
        data = self.connection.read()
        if not data:
            return False
        self.raw += data
        self.http.receive_data(data)
        while self._next():
            pass
        return True

    def _next(self) -> bool:
        if self.http.our_state is h11.DONE:
            self.http.start_next_cycle()
        match event := self.http.next_event():
            case h11.Request():
                asked = Asked(event.method, event.target, event.headers.raw_items())
                self.requests.append(asked)
                self.whole = False
                if self.http.they_are_waiting_for_100_continue:
                    self._say(h11.InformationalResponse(status_code=100, headers=[]))
            case h11.Data():
                self.requests[-1].body += bytes(event.data)
            case h11.EndOfMessage():
                self.requests[-1].trailers = event.headers.raw_items()
                self.whole = True
                self._answer()
            case _:
                assert event in (h11.NEED_DATA, h11.PAUSED), f"the app cannot make sense of it: {event}"
                return False
        return True

    def _answer(self) -> None:
        head = h11.Response(status_code=200, headers=[("Content-Length", str(len(ANSWER)))])
        body = b"" if self.requests[-1].method == b"HEAD" else ANSWER
        self._say(head, *([h11.Data(body)] if body else []), h11.EndOfMessage())

    def _say(self, *events: h11.Event) -> None:
        data = b"".join(self.http.send(event) or b"" for event in events)
        if not self.connection.transport.closing:
            self.connection.send(data)


class Apps:
    """Every connection that the gate made to the app, read with h11."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._readers: list[Reader] = []

    def work(self) -> None:
        """Answer until nothing more is asked."""
        busy = True
        while busy:
            self._readers += [Reader(one) for one in self._app.connections[len(self._readers) :]]
            busy = bool([reader for reader in self._readers if reader.work()])

    @property
    def raw(self) -> bytes:
        """What the app got, without what the gate adds."""
        return GATES_OWN.sub(b"", b"".join(reader.raw for reader in self._readers))

    @property
    def requests(self) -> list[Asked]:
        """The complete requests."""
        return [one for reader in self._readers for one in reader.requests[: None if reader.whole else -1]]

    @property
    def gates_own(self) -> list[list[tuple[bytes, bytes]]]:
        """What the gate said in each request, the unfinished ones too."""
        return [gates_own(asked) for reader in self._readers for asked in reader.requests]

    @property
    def cut(self) -> bool:
        """Whether one was begun and not ended, and its connection is gone."""
        unfinished = [reader for reader in self._readers if not reader.whole]
        assert all(reader.connection.is_gone for reader in unfinished), "an unfinished request is left open"
        return bool(unfinished)


@dataclass
class Played:
    """What became of a message: the client's side and the app's."""

    statuses: list[int]
    bodies: list[bytes]
    whole: bool
    closed: bool
    goodbye: bool
    apps: Apps
    raw: bytes

    @property
    def meaning(self) -> tuple[object, ...]:
        """All that must not depend on how the message was split."""
        asked = [(one.method, one.target, plain(one.headers), one.body, one.trailers) for one in self.apps.requests]
        return self.statuses, self.closed, self.goodbye, self.apps.cut, asked


def gates_own(asked: Asked) -> list[tuple[bytes, bytes]]:
    """What the gate says in a request: the same for each of Alice's, apart from its number and the Host repeated."""
    own = sorted((name.lower(), value) for name, value in asked.headers if GATES_OWN.fullmatch(name + b": x\r\n"))
    said = dict(own)
    assert len(said) == len(own), f"said twice: {own}"
    assert re.fullmatch(rb"[0-9a-f]{32}", said.pop(b"x-request-id"))
    hosts = [value for name, value in asked.headers if name.lower() == b"host"]
    assert said.pop(b"x-forwarded-host", hosts[0]) == hosts[0]
    return list(said.items())


def plain(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Headers without what the gate adds."""
    return [(name, value) for name, value in headers if not GATES_OWN.fullmatch(name + b": x\r\n")]


def play(scene: Scene, sent: bytes, split: Callable[[bytes], Iterator[bytes]], *, admitted: bool = True) -> Played:
    """Have a client send this, in these pieces."""
    visitor = scene.alice() if admitted else scene.visitor()
    visitor.send_each(split(sent))
    apps = Apps(scene.app)
    apps.work()
    got = visitor.read()
    methods = [asked.method for asked in apps.requests]
    statuses, bodies, whole = read_responses(got, methods, closed=visitor.was_sent_away)
    return Played(statuses, bodies, whole, visitor.was_sent_away, visitor.said_goodbye, apps, got)


def read_responses(data: bytes, methods: list[bytes], *, closed: bool) -> tuple[list[int], list[bytes], bool]:
    """The statuses and bodies of all responses, and whether each of them is whole."""
    statuses: list[int] = []
    bodies: list[bytes] = []
    methods = [*methods]
    while data:
        http = h11.Connection(h11.CLIENT)
        method = methods.pop(0) if methods else b"GET"
        http.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        http.send(h11.EndOfMessage())
        http.receive_data(data)
        if closed:
            http.receive_data(b"")
        whole = False
        bodies.append(b"")
        while not whole:
            try:
                event = http.next_event()
            except h11.RemoteProtocolError:
                return statuses, bodies, False
            match event:
                case h11.Response() | h11.InformationalResponse():
                    statuses.append(event.status_code)
                case h11.Data():
                    bodies[-1] += bytes(event.data)
                case h11.EndOfMessage():
                    whole = True
                case _:
                    return statuses, bodies, False
        data = http.trailing_data[0]
    return statuses, bodies, True


# -- ways to split


def in_one(sent: bytes) -> Iterator[bytes]:
    """In records as large as they get."""
    for start in range(0, len(sent), 16384):
        yield sent[start : start + 16384]


def byte_by_byte(sent: bytes) -> Iterator[bytes]:
    for index in range(len(sent)):
        yield sent[index : index + 1]


def at(*endpoints: int) -> Callable[[bytes], Iterator[bytes]]:
    """At these endpoints, as far as there is something."""

    def split(sent: bytes) -> Iterator[bytes]:
        edges = [0, *sorted({endpoint % (len(sent) or 1) for endpoint in endpoints} - {0}), len(sent)]
        for start, end in pairwise(edges):
            yield from in_one(sent[start:end])

    return split
