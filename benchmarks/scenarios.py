"""The kinds of load, and what must be true of every answer."""

from dataclasses import dataclass, field

from benchmarks.contenders import Setup
from benchmarks.load import Load

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
    load: Load
    setup: Setup = field(default_factory=Setup)
    status: int = 200
    body: int = 100
    """Bytes that each answer must at least carry."""


SCENARIOS = (
    Scenario("small", "100 B, 32 connections", Load("/100b", headers=TWO)),
    Scenario("browser", "100 B, 32 connections, twelve headers", Load("/100b", headers=(*BROWSER, COOKIE))),
    Scenario(
        "cookie", "100 B, twelve headers, a random cookie each", Load("/100b", headers=BROWSER, random_cookie=True)
    ),
    Scenario(
        "identity", "100 B, 32 connections, all identity headers", Load("/100b", headers=TWO), Setup(all_identity=True)
    ),
    Scenario("many", "100 B, 1,000 connections", Load("/100b", connections=1000, headers=TWO)),
    Scenario("handshake", "full mTLS handshake a request", Load("/100b", headers=TWO, close=True)),
    Scenario(
        "handshake-no-ticket",
        "full mTLS handshake a request, no tickets",
        Load("/100b", headers=TWO, close=True),
        Setup(tickets=False),
    ),
    Scenario(
        "resumed",
        "resumed handshake a request",
        Load("/100b", headers=TWO, close=True, resume=True),
        Setup(tickets=True),
    ),
)
