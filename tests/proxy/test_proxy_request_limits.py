"""``limits.rate`` and ``limits.concurrent``: who is counted, and what comes above."""

from collections.abc import Callable

from gatekeeper.gate.decision import Authorizer, Forward
from gatekeeper.gate.routes import Routes
from gatekeeper.gate.verdict import Admit, Identity, Reason, Refuse
from gatekeeper.proxy.request_limits import client_of
from gatekeeper.settings.access import RouteSettings
from gatekeeper.telemetry.metrics import Cell
from tests.certificates import make_client
from tests.people import ALICE
from tests.proxy.browser import Browser
from tests.proxy.scene import OK, Files, Scene, get

TWO = {"rate": "2/m", "rate_burst": 2}
Make = Callable[..., Scene]


def status_of(answer: bytes) -> bytes:
    return answer[9:12]


def served(scene: Scene) -> bytes:
    alice = scene.alice()
    alice.send(get())
    return status_of(alice.read() or scene.serve(alice))


def test_above_the_rate_a_client_gets_429(make_scene: Make) -> None:
    """On whatever connection it asks, with the seconds to wait; after them it is served again."""
    scene = make_scene(limits=TWO)
    assert [served(scene) for _ in range(2)] == [b"200", b"200"]
    alice = scene.alice()
    alice.send(get())
    answer = alice.read()
    assert answer.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert b"\r\nRetry-After: 30\r\n" in answer
    assert scene.proxy.metrics.count(Cell.RATE_LIMITED) == 1
    scene.loop.advance(30.0)
    alice.send(get())
    assert scene.serve(alice) == OK


def test_others_are_not_affected(make_scene: Make) -> None:
    """Another certificate has a rate of its own, from the same address."""
    scene = make_scene(limits=TWO)
    assert [served(scene) for _ in range(3)] == [b"200", b"200", b"429"]
    bob = scene.visitor(make_client("bob", scene.files.authority))
    bob.send(get())
    assert scene.serve(bob) == OK


def test_strangers_count_by_address(make_scene: Make) -> None:
    """And not by port: refused in any case, above the rate with 429. An admitted client there does not pay for it."""
    scene = make_scene(limits=TWO)
    got: list[bytes] = []
    for _ in range(3):
        nobody = scene.visitor(None, address=("192.0.2.7", 50000 + len(got)))
        nobody.send(get())
        got.append(status_of(nobody.read()))
    assert got == [b"403", b"403", b"429"]
    assert served(scene) == b"200"


def test_requests_at_once_are_bounded(make_scene: Make, files: Files) -> None:
    """Above: 429, until one of those under way is over, whichever way it ends."""
    scene = make_scene(limits={"concurrent": 2})
    browser = Browser(scene, files.alice)
    one, two, three = browser.ask("/1"), browser.ask("/2"), browser.ask("/3")
    assert browser.answers[three].status == 429
    assert browser.answers[three].headers["retry-after"] == "1"
    scene.app.connections[0].send(OK)
    browser.read()
    assert browser.answers[one].status == 200
    four = browser.ask("/4")
    assert not browser.answers[four].ended
    browser.h2.reset_stream(two)
    browser.flush()
    five = browser.ask("/5")
    assert not browser.answers[five].ended
    assert browser.answers[browser.ask("/6")].status == 429


def test_nothing_stays_counted(make_scene: Make, files: Files) -> None:
    """Clients that go away leave nothing behind."""
    scene = make_scene(limits={"concurrent": 2})
    alice = scene.alice()
    alice.send(get())
    assert len(scene.proxy.requests.counted) == 1
    alice.transport.peer_resets()
    scene.loop.settle()
    assert not scene.proxy.requests.counted


def test_a_limit_that_a_reload_takes_away_is_gone(make_scene: Make) -> None:
    """What it counted ends as it would."""
    scene = make_scene(limits={"concurrent": 1})
    alice = scene.alice()
    alice.send(get())
    scene.proxy.renew(make_scene().proxy.snapshot)
    assert scene.serve(alice) == OK
    assert not scene.proxy.requests.counted


def test_without_limits_nothing_is_counted(scene: Scene) -> None:
    """So that a request costs nothing more."""
    assert scene.proxy.snapshot.request_limits is None
    alice = scene.alice()
    alice.send(get())
    assert not scene.proxy.requests.counted


def client(verdict: Admit | Refuse, address: str, *, public: bool = False) -> str:
    routes = Routes([RouteSettings.model_validate({"public": public})])
    authorizer = Authorizer(verdict, routes)
    decision = authorizer.decide(b"GET", b"x", b"/")
    assert public == (isinstance(decision, Forward) and decision.route.public)
    return client_of(authorizer, decision, address)


def test_who_is_counted() -> None:
    """A certificate where it opens something; an address elsewhere, and of IPv6 the network that a client has."""
    admitted = Admit(Identity(ALICE), until=float("inf"))
    assert client(admitted, "192.0.2.1") == ALICE.sha256
    assert client(admitted, "192.0.2.1", public=True) == "192.0.2.1"
    refused = Refuse(Reason.EXPIRED, "expired", ALICE)
    assert client(refused, "192.0.2.1") == "192.0.2.1"
    assert client(refused, "2001:db8:0:1::1") == client(refused, "2001:db8:0:1:ffff::2")
    assert client(refused, "2001:db8:0:1::1") != client(refused, "2001:db8:0:2::1")
    assert client(refused, "unix") == "unix"
