"""A client that sends its whole body before it reads, slowly, gets the 403 and its reason."""

import json
import threading
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path

from tests.app import App
from tests.gate_process import PATIENCE, Gate
from tests.visitors import Visitors

PIECES, SECONDS_BETWEEN = 8, 0.5


def slowly() -> Iterator[bytes]:
    """Four seconds: longer than anybody would wait who does not look whether bytes come."""
    never = threading.Event()
    for _ in range(PIECES):
        yield b"x" * 1024
        never.wait(SECONDS_BETWEEN)


def test_http_client_sees_the_reason(folder: Path, visitors: Visitors) -> None:
    """As http.client writes, requests and urllib3 do, and Java's HttpURLConnection: all of the body, then they read."""
    with App() as behind, Gate(folder, behind.url) as gate:
        client = HTTPSConnection("127.0.0.1", gate.port, timeout=PATIENCE, context=visitors.context("foreign"))
        headers = {"Content-Length": str(PIECES * 1024), "Accept": "application/problem+json"}
        client.request("POST", "/", body=slowly(), headers=headers)
        answer = client.getresponse()
        assert answer.status == 403
        assert json.loads(answer.read())["reason"] == "untrusted_issuer"
        client.close()
        assert behind.asked == []
