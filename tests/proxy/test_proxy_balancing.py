"""Several endpoints, some that fail, and more requests than connections: who gets what, on a clock moved by hand."""

import pytest

from gatekeeper.proxy.upstream.endpoint import Endpoint
from tests.proxy.balanced import ONE, THREE, TWO, MakeScene, ask, endpoints, status
from tests.proxy.scene import OK, Scene, get, request

# -- least connections


def test_equal_places_take_turns(make_scene: MakeScene) -> None:
    """One request at a time: the first endpoint must not get them all."""
    scene = endpoints(make_scene, 3)
    for _ in range(6):
        scene.serve(ask(scene), OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n", 1))
    assert scene.app.attempts == [ONE, TWO, THREE] * 2


def test_idle_connections_take_turns_too(make_scene: MakeScene) -> None:
    """Kept connections are used again, at every endpoint."""
    scene = endpoints(make_scene)
    for _ in range(6):
        visitor = ask(scene)
        (asked,) = [connection for connection in scene.app.connections if connection.read()]
        asked.send(OK)
        assert visitor.read() == OK
    assert scene.app.attempts == [ONE, TWO]


def test_a_place_with_slow_answers_gets_fewer_requests(make_scene: MakeScene) -> None:
    """What is under way counts, not what was."""
    scene = endpoints(make_scene)
    for _ in range(4):
        ask(scene)
    for connection, address in zip(scene.app.connections, scene.app.attempts, strict=True):
        if address == TWO:
            connection.send(OK)
    before = len(scene.app.connections)
    for _ in range(2):
        ask(scene)
    assert len(scene.app.connections) == before  # both went to the idle connections of the second endpoint
    assert scene.endpoints[0].busy == scene.endpoints[1].busy == 2


# -- endpoints that fail


def test_a_place_that_refuses_is_left_alone_and_tried_again(make_scene: MakeScene) -> None:
    """A second, then two: one request each time finds out, and is answered by the other endpoint."""
    scene = endpoints(make_scene)
    scene.app.down.add(ONE)
    tried_at = []
    for _ in range(24):
        count = scene.app.attempts.count(ONE)
        assert status_of_next(scene) == 200
        if scene.app.attempts.count(ONE) > count:
            tried_at.append(scene.loop.time())
        scene.loop.advance(0.25)
    assert tried_at == [0.0, 1.0, 3.0]


def status_of_next(scene: Scene) -> int:
    visitor = ask(scene)
    for connection in scene.app.connections:
        if connection.read():
            connection.send(OK)
    return status(visitor)


def test_a_place_that_lets_connections_hang_is_given_up_in_time(make_scene: MakeScene) -> None:
    """timeouts.connect for each endpoint; then the next one is asked, and the first is ejected."""
    scene = endpoints(make_scene)
    scene.app.silent.add(ONE)
    visitor = ask(scene)
    scene.loop.advance(4.9)
    assert scene.app.attempts == [ONE]
    scene.loop.advance(0.2)
    assert scene.app.attempts == [ONE, TWO]
    assert scene.serve(visitor) == OK
    assert not scene.endpoints[0].health.up(scene.loop.time())


def test_a_place_that_is_back_gets_requests_slowly(make_scene: MakeScene) -> None:
    """slow_start: a tenth of its share at first, all of it in the end."""
    scene = endpoints(make_scene, slow_start="10s")
    scene.app.down.add(ONE)
    scene.serve(ask(scene))
    scene.app.down.clear()
    scene.loop.advance(1.0)
    for _ in range(22):
        ask(scene)
    assert scene.endpoints[0].busy == 2  # of 22 under way a tenth
    scene.loop.advance(10.0)
    for _ in range(18):
        ask(scene)
    assert scene.endpoints[0].busy == scene.endpoints[1].busy == 20


def test_a_single_place_is_always_tried(scene: Scene) -> None:
    """There is nowhere else to go, and the next attempt may work."""
    scene.app.down.add(("127.0.0.1", 8000))
    for _ in range(3):
        assert status(ask(scene)) == 502
    assert not scene.pool.up
    scene.app.down.clear()
    assert scene.serve(ask(scene)) == OK
    assert scene.pool.up


def test_where_every_place_has_failed_one_of_them_is_tried(make_scene: MakeScene) -> None:
    """Nobody but the requests can find out that an app is back; but none waits for all of them."""
    scene = endpoints(make_scene, 3)
    scene.app.down |= {ONE, TWO, THREE}
    assert status(ask(scene)) == 502
    assert scene.app.attempts == [ONE, TWO, THREE]
    assert not scene.pool.up
    assert status(ask(scene)) == 502
    assert len(scene.app.attempts) == 4
    scene.app.down.clear()
    assert scene.serve(ask(scene)) == OK


def test_why_a_place_cannot_be_reached_stands_in_the_log_only(scene: Scene) -> None:
    """The visitor learns nothing of the inside."""
    scene.app.refuses = ConnectionRefusedError(111, "Connection refused")
    visitor = ask(scene)
    assert b"refused" not in visitor.read()
    assert scene.log.records[0]["detail"] == "Connection refused"


def test_why_a_place_cannot_be_reached_is_logged_though_another_one_answers(make_scene: MakeScene) -> None:
    """Else nobody would notice that an app lacks one of its endpoints."""
    scene = endpoints(make_scene)
    scene.app.down.add(ONE)
    visitor = ask(scene)
    assert scene.serve(visitor) == OK
    record = scene.log.records[0]
    assert (record["status"], record["detail"]) == (200, "Connection refused")


def test_the_last_failure_of_a_request_is_the_one_that_is_logged(make_scene: MakeScene) -> None:
    """What made it fail is not that another endpoint was down."""
    scene = endpoints(make_scene)
    scene.app.down.add(ONE)
    visitor = ask(scene)
    scene.serve(visitor, b"HTTP/1.1 000 None\r\n\r\n")
    assert scene.log.records[0]["detail"].startswith("The app's response cannot be passed on: ")


def test_a_gate_without_room_for_connections_blames_no_place(scene: Scene) -> None:
    """EMFILE: 503, and the endpoint is as good as before."""
    scene.app.refuses = OSError(24, "Too many open files")
    answer = ask(scene).read()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: 1\r\n" in answer
    assert scene.pool.up


# -- once more, elsewhere


def test_an_idempotent_request_without_an_answer_goes_to_another_place(make_scene: MakeScene) -> None:
    """RFC 9110, 9.2.2. Each endpoint at most once."""
    scene = endpoints(make_scene)
    visitor = ask(scene)
    scene.app.connections[0].close()
    assert scene.app.attempts == [ONE, TWO]
    scene.app.connections[1].close()
    assert status(visitor) == 502
    assert scene.app.attempts == [ONE, TWO]


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (request("POST", "/"), b""),
        (request("PUT", "/", "Content-Length: 2", body=b"hi"), b""),
        (get("/"), b"HTTP/1.1 2"),
        (get("/"), b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    ],
)
def test_other_requests_do_not(make_scene: MakeScene, asked: bytes, answered: bytes) -> None:
    """Neither what is not idempotent, nor a body that is gone, nor where an answer had begun."""
    scene = endpoints(make_scene)
    visitor = scene.alice()
    visitor.send(asked)
    if answered:
        scene.app.last.send(answered)
    scene.app.last.close()
    assert b"502 " in visitor.read()
    assert len(scene.app.attempts) == 1


def test_a_second_try_keeps_to_max_connections(make_scene: MakeScene) -> None:
    """On the idle connection of an endpoint that may have no other."""
    scene = endpoints(make_scene, max_connections=1)
    for _ in range(2):
        scene.serve(ask(scene))
    one, two = scene.app.connections
    visitor = ask(scene)
    assert one.read()
    one.close()
    assert two.read()
    two.send(OK)
    assert visitor.read() == OK
    assert scene.app.attempts == [ONE, TWO]


def test_a_request_that_is_not_answered_in_time_is_not_sent_again(make_scene: MakeScene) -> None:
    """It may well be the request; it would block one place after the other."""
    scene = endpoints(make_scene)
    visitor = ask(scene)
    scene.loop.advance(61)
    assert status(visitor) == 504
    assert scene.app.attempts == [ONE]
    assert scene.log.records[0]["detail"] == "no answer in time"


def test_a_place_that_never_answers_is_left_alone(make_scene: MakeScene) -> None:
    """Three in a row, in time or by closing; one answer between them, and it goes on."""
    scene = endpoints(make_scene)
    closing = OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n", 1)
    for _ in range(5):  # in turns, so that the first is asked three times
        visitor = scene.alice()
        visitor.send(request("POST", "/"))
        if scene.app.attempts[-1] == TWO:
            scene.serve(visitor, closing)
        else:
            scene.app.last.close()
    assert scene.app.attempts == [ONE, TWO, ONE, TWO, ONE]
    assert not scene.endpoints[0].health.up(scene.loop.time())
    assert scene.endpoints[1].health.up(scene.loop.time())


# -- checks


class Checks:
    """The answers to health checks, by the endpoint's port."""

    def __init__(self, scene: Scene) -> None:
        self.wrong: dict[int, str] = {}
        self.asked: list[tuple[int, str, float, float]] = []
        self._scene = scene
        scene.pool.close()  # what it began by itself would use real sockets
        scene.loop.settle()
        scene.pool._checks.clear()
        scene.pool.start(self._ask)
        scene.loop.settle()

    async def _ask(self, endpoint: Endpoint, path: str, seconds: float) -> str:
        port = endpoint.address.port
        self.asked.append((port, path, seconds, self._scene.loop.time()))
        return self.wrong.get(port, "")


def test_every_place_is_asked_regularly(make_scene: MakeScene) -> None:
    """health_path, every health_interval, from the start on; an answer must come within the interval."""
    scene = endpoints(make_scene, health_path="/healthz", health_interval="2s")
    checks = Checks(scene)
    scene.loop.advance(5)
    assert checks.asked == [(port, "/healthz", 2.0, at) for at in (0.0, 2.0, 4.0) for port in (8001, 8002)]


def test_a_place_whose_check_fails_gets_no_requests_until_one_passes(make_scene: MakeScene) -> None:
    """Also none on the connections that it has, so that an app can take itself out."""
    scene = endpoints(make_scene, health_path="/healthz", health_interval="2s", slow_start="0s")
    checks = Checks(scene)
    for _ in range(2):
        scene.serve(ask(scene))
    checks.wrong[8001] = "/healthz is answered 503"
    scene.loop.advance(2)
    assert [connection.is_gone for connection in scene.app.connections] == [True, False]
    for _ in range(3):
        ask(scene)
    assert (scene.endpoints[0].busy, scene.endpoints[1].busy) == (0, 3)
    assert scene.pool.up
    checks.wrong.clear()
    scene.loop.advance(2)
    ask(scene)
    assert scene.endpoints[0].busy == 1


def test_what_is_under_way_at_a_place_that_fails_its_check_goes_on(make_scene: MakeScene) -> None:
    """The connection is not kept afterwards."""
    scene = make_scene(upstream={"url": "http://127.0.0.1:8000", "health_path": "/", "health_interval": "2s"})
    checks = Checks(scene)
    visitor = ask(scene)
    checks.wrong[8000] = "down"
    scene.loop.advance(2)
    assert scene.serve(visitor) == OK
    assert scene.app.last.is_gone


@pytest.mark.parametrize("count", [1, 2])
def test_where_every_check_fails_visitors_get_503(make_scene: MakeScene, count: int) -> None:
    """Whoever set health_path wants no request to reach an app that says no; one place or several."""
    scene = endpoints(make_scene, count, health_path="/healthz", health_interval="2s")
    checks = Checks(scene)
    checks.wrong.update({8001: "no", 8002: "no"})
    scene.loop.advance(2)
    answer = ask(scene).read()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: " in answer
    assert scene.app.attempts == []
    assert not scene.pool.up
    checks.wrong.clear()
    scene.loop.advance(2)
    assert scene.serve(ask(scene)) == OK


def test_a_closed_pool_checks_no_more(make_scene: MakeScene) -> None:
    """At the end of a worker, or of a configuration."""
    scene = endpoints(make_scene, health_path="/healthz", health_interval="2s")
    checks = Checks(scene)
    scene.pool.close()
    scene.loop.advance(10)
    assert len(checks.asked) == 2


# -- names


def test_a_name_is_looked_up_for_each_connection(make_scene: MakeScene) -> None:
    """An app that moves is found, without a reload."""
    scene = make_scene(upstream={"url": "http://app.internal:80"})
    for address in ("10.0.0.1", "10.0.0.2"):
        scene.loop.names["app.internal"] = [address]
        scene.serve(ask(scene), OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n", 1))
    assert scene.app.attempts == [("10.0.0.1", 80), ("10.0.0.2", 80)]
    assert scene.loop.lookups == ["app.internal"] * 2


def test_all_addresses_of_a_name_are_tried(make_scene: MakeScene) -> None:
    """Those that refuse at once, and beside those that do not react (RFC 8305)."""
    scene = make_scene(upstream={"url": "http://app.internal:80"})
    scene.loop.names["app.internal"] = ["2001:db8::1", "2001:db8::2", "10.0.0.1"]
    scene.loop.unreachable.add("2001:db8::1")
    scene.loop.silent.add("2001:db8::2")
    visitor = ask(scene)
    scene.loop.advance(1.0)
    assert scene.app.attempts == [("10.0.0.1", 80)]
    assert scene.serve(visitor) == OK


# -- for readiness and metrics


def reachable(scene: Scene) -> bool:
    task = scene.loop.create_task(scene.pool.is_reachable(2.0))
    scene.loop.advance(5.0)
    return task.result()


def test_a_connection_that_is_open_says_that_the_app_is_there(scene: Scene) -> None:
    """None is made only to find out."""
    scene.serve(ask(scene))
    assert reachable(scene)
    assert len(scene.app.attempts) == 1


def test_without_one_it_is_tried_at_every_place(make_scene: MakeScene) -> None:
    """One that takes it suffices, and nothing is left open; one that hangs is given up."""
    scene = endpoints(make_scene)
    scene.app.silent.add(ONE)
    assert reachable(scene)
    assert scene.app.attempts == [ONE, TWO]
    assert scene.app.last.is_gone
    scene.app.down.add(TWO)
    assert not reachable(scene)
    assert scene.busy == 0


def test_where_there_are_checks_they_say_it(make_scene: MakeScene) -> None:
    """An app that takes connections may have said that it is not ready."""
    scene = make_scene(upstream={"url": "http://127.0.0.1:8000", "health_path": "/"})
    checks = Checks(scene)
    assert reachable(scene)
    checks.wrong[8000] = "no"
    scene.loop.advance(10)
    assert not reachable(scene)
    assert scene.app.attempts == []
