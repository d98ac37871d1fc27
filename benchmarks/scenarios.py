"""The kinds of load, and what must be true of every answer."""

from dataclasses import dataclass, field, replace

from benchmarks.browser import Pages
from benchmarks.contenders import Setup
from benchmarks.h2load import Streams
from benchmarks.peer import Messages
from benchmarks.transfer import Transfers
from benchmarks.wrk import Requests

TWO = (("User-Agent", "wrk"),)
"""With `Host`, which wrk sends by itself, two."""

BROWSER = (
    (
        "User-Agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    ),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Accept-Language", "en-GB,en;q=0.9,de;q=0.8"),
    ("Sec-CH-UA", '"Chromium";v="142", "Not_A Brand";v="99"'),
    ("Sec-CH-UA-Mobile", "?0"),
    ("Sec-CH-UA-Platform", '"Linux"'),
    ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Site", "same-origin"),
)
"""With `Host` and `Cookie`, twelve."""
COOKIE = ("Cookie", "session=4f1c6a0b9d2e83577ac1e0d45b6f9821")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of load on one setup."""

    name: str
    title: str
    load: Requests | Streams | Transfers | Messages | Pages
    setup: Setup = field(default_factory=Setup)
    status: int = 200
    body: int = 100
    """Bytes that each answer must at least carry."""
    stretch: int = 1
    """How many times as long as others it is measured."""
    everyone: bool = False
    """Whether those contenders take part that do not everywhere."""


SMALL = Requests("/100b", headers=TWO)
HANDSHAKE = Requests("/100b", connections=16, headers=TWO, close=True)
MIB = 1 << 20

HTTP2 = Setup(http2=True)

SCENARIOS = (
    Scenario("small", "100 B, 32 connections", SMALL, everyone=True),
    Scenario("browser", "100 B, twelve headers", Requests("/100b", headers=(*BROWSER, COOKIE)), everyone=True),
    Scenario(
        "cookie", "100 B, twelve headers, new cookie each", Requests("/100b", headers=BROWSER, random_cookie=True)
    ),
    Scenario("many", "100 B, 1,000 connections", Requests("/100b", connections=1000, headers=TWO)),
    Scenario("paced", "100 B, at some 4,000 requests/s", Requests("/100b", headers=TWO, delay=(6, 10))),
    Scenario("down", "1 MiB down", Requests("/1m", connections=8, headers=TWO), body=MIB, everyone=True),
    Scenario("up", "1 MiB up", Requests("/app/upload", connections=8, headers=TWO, upload=MIB), body=7),
    Scenario("handshake", "full handshake a request", HANDSHAKE, everyone=True),
    Scenario("handshake-no-ticket", "full handshake, no tickets", HANDSHAKE, Setup(tickets=False)),
    Scenario("resumed", "resumed handshake a request", replace(HANDSHAKE, resume=True), Setup(tickets=True)),
    Scenario("refused", "403 and a full handshake", replace(HANDSHAKE, certificate=False), status=403, body=0),
    Scenario("messages", "WebSocket echo, 100 B", Messages()),
    Scenario("small-2", "100 B, 32 connections, two workers", SMALL, Setup(workers=2)),
    Scenario("small-4", "100 B, 32 connections, four workers", SMALL, Setup(workers=4)),
    Scenario("h2-one", "HTTP/2: 100 B, 1 connection, 32 streams", Streams("/100b"), HTTP2),
    Scenario("h2-many", "HTTP/2: 100 B, 32 connections", Streams("/100b", connections=32, streams=1), HTTP2),
    Scenario("h2-page", "HTTP/2: new visitor, 40 of 100 B", Streams("/100b", streams=40, page=40), HTTP2),
    Scenario("grpc", "gRPC: unary, 100 B", Streams("/test.Echo/Once", streams=32, grpc=True), HTTP2),
)
"""What a run of everything plays."""

FURTHER = (
    Scenario("identity", "100 B, all identity headers", SMALL, Setup(all_identity=True), everyone=True),
    Scenario("medium", "10 KiB down", Requests("/10k", headers=TWO), body=10 << 10, everyone=True),
    Scenario("down-100", "100 MiB down", Transfers("/100m", 100 * MIB), everyone=True),
    Scenario("up-100", "100 MiB up", Transfers("/app/upload", 100 * MIB, upload=True), everyone=True),
    Scenario("handshake-2", "full handshake, two workers", HANDSHAKE, Setup(workers=2), everyone=True),
)
"""Only by `--only`."""

HTTP2_SCENARIOS = (
    *(one for one in SCENARIOS if one.setup == HTTP2),
    Scenario("h2-path", "HTTP/2: 100 B, new path each", Streams("/100b", new_path=True), HTTP2),
    Scenario("h2-down", "HTTP/2: 1 MiB down", Streams("/1m", connections=8, streams=1), HTTP2),
    Scenario(
        "h1-page",
        "HTTP/1.1: new visitor, 40 of 100 B",
        Streams("/100b", connections=6, streams=1, page=40, http1=True),
        HTTP2,
    ),
    Scenario("h2-browser", "HTTP/2: Chromium, page of 40", Pages("h2"), HTTP2),
    Scenario("h1-browser", "HTTP/1.1: Chromium, page of 40", Pages("http/1.1")),
)
"""Visitors in HTTP/2, and calls of gRPC."""


def at_equal_load(connections: int) -> Requests:
    """Some two thousand requests a second in all, however many connections they are spread over.

    Not as fast as can be: in the queue of such a load every figure is that of the queue. With two workers, because
    gatekeeper holds half as many connections as a process may have open files, and many systems allow twenty thousand.
    """
    pause = connections // 2
    return Requests("/100b", connections=connections, headers=TWO, delay=(pause * 4 // 5, pause * 6 // 5))


FEW_HANDSHAKES = replace(HANDSHAKE, connections=4)
"""With a million revoked a handshake takes OpenSSL some 90 ms: it checks the signature of the list each time."""

GROWTH = (
    *(Scenario(f"routes-{count}", f"100 B, routes: {count:,}", SMALL, Setup(routes=count)) for count in (1, 1000)),
    *(
        Scenario(f"crl-{count}", f"full handshake, revoked: {count:,}", FEW_HANDSHAKES, Setup(crl=count), stretch=2)
        for count in (0, 1_000_000)
    ),
    *(
        Scenario(f"workers-{count}", f"100 B, workers: {count}", replace(SMALL, connections=64), Setup(workers=count))
        for count in (1, 2)
    ),
    *(
        Scenario(
            f"connections-{count}", f"2,000 requests/s, connections: {count:,}", at_equal_load(count), Setup(workers=2)
        )
        for count in (10, 100, 1000, 10000)
    ),
)
"""How cost grows; each kind from little to much."""
