"""The limits that the documents name are those of the code."""

from pathlib import Path

import pytest

from gatekeeper.ca.bundle import make_password
from gatekeeper.invitations.state import REPEAT_SECONDS
from gatekeeper.proxy import crl_fetcher, crl_folder, ocsp, request_buffer
from gatekeeper.proxy.client import connection as client
from gatekeeper.proxy.exchange import MAX_REPLAYS
from gatekeeper.proxy.upstream import endpoint, health, http2_stream, pool
from gatekeeper.proxy.upstream.http1 import MAX_INTERIM_RESPONSES
from gatekeeper.refusal.grpc import LONGEST_MESSAGE
from gatekeeper.tls import connection as tls
from gatekeeper.tls import message_limits, sessions
from gatekeeper.wire import framing
from gatekeeper.wire.http2 import budget

DOCS = Path(__file__).resolve().parents[2] / "docs"
KIB, MIB = 1024, 1024 * 1024
# The words of a page, and what the code says to them: each figure in the words is a constant on the right.
FIGURES = [
    ("upstreams.md", "closes them after 30 seconds without use", endpoint.KEEP_SECONDS == 30),
    ("upstreams.md", "If 1024 requests already wait", pool.MAX_WAITING == 1024),
    ("upstreams.md", "ejects it for a second", health.FIRST_EJECTION == 1),
    ("upstreams.md", "and so on up to a minute", health.LONGEST_EJECTION == 60),
    ("upstreams.md", "Three requests in a row without a response", health.MANY_FAILED == 3),
    ("upstreams.md", "a tenth of its share at first", health.LEAST_SHARE == 0.1),
    ("upstreams.md", "within five seconds, or within the interval", pool.CHECK_SECONDS == 5),
    ("upstreams.md", "at most five times, whatever its method", MAX_REPLAYS == 5),
    ("upstreams.md", "no more than 64 KiB of its body had been sent", http2_stream.MAX_REPLAY_BYTES == 64 * KIB),
    ("upstreams.md", "Up to 64 KiB of a body wait in memory", request_buffer.PIECE_BYTES == 64 * KIB),
    ("upstreams.md", "The last twentieth of the file system", request_buffer.RESERVED_SHARE == 20),
    ("http.md", "until 5 seconds pass without a byte", client.LINGER_SECONDS == 5),
    ("http.md", "for 30 seconds at most", client.LINGER_LIMIT_SECONDS == 30),
    ("http.md", "More than 16 interim responses", MAX_INTERIM_RESPONSES == 16),
    ("http.md", "More than 8 KiB of trailers", framing.MAX_TRAILER_BYTES == 8 * KIB),
    ("http.md", "More than 16 KiB of chunk extensions", framing.MAX_EXTENSION_BYTES == 16 * KIB),
    ("http.md", "1,000 cancelled requests at once and 33 a second", (budget.BURST, budget.PER_SECOND) == (1000, 33)),
    ("revocation.md", "waits for the response, five seconds at most", ocsp.PATIENCE_SECONDS == 5),
    ("revocation.md", "asks again after 30 seconds", ocsp.RETRY_SECONDS == 30),
    ("revocation.md", "A fetch may take 60 seconds", crl_fetcher.PATIENCE_SECONDS == 60),
    ("revocation.md", "and transfer 64 MiB", crl_folder.MAX_SIZE == 64 * MIB),
    ("revocation.md", "after a minute at least", crl_fetcher.SHORTEST_SECONDS == 60),
    ("revocation.md", "six hours at most", crl_fetcher.LONGEST_SECONDS == 6 * 3600),
    ("revocation.md", "learns at most 64 addresses", crl_fetcher.MAX_LEARNED == 64),
    ("revocation.md", "1,000 at most, 5 to 8 KiB each", sessions.CACHED_SESSIONS == 1000),
    ("revocation.md", "A session ends an hour after", sessions.SESSION_SECONDS == 3600),
    ("revocation.md", "certificates above 4 KiB in all", sessions.LONGEST_CERTIFICATES == 4 * KIB),
    ("tls.md", "at most 256 KiB from the visitor", tls.HANDSHAKE_LIMIT == 256 * KIB),
    ("threat-model.md", "100 a second, then the connection ends", message_limits.MESSAGES_PER_SECOND == 100),
    ("refusals.md", "cut after 512 characters", LONGEST_MESSAGE == 512),
    ("invitations.md", "repeated within ten minutes", REPEAT_SECONDS == 600),
    ("authority.md", "generated (100 random bits", len(make_password().replace("-", "")) * 5 == 100),
    ("invitations.md", "has 100 random bits", len(make_password().replace("-", "")) * 5 == 100),
]


@pytest.mark.parametrize(("page", "words", "is_so"), FIGURES, ids=[words for _, words, _ in FIGURES])
def test_a_limit_on_a_page_is_that_of_the_code(page: str, words: str, is_so: bool) -> None:
    """A change of the constant needs a change of the page, and the other way round."""
    assert words in " ".join((DOCS / page).read_text().split())
    assert is_so
