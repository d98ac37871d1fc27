"""A reload that revokes a certificate, as its open connections see it."""

from tests.certificates import make_client
from tests.proxy.reloading import BEGUN, CLOSED, ask, renew, revoking, tunnel
from tests.proxy.scene import OK, Scene, get, request


def test_the_next_request_of_a_revoked_certificate_is_refused(scene: Scene) -> None:
    """On the connection that was open all the time; the app hears nothing of it."""
    alice = scene.alice()
    alice.send(get())
    scene.loop.settle()
    assert scene.serve(alice).startswith(b"HTTP/1.1 200 ")
    renew(scene, revoking(scene, scene.files.alice))
    got = ask(scene, alice)
    assert got.startswith(b"HTTP/1.1 403 ")
    assert b"Gatekeeper-Reason: revoked\r\n" in got
    assert len(scene.app.connections) == 1
    assert scene.proxy.metrics.refusals == {"revoked": 1}


def test_everybody_else_notices_nothing(scene: Scene) -> None:
    """Tunnels, downloads and idle connections of other certificates go on."""
    bob = make_client("bob", scene.files.authority)
    alice = scene.alice()
    tunnel(scene, alice)
    renew(scene, revoking(scene, bob))
    scene.app.last.send(b"\x81\x02hi")
    assert alice.read() == b"\x81\x02hi"
    alice.send(b"\x81\x80abcd")
    assert scene.app.last.read().endswith(b"\x81\x80abcd")


def test_a_websocket_is_closed_with_1008(scene: Scene) -> None:
    """RFC 6455, 7.4.1, between two frames; then the connection ends in order, and the app's too."""
    alice = scene.alice()
    tunnel(scene, alice)
    scene.app.last.send(b"\x81\x02hi")
    renew(scene, revoking(scene, scene.files.alice))
    assert alice.read() == b"\x81\x02hi" + CLOSED
    assert alice.said_goodbye
    assert alice.was_sent_away
    assert scene.app.last.is_gone
    assert scene.log.records[-1]["status"] == 101
    assert scene.log.records[-1]["reason"] == "revoked"


def test_a_websocket_in_the_middle_of_a_frame_is_cut(scene: Scene) -> None:
    """A close frame there would be part of the app's frame; so there is no goodbye at all."""
    alice = scene.alice()
    tunnel(scene, alice)
    scene.app.last.send(b"\x81\x05he")
    renew(scene, revoking(scene, scene.files.alice))
    assert alice.read() == b"\x81\x05he"
    assert not alice.said_goodbye
    assert alice.is_gone
    assert scene.app.last.is_gone


def test_after_the_apps_own_close_frame_comes_no_other(scene: Scene) -> None:
    """RFC 6455, 5.5.1: nothing is sent after a close frame."""
    alice = scene.alice()
    tunnel(scene, alice)
    scene.app.last.send(b"\x88\x02\x03\xe8")
    renew(scene, revoking(scene, scene.files.alice))
    assert alice.read() == b"\x88\x02\x03\xe8"
    assert alice.was_sent_away


def test_a_download_is_cut_so_that_it_looks_truncated(scene: Scene) -> None:
    """Without close_notify (RFC 8446, 6.1), and without waiting for a client that does not read."""
    alice = scene.alice()
    alice.send(get("/film"))
    scene.loop.settle()
    scene.app.last.send(BEGUN)
    renew(scene, revoking(scene, scene.files.alice))
    assert alice.read().endswith(b"once upon a time")
    assert not alice.said_goodbye
    assert alice.is_gone
    assert scene.app.last.is_gone
    assert scene.log.records[-1]["reason"] == "revoked"


def test_a_request_without_a_response_yet_is_refused(scene: Scene) -> None:
    """An upload, or a long poll: 403, once in the log, and the app sees a reset."""
    alice = scene.alice()
    alice.send(request("POST", "/film", "Content-Length: 1000", body=b"once upon a time"))
    scene.loop.settle()
    renew(scene, revoking(scene, scene.files.alice))
    assert alice.read().startswith(b"HTTP/1.1 403 ")
    assert alice.was_sent_away
    assert scene.app.last.is_gone
    assert scene.statuses == [403]
    assert scene.log.records[-1]["reason"] == "revoked"


def test_a_request_that_waits_for_the_app_to_be_reached_is_refused(scene: Scene) -> None:
    """The connection that was being made is given up."""
    scene.app.hangs = True
    alice = scene.alice()
    alice.send(get())
    scene.loop.settle()
    renew(scene, revoking(scene, scene.files.alice))
    assert alice.read().startswith(b"HTTP/1.1 403 ")
    scene.app.recover()


def test_who_was_refused_may_be_let_in_by_a_reload(scene: Scene) -> None:
    """On a new connection: the refusal closed the old one."""
    renew(scene, revoking(scene, scene.files.alice))
    assert ask(scene, scene.alice()).startswith(b"HTTP/1.1 403 ")
    renew(scene, revoking(scene))
    alice = scene.alice()
    alice.send(get())
    scene.loop.settle()
    assert scene.serve(alice, OK).startswith(b"HTTP/1.1 200 ")
