"""Properties: nothing reaches the app without an Admit made for it, and nothing that a visitor says of itself does."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.certificates import DAY, NOW, SERVER, Holder, make_authority, make_client
from tests.proxy.scene import OK, SWITCHED, Files, Scene, get, request

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]

# Each example makes a gate of its own out of the session's files.
thorough = settings(max_examples=100, deadline=None)


@cache
def holders(files: Files) -> dict[str, Holder | None]:
    home = files.authority
    return {
        "alice": files.alice,
        "ends in an hour": make_client("alice", home, ends=NOW + DAY / 24),
        "nobody": None,
        "expired": make_client("alice", home, starts=NOW - 2 * DAY, ends=NOW - DAY),
        "early": make_client("alice", home, starts=NOW + DAY),
        "foreign": make_client("alice", make_authority("Home CA")),
        "alone": make_client("alice", None),
        "server": make_client("alice", home, purposes=[SERVER]),
        "blank": make_client(" ", home),
        "nameless": make_client(None, home),
    }


GOOD = {"alice", "ends in an hour"}
KINDS = ["nobody", "expired", "early", "foreign", "alone", "server", "blank", "nameless", *sorted(GOOD)]


@dataclass(frozen=True)
class Request:
    """One request of a visitor, how much time passes before it, and whether it is for a public route."""

    number: int
    way: str
    pause: int
    public: bool

    @property
    def target(self) -> str:
        return f"/public/{self.number}" if self.public else f"/{self.number}"

    def wire(self) -> bytes:
        target = self.target
        match self.way:
            case "get":
                return get(target)
            case "head":
                return request("HEAD", target)
            case "post":
                return request("POST", target, "Content-Length: 2", body=b"hi")
            case "chunked":
                return request("POST", target, "Transfer-Encoding: chunked", body=b"2\r\nhi\r\n0\r\n\r\n")
            case "expect":
                return request("POST", target, "Expect: 100-continue", "Content-Length: 2", body=b"hi")
            case "http/1.0":
                return b"GET %b HTTP/1.0\r\nHost: app.example.com\r\nConnection: keep-alive\r\n\r\n" % target.encode()
            case _:
                return get(target, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: a2V5")


ways = st.sampled_from(["get", "head", "post", "chunked", "expect", "http/1.0", "upgrade"])
pauses = st.sampled_from([0, 0, 0, 30, 7200])
requests = st.lists(st.tuples(ways, pauses, st.booleans()), min_size=1, max_size=4).map(
    lambda drawn: [Request(number, *one) for number, one in enumerate(drawn)]
)


@thorough
@given(kind=st.sampled_from(KINDS), version=st.sampled_from(VERSIONS), asked=requests, pipelined=st.booleans())
def test_nothing_reaches_the_app_without_an_admit_but_by_a_public_route(
    make_scene: Callable[..., Scene],
    files: Files,
    kind: str,
    version: ssl.TLSVersion,
    asked: list[Request],
    pipelined: bool,
) -> None:
    """Whatever the certificate, the TLS version, the endpoint on the connection and the kind of request.

    And by a public route without a word of who it is, however good a certificate of that name was a moment ago.
    """
    scene = make_scene(routes=[{"path": "/public/*", "public": True}, {"path": "/*"}])
    visitor = scene.visitor(holders(files)[kind], version=version)
    elapsed = 0
    if pipelined:
        visitor.send(b"".join(one.wire() for one in asked))
    for one in asked:
        judged = elapsed if pipelined else elapsed + one.pause  # its turn came when the one before was answered
        elapsed += one.pause
        scene.started += one.pause
        if not pipelined and not visitor.was_sent_away:
            visitor.send(one.wire())
        told = scene.app.last.read() if scene.app.connections else b""
        if told:
            good = kind == "alice" or (kind in GOOD and judged < 3600)
            assert good or one.public
            assert told.partition(b"HTTP/1.1\r\n")[0].endswith(b" %b " % one.target.encode())
            assert told.count(b" HTTP/1.1\r\n") == 1
            assert told.count(b"X-SSL-Client-S-DN: CN=alice\r\n") == good
            assert told.count(b"X-SSL-Client-") == (8 if good else 0)
        if scene.app.connections:
            scene.app.last.send(SWITCHED if one.way == "upgrade" and told else OK)
        if one.way == "upgrade" and told:
            break
    if kind not in GOOD and not asked[0].public:
        assert scene.app.attempts == []
        assert visitor.read().startswith(b"HTTP/1.1 403 ")
        assert scene.statuses == [403]
    scene.close()


# -- what only the gate may say

NAMES = [
    "X-SSL-Client-Verify",
    "X-SSL-Client-S-DN",
    "X-SSL-Client-I-DN",
    "X-SSL-Client-Serial",
    "X-SSL-Client-Fingerprint",
    "X-SSL-Client-V-Start",
    "X-SSL-Client-V-End",
    "X-SSL-Client-Escaped-Cert",
    "X-SSL-Client-Anything",
    "Client-Cert",
    "Client-Cert-Chain",
    "Remote-User",
    "Remote-Groups",
    "Remote-Email",
    "Remote-Name",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Client-Cert",
    "X-Forwarded-Tls-Client-Cert",
    "X-Forwarded-Tls-Client-Cert-Info",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Real-IP",
    "X-Request-Id",
    "Forwarded",
    "Gatekeeper-Assertion",
]
LIE = "a-lie"


@st.composite
def spellings(draw: st.DrawFn) -> str:
    """A name in another case, with other marks for the hyphens: CGI and WSGI fold all of them together."""
    name = draw(st.sampled_from(NAMES))
    upper = draw(st.lists(st.booleans(), min_size=len(name), max_size=len(name)))
    marks = draw(st.lists(st.sampled_from("--_.~!"), min_size=len(name), max_size=len(name)))
    letters = (char.upper() if high else char.lower() for char, high in zip(name, upper, strict=True))
    return "".join(mark if char == "-" else char for char, mark in zip(letters, marks, strict=True))


@thorough
@given(
    names=st.lists(spellings(), min_size=1, max_size=4),
    spaces=st.sampled_from(["", " ", "\t", "  "]),
    connection=st.booleans(),
    trailers=st.booleans(),
)
def test_no_spelling_of_an_identity_header_passes(
    make_scene: Callable[..., Scene], names: list[str], spaces: str, connection: bool, trailers: bool
) -> None:
    """As headers, repeated, named in Connection, and as trailers: refused, or without the visitor's value."""
    scene = make_scene()
    alice = scene.alice()
    lines = [f"{name}:{spaces}{LIE}" for name in names]
    named = ["Connection: " + ", ".join(["keep-alive", *names])] if connection else []
    if trailers:
        body = "0\r\n" + "".join(f"{line}\r\n" for line in lines) + "\r\n"
        alice.send(request("POST", "/", *named, "Transfer-Encoding: chunked", body=body.encode()))
    else:
        alice.send(get("/", *named, *lines))
    told = scene.app.last.read() if scene.app.connections else b""
    assert LIE.encode() not in told
    if told:
        assert told.count(b"X-SSL-Client-S-DN: CN=alice\r\n") == 1
        assert told.count(b"X-Forwarded-For: 192.0.2.7\r\n") == 1
    else:
        assert alice.read().startswith(b"HTTP/1.1 400 ")
    scene.close()


@pytest.mark.parametrize("name", ["X-SSL-Client-S-DN", "X-Forwarded-For", "X-Request-Id", "Host", "Content-Length"])
def test_connection_cannot_take_away_what_the_gate_says(scene: Scene, name: str) -> None:
    """RFC 9110, 7.6.1 has a proxy remove what Connection names; never what the proxy itself has to say."""
    alice = scene.alice()
    alice.send(request("POST", "/", f"Connection: {name}", "Content-Length: 2", body=b"hi"))
    if scene.app.connections:
        told = scene.app.last.read()
        assert told.count(f"\r\n{name}: ".encode()) == 1
    else:
        assert alice.read().startswith(b"HTTP/1.1 400 ")
