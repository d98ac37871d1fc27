"""Routes, public routes and preflights, and which headers about a visitor reach the app."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from tests.certificates import CLIENT, DAY, NOW, Holder, make, make_client
from tests.proxy.scene import OK, Files, Scene, get, request

Make = Callable[..., Scene]

ROUTES = [
    {"path": "/hook", "public": True},
    {"path": "/admin/*", "allow": [{"ou": "ops"}]},
    {"path": "/api/*", "upstream": "api", "methods": ["GET", "PUT"], "cors_preflight": ["https://app.example.com"]},
    {"path": "/mine/*"},
]
API = {"api": {"url": "http://127.0.0.1:9999"}}
PRESETS = ["nginx", "rfc9440", "remote-user", "xfcc", "traefik"]
OURS = (
    b"x-ssl-client",
    b"client-cert",
    b"remote-user",
    b"x-forwarded-user",
    b"x-forwarded-email",
    b"x-forwarded-groups",
)
OURS += (b"x-forwarded-client-cert", b"x-forwarded-tls", b"gatekeeper-", b"x-device")  # type: ignore[assignment]


@pytest.fixture
def scene(make_scene: Make) -> Scene:
    return make_scene(routes=ROUTES, upstreams=API, identity={"headers": PRESETS, "custom": {"X-Device": "{cn}"}})


@pytest.fixture(scope="session")
def olga(files: Files) -> Holder:
    """Somebody in ops."""
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "ops"), x509.NameAttribute(NameOID.COMMON_NAME, "olga")]
    )
    return make(subject, files.authority, extensions=[(x509.ExtendedKeyUsage([CLIENT]), False)])


def identities(head: bytes) -> list[bytes]:
    """The header lines that speak of a visitor."""
    return [line for line in head.split(b"\r\n") if line.lower().startswith(OURS)]


def test_a_route_leads_to_its_upstream(scene: Scene) -> None:
    """The target goes on as it came; connections are those of the upstream's own pool."""
    alice = scene.alice()
    alice.send(get("/api/a%2fb?c=/../d"))
    assert scene.app.attempts[-1][1] == 9999
    assert scene.app.last.read().startswith(b"GET /api/a%2fb?c=/../d HTTP/1.1\r\n")
    assert scene.serve(alice) == OK
    alice.send(get("/mine/x"))
    assert scene.app.attempts[-1][1] == 8000


def test_who_is_not_allowed_gets_403_and_no_more(scene: Scene, olga: Holder) -> None:
    """One connection, two visitors' rights: each request is decided by itself."""
    alice, someone = scene.alice(), scene.visitor(olga)
    someone.send(get("/admin/x"))
    assert scene.serve(someone) == OK
    alice.send(get("/mine/x"))
    assert scene.serve(alice) == OK
    asked = len(scene.app.connections)
    alice.send(get("/admin/x"))
    answer = alice.read()
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"\r\nGatekeeper-Reason: not_allowed\r\n" in answer
    assert alice.was_sent_away
    assert len(scene.app.connections) == asked
    assert scene.log.records[-1]["reason"] == "not_allowed"
    assert scene.proxy.metrics.refusals["not_allowed"] == 1


def test_no_route_is_404_for_whoever_was_let_in(scene: Scene) -> None:
    """In the two body forms of every answer; the connection goes on, and what waits behind it is answered."""
    alice = scene.alice()
    alice.send(get("/nothing", "Accept: application/json") + get("/mine/x"))
    first = alice.read()
    assert first.startswith(b"HTTP/1.1 404 ")
    assert b"\r\nContent-Type: application/problem+json\r\n" in first
    assert scene.serve(alice) == OK
    assert scene.statuses == [404, 200]


def test_an_ambiguous_path_is_400(scene: Scene) -> None:
    """For whoever was let in. It never reaches the app."""
    alice = scene.alice()
    alice.send(get("/mine/../admin/x"))
    assert alice.read().startswith(b"HTTP/1.1 400 ")
    assert scene.app.connections == []
    assert scene.statuses == [400]


@pytest.mark.parametrize("target", ["/nothing", "/mine/../admin/x", "/admin/x", "/mine/x", "/hook/", "/hook/../mine/x"])
def test_nobody_learns_which_paths_there_are(scene: Scene, target: str) -> None:
    """The same 403 for everything that is not public: neither 404 nor 400 before the verdict."""
    nobody = scene.visitor()
    nobody.send(get(target))
    answer = nobody.read()
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"\r\nGatekeeper-Reason: no_certificate\r\n" in answer


def test_a_request_body_behind_404_is_not_read(scene: Scene) -> None:
    """The connection ends: nobody knows whether the client will send the body."""
    alice = scene.alice()
    alice.send(request("POST", "/nothing", "Content-Length: 5", "Expect: 100-continue"))
    answer = alice.read()
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"\r\nConnection: close\r\n" in answer
    assert alice.was_sent_away


LIES = [
    "X-SSL-Client-Verify: SUCCESS",
    "X-SSL-Client-S-DN: CN=root",
    "x_ssl_client_verify: SUCCESS",
    "X-SSL.Client-Verify: SUCCESS",
    "Client-Cert: :AAAA:",
    "Client-Cert-Chain: :AAAA:",
    "Remote-User: root",
    "REMOTE_USER: root",
    "Remote-Groups: root",
    "Remote-Email: root@example.com",
    "Remote-Name: root",
    "X-Forwarded-User: root",
    "X-Forwarded-Email: root@example.com",
    "X-Forwarded-Groups: wheel",
    "X-Forwarded-Client-Cert: Hash=00",
    "X-Forwarded-Tls-Client-Cert: AAAA",
    "X-Forwarded-Tls-Client-Cert-Info: x",
    "Gatekeeper-Assertion: x.y.z",
    "Gatekeeper-Certificate-Days-Left: 1",
    "X-Device: root",
    "x-device: root",
    "X.Device: root",
    "X-Original-URL: /admin/x",
    "X-Rewrite-URL: /admin/x",
    "X-HTTP-Method-Override: DELETE",
    "X-HTTP-Method: DELETE",
    "X-Method-Override: DELETE",
]


@pytest.mark.parametrize("kind", ["nobody", "expired"])
def test_public_routes_tell_the_app_of_nobody(scene: Scene, kind: str) -> None:
    """Without a good certificate there is no identity header at all, whatever the visitor says of itself."""
    expired = make_client("root", scene.files.authority, starts=NOW - 9 * DAY, ends=NOW - DAY)
    visitor = scene.visitor(expired if kind == "expired" else None)
    visitor.send(get("/hook", *LIES))
    head = scene.app.last.read()
    assert head.startswith(b"GET /hook HTTP/1.1\r\n")
    assert identities(head) == []
    assert not [lie for lie in (b"root", b"DELETE", b"/admin/x") if lie in head]
    assert scene.serve(visitor) == OK
    record = scene.log.records[-1]
    assert record["status"] == 200
    assert "subject" not in record  # who showed a bad certificate is not who asked


def test_public_routes_tell_the_app_who_is_there_if_somebody_is(scene: Scene) -> None:
    """And nothing of what the visitor says."""
    alice = scene.alice()
    alice.send(get("/hook", *LIES))
    head = scene.app.last.read()
    assert b"\r\nX-Device: alice\r\n" in head
    assert b"\r\nRemote-User: alice\r\n" in head
    assert b"root" not in head
    assert len(identities(head)) == 8 + 1 + 2 + 1 + 2 + 1


def test_an_app_hears_of_groups_from_the_gate_or_from_nobody(make_scene: Make) -> None:
    """What Authelia says beside Remote-User: no preset sets it, custom headers do, a visitor never does."""
    lies = ("Remote-Groups: root", "Remote-Email: root@example.com", "Remote-Name: root", "Remote-User: root")
    for custom, said in (({}, []), ({"Remote-Groups": "of {cn}"}, [b"Remote-Groups: of alice"])):
        scene = make_scene(identity={"headers": [], "custom": custom})
        scene.alice().send(get("/", *lies))
        lines = scene.app.last.read().split(b"\r\n")
        assert [line for line in lines if line.lower().startswith(b"remote")] == said


def test_a_stranger_may_do_everything_on_a_public_route(scene: Scene) -> None:
    """Bodies, and one request after another; and is refused at the first that is not public."""
    nobody = scene.visitor()
    nobody.send(request("POST", "/hook", "Content-Length: 2", body=b"hi"))
    assert scene.app.last.read().endswith(b"\r\n\r\nhi")
    assert scene.serve(nobody) == OK
    nobody.send(get("/hook"))
    assert scene.serve(nobody) == OK
    nobody.send(get("/mine/x"))
    assert nobody.read().startswith(b"HTTP/1.1 403 ")
    assert scene.statuses == [200, 200, 403]


def test_a_certificate_that_ends_on_a_public_route(scene: Scene) -> None:
    """From then on the visitor is nobody, on the same connection."""
    alice = scene.alice()
    alice.send(get("/hook"))
    assert b"X-Device: alice" in scene.app.last.read()
    assert scene.serve(alice) == OK
    scene.started += 31 * 86400
    alice.send(get("/hook"))
    assert identities(scene.app.last.read()) == []


PREFLIGHT = ("Origin: https://app.example.com", "Access-Control-Request-Method: PUT")


def test_a_real_preflight_passes_as_nobody(scene: Scene) -> None:
    """To the upstream that the request itself would go to."""
    nobody = scene.visitor()
    nobody.send(request("OPTIONS", "/api/1", *PREFLIGHT, "Access-Control-Request-Headers: x-a"))
    assert scene.app.attempts[-1][1] == 9999
    head = scene.app.last.read()
    assert b"Access-Control-Request-Method: PUT\r\n" in head
    assert identities(head) == []
    assert scene.serve(nobody) == OK


@pytest.mark.parametrize(
    ("method", "target", "lines"),
    [
        ("OPTIONS", "/api/1", ()),
        ("OPTIONS", "/api/1", PREFLIGHT[:1]),
        ("OPTIONS", "/api/1", PREFLIGHT[1:]),
        ("OPTIONS", "/api/1", (*PREFLIGHT, "Content-Length: 2")),
        ("OPTIONS", "/api/1", (*PREFLIGHT, "Transfer-Encoding: chunked")),
        ("OPTIONS", "/api/1", (*PREFLIGHT, "Origin: https://app.example.com")),
        ("OPTIONS", "/api/1", (*PREFLIGHT, "Access-Control-Request-Method: GET")),
        ("OPTIONS", "/api/1", ("Origin: https://evil.example", PREFLIGHT[1])),
        ("OPTIONS", "/api/1", ("Origin: https://app.example.com.evil.example", PREFLIGHT[1])),
        ("OPTIONS", "/api/1", ("Origin: null", PREFLIGHT[1])),
        ("OPTIONS", "/api/1", (PREFLIGHT[0], "Access-Control-Request-Method: DELETE")),
        ("OPTIONS", "/mine/1", PREFLIGHT),
        ("OPTIONS", "/api/../mine/1", PREFLIGHT),
        ("OPTIONS", "*", PREFLIGHT),
        ("GET", "/api/1", PREFLIGHT),
        ("PUT", "/api/1", PREFLIGHT),
    ],
    ids=str,
)
def test_what_is_no_preflight_or_not_opted_in(scene: Scene, method: str, target: str, lines: tuple[str, ...]) -> None:
    """403, and nothing reaches the app."""
    nobody = scene.visitor()
    nobody.send(request(method, target, *lines))
    assert nobody.read().startswith(b"HTTP/1.1 403 ")
    assert scene.app.connections == []


def test_without_path_rules_no_header_is_taken_away(make_scene: Make) -> None:
    """An app that makes use of X-HTTP-Method-Override keeps it, as long as no rule depends on the method."""
    scene = make_scene()
    alice = scene.alice()
    alice.send(get("/x", "X-Original-URL: /y", "X-HTTP-Method-Override: PUT"))
    head = scene.app.last.read()
    assert b"X-Original-URL: /y\r\nX-HTTP-Method-Override: PUT\r\n" in head


def test_rules_without_an_issuer_are_warned_of(files: Files, tmp_path: Path) -> None:
    """Where several authorities are trusted; one alone cannot be mistaken."""
    from gatekeeper.proxy.snapshot import build_snapshot
    from tests.certificates import make_authority

    (tmp_path / "other.crt").write_bytes(make_authority("Other CA").certificate_pem)
    routes = [{"allow": [{"cn": "alice"}, {"cn": "bob", "issuer": "Home CA"}]}]
    several = {"ca": ["ca.crt", str(tmp_path / "other.crt")]}
    sentence = "names no issuer, so any of the trusted authorities can issue a matching certificate; write issuer"
    snapshot = build_snapshot(files.settings(routes=routes, client_auth=several), {}, 0.0)
    assert f'routes[0] /*, allow[0]: cn = "alice" {sentence}' in snapshot.warnings(0.0)
    assert not any("bob" in warning for warning in snapshot.warnings(0.0))
    snapshot = build_snapshot(files.settings(routes=routes), {}, 0.0)
    assert not any("names no issuer" in warning for warning in snapshot.warnings(0.0))


def test_headers_that_a_visitor_may_send_after_all_are_warned_of(files: Files) -> None:
    """``identity.pass``: whoever sends one is believed by an app that knows it."""
    from gatekeeper.proxy.snapshot import build_snapshot

    snapshot = build_snapshot(files.settings(identity={"pass": ["CF-Connecting-IP"]}), {}, 0.0)
    assert [one for one in snapshot.warnings(0.0) if "identity.pass" in one] == [
        "a visitor may send CF-Connecting-IP (identity.pass): an app that knows such a header believes it"
    ]
    assert not any("identity.pass" in one for one in build_snapshot(files.settings(), {}, 0.0).warnings(0.0))


@pytest.mark.parametrize("target", ["/mine/x", "/hook"])
def test_no_app_hears_from_a_visitor_what_other_proxies_say(scene: Scene, target: str) -> None:
    """The whole list, on public routes too."""
    from gatekeeper.wire.foreign import FOREIGN_HEADERS

    lies = [f"{entry.replace('*', 'Anything')}: a-lie" for entry in FOREIGN_HEADERS]
    lies += [f"X-Forwarded-{name}: a-lie" for name in ("Port", "Server", "Prefix", "Anything")]
    for visitor in (scene.alice(), scene.visitor()) if target == "/hook" else (scene.alice(),):
        for start in range(0, len(lies), 50):
            visitor.send(get(target, *lies[start : start + 50]))
            assert b"a-lie" not in scene.app.last.read()
            assert scene.serve(visitor) == OK
