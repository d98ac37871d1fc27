"""The end of a certificate or a revocation list, as open connections see it."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.certificates import DAY, NOW, Holder, make_client
from tests.proxy.reloading import renew, revoking, tunnel
from tests.proxy.scene import Files, Scene, Visitor, get


@pytest.fixture
def brief(files: Files) -> Holder:
    """Good for another day."""
    return make_client("brief", files.authority, ends=NOW + DAY)


@pytest.mark.parametrize("begin", [tunnel, lambda scene, visitor: visitor.send(get())])
def test_what_is_under_way_ends_with_the_certificate(
    make_scene: Callable[..., Scene], brief: Holder, begin: Callable[[Scene, Visitor], Any]
) -> None:
    """At notAfter, by a timer: no byte has to move."""
    scene = make_scene(timeouts={"tunnel_idle": "9d", "response_header": "9d"})
    visitor = scene.visitor(brief)
    begin(scene, visitor)
    scene.loop.advance((NOW + DAY).timestamp() - 10 - scene.wall())
    assert not visitor.was_sent_away
    scene.loop.advance(12)
    assert b"expired" in visitor.read()
    assert visitor.was_sent_away


def test_tunnels_end_when_a_list_is_not_renewed_in_time(make_scene: Callable[..., Scene]) -> None:
    """``crl_stale = "deny"``: from nextUpdate on nobody can say who was revoked."""
    scene = make_scene(timeouts={"tunnel_idle": "9h"})
    renew(scene, revoking(scene, next_update=scene.wall() + 60))
    alice = scene.alice()
    tunnel(scene, alice)
    scene.loop.advance(59)
    assert not alice.was_sent_away
    scene.loop.advance(2)
    assert alice.read() == b"\x88\x14\x03\xf0revocation_unknown"


def test_a_renewed_list_moves_the_end(make_scene: Callable[..., Scene]) -> None:
    """The timer of the old list finds a verdict that holds longer."""
    scene = make_scene(timeouts={"tunnel_idle": "9h"})
    renew(scene, revoking(scene, next_update=scene.wall() + 60))
    alice = scene.alice()
    tunnel(scene, alice)
    renew(scene, revoking(scene, next_update=scene.wall() + 6000))
    scene.loop.advance(70)
    assert not alice.was_sent_away
