"""A reload with many open connections, and one that replaces an app."""

from dataclasses import replace

import pytest

from gatekeeper.proxy.snapshot import Snapshot
from gatekeeper.proxy.upstream.endpoints import make_endpoints
from gatekeeper.proxy.upstream.pool import Pool
from tests.proxy.reloading import CLOSED, renew, revoking, tunnel
from tests.proxy.scene import OK, Scene, get


def test_many_connections_are_judged_in_slices(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traffic gets its turn in between; in the end all are judged."""
    monkeypatch.setattr("gatekeeper.proxy.proxy.SLICE_SECONDS", 0.0)
    visitors = [scene.alice() for _ in range(5)]
    for visitor in visitors:
        tunnel(scene, visitor)
    scene.proxy.renew(revoking(scene, scene.files.alice))
    assert sum(visitor.was_sent_away for visitor in visitors) == 1
    scene.loop.settle()
    assert all(visitor.was_sent_away for visitor in visitors)


def test_who_cannot_be_judged_is_cut_and_nobody_else(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception about one connection neither lets that one go on nor keeps those behind it from being judged."""
    visitors = [scene.alice() for _ in range(5)]
    for visitor in visitors:
        tunnel(scene, visitor)
    wall, failures = scene.proxy.wall, iter([ZeroDivisionError])

    def fail_once() -> float:
        for failure in failures:
            raise failure
        return wall()

    monkeypatch.setattr(scene.proxy, "wall", fail_once)
    scene.proxy.renew(revoking(scene, scene.files.alice))
    scene.loop.settle()
    assert "ZeroDivisionError" in caplog.text
    assert all(visitor.is_gone or visitor.was_sent_away for visitor in visitors)


def test_a_pool_that_cannot_be_replaced_keeps_nobody_in(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails in a reload after the new state is in force does not spare open connections their judgement."""
    alice, other = scene.alice(), scene.alice()
    tunnel(scene, alice)
    other.send(get())
    scene.loop.settle()
    scene.serve(other)
    idle = scene.app.last.transport
    monkeypatch.setattr(idle, "abort", lambda: 1 / 0)
    snapshot = revoking(scene, scene.files.alice)
    with pytest.raises(ZeroDivisionError):
        scene.proxy.renew(replace(snapshot, upstreams=make_other_app(scene).upstreams))
    scene.loop.settle()
    assert alice.read() == CLOSED
    monkeypatch.undo()
    idle.abort()


def test_idle_connections_to_a_replaced_app_are_closed(scene: Scene) -> None:
    """What is under way there goes on."""
    first, second = scene.alice(), scene.alice()
    for visitor in (first, second):
        visitor.send(get())
    scene.loop.settle()
    busy, idle = scene.app.connections
    idle.send(OK)
    snapshot = make_other_app(scene)
    renew(scene, snapshot)
    assert idle.is_gone
    assert not busy.is_gone
    busy.send(OK)
    assert first.read().endswith(b"ok")


def make_other_app(scene: Scene) -> Snapshot:
    upstream = scene.files.settings(upstream={"url": "http://127.0.0.1:9000"}).every_upstream["default"]
    return replace(
        scene.snapshot, upstreams={"default": Pool(upstream, make_endpoints("default", upstream, {}), scene.loop)}
    )
