"""However many gates, workers, programs and people ask for it, from wherever, an invitation is downloaded once."""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPResponse
from pathlib import Path

import pytest

from gatekeeper.invitations.state import Stage
from gatekeeper.local.token_rate_limit import MOST_GUESSES
from tests.app import App
from tests.gate_process import PATIENCE, Gate, until
from tests.invitations.invited import CONTENTS, Invited, invite
from tests.visitors import Visitors

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ELSEWHERE = "127.0.0.2"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER, socket(7): close at once, and say so by RST


@pytest.fixture
def invited(tmp_path: Path) -> Invited:
    return invite(tmp_path / "invitations", time.time())


@pytest.fixture
def gates(visitors: Visitors, app: App, invited: Invited, tmp_path: Path) -> Iterator[list[Gate]]:
    """Two gates of two workers each, on one folder of invitations."""
    tables = f'[invitations]\nfolder = "{invited.invitations.path}"\n'
    with ExitStack() as stack:
        gates = []
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
            folder = visitors.furnish(tmp_path / name)
            gates.append(stack.enter_context(Gate(folder, app.url, server="workers = 2", tables=tables)))
        yield gates


@pytest.fixture
def nobody(visitors: Visitors) -> ssl.SSLContext:
    return visitors.context("nobody")


def send(connection: ssl.SSLSocket, invited: Invited, method: str = "POST") -> None:
    connection.sendall(f"{method} {invited.target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode())


def ask(gate: Gate, holder: ssl.SSLContext, invited: Invited, method: str, source: str) -> tuple[int, bytes]:
    with gate.connect(holder, source) as connection:
        send(connection, invited, method)
        return answer(connection)


def answer(connection: ssl.SSLSocket) -> tuple[int, bytes]:
    response = HTTPResponse(connection)
    response.begin()
    return response.status, response.read()


def stage(invited: Invited) -> Stage:
    found = invited.invitations.find(invited.digest)
    assert found is not None
    return found.state.stage


def told(gates: list[Gate]) -> list[str]:
    return [line for gate in gates for line in gate.err if "invitations: " in line]


def test_one_of_fifty_gets_it(gates: list[Gate], nobody: ssl.SSLContext, invited: Invited) -> None:
    """All at once, at two gates; afterwards there is nothing left to hand out, and one line says who had it."""
    at_once = threading.Barrier(50)

    def download(gate: Gate) -> tuple[int, bytes]:
        with gate.connect(nobody) as connection:
            at_once.wait(PATIENCE)
            send(connection, invited)
            return answer(connection)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(download, gates * 25))
    assert [body for status, body in answers if status == 200] == [CONTENTS["modern.p12"]]
    assert {status for status, _ in answers} <= {200, 409, 410}
    until(lambda: stage(invited) is Stage.USED)
    until(lambda: not list(invited.invitations.path.rglob("*.p12")))  # destroyed after the rename that says so
    until(lambda: told(gates))
    assert len(told(gates)) == 1
    assert "downloaded: 'alice' by 127.0.0.1" in told(gates)[0]


def test_who_broke_off_may_begin_again(gates: list[Gate], nobody: ssl.SSLContext, invited: Invited) -> None:
    """At any gate, as long as the address is the same; whoever else has the link is told that it is taken."""
    with gates[0].connect(nobody) as connection:
        send(connection, invited)
        assert connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    until(lambda: stage(invited) is Stage.LEFT)
    for method in ("GET", "POST"):
        for gate in gates:
            assert ask(gate, nobody, invited, method, ELSEWHERE)[0] == 409
    assert ask(gates[1], nobody, invited, "POST", "127.0.0.1") == (200, CONTENTS["modern.p12"])
    until(lambda: stage(invited) is Stage.USED)
    assert ask(gates[0], nobody, invited, "POST", "127.0.0.1")[0] == 410


def test_a_gate_that_is_killed_in_the_middle_gives_nothing_twice(
    gates: list[Gate], nobody: ssl.SSLContext, invited: Invited
) -> None:
    """Nobody knows whether it arrived: for now it is taken, for the other gate too."""
    with gates[0].connect(nobody) as connection:
        send(connection, invited)
        assert answer(connection)[0] == 200
        gates[0].process.kill()
        gates[0].process.wait(PATIENCE)
    assert ask(gates[1], nobody, invited, "POST", "127.0.0.1")[0] in (409, 410)


LOOKING = [
    {"Sec-Purpose": "prefetch;prerender"},
    {"Purpose": "prefetch"},
    {"User-Agent": "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"},
    {"User-Agent": "WhatsApp/2.23.20.0 A"},
    {"Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
]


def test_looking_uses_nothing_up(gates: list[Gate], nobody: ssl.SSLContext, invited: Invited) -> None:
    """Previews, prefetching browsers, crawlers and other sites see the page, and get nothing even if they post."""
    gate, form = gates[0], b"profile=compat"
    for headers in LOOKING:
        for method in ("HEAD", "GET"):
            assert gate.request(nobody, method, invited.target, headers=headers)[0] == 200
        assert gate.request(nobody, "POST", invited.target, form, FORM | headers)[0] == 403
        assert stage(invited) is Stage.OPEN
    assert gate.request(nobody, "POST", invited.target, form, FORM)[2] == CONTENTS["compat.p12"]


def test_guessing_is_limited(gates: list[Gate], nobody: ssl.SSLContext, invited: Invited) -> None:
    """By address; each of the two workers counts for itself."""
    wrong = invited.target[:-4] + "AAAA"
    seen = [gates[0].request(nobody, target=wrong)[0] for _ in range(4 * MOST_GUESSES)]
    assert set(seen) == {404, 429}
    assert MOST_GUESSES <= seen.count(404) <= 2 * MOST_GUESSES
    assert ask(gates[0], nobody, invited, "GET", ELSEWHERE)[0] == 200
    assert stage(invited) is Stage.OPEN
