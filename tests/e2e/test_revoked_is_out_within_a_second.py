"""`gatekeeper ca revoke` locks a device out now, on every open connection it has. Nobody else notices."""

import asyncio
import os
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app import App
from tests.e2e.authority import PASSPHRASE, ca
from tests.e2e.clients import UPGRADE, Client, app, closed
from tests.gate_process import PATIENCE, Gate

FILM = b"GET /film HTTP/1.1\r\nHost: localhost\r\n\r\n"
OTHERS = 200


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An authority with two devices and a server."""
    folder = tmp_path / "home"
    folder.mkdir()
    ca(folder, "init", "--cn", "Home CA", "--key", "ec:p256")
    for name in ("alice", "mallory"):
        ca(folder, "issue", name, "--key", "ec:p256")
    ca(folder, "server", "localhost", "--dns", "localhost", "--key", "ec:p256")
    return folder


def holder(home: Path, name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(home / "ca" / "ca.crt"))
    context.load_cert_chain(home / "ca" / f"{name}.crt", home / "ca" / f"{name}.key", password=PASSPHRASE)
    return context


@pytest.fixture(params=["", 'user = "nobody"\nworkers = 2\n'], ids=["alone", "two that gave up root"])
def gate(request: pytest.FixtureRequest, home: Path, tmp_path: Path) -> Iterator[Gate]:
    if request.param and os.geteuid() != 0:
        pytest.skip("needs root")
    folder = tmp_path / "gate"
    folder.mkdir()
    for source, target in (("ca.crt", "ca.crt"), ("localhost.crt", "server.crt"), ("localhost.key", "server.key")):
        (folder / target).write_bytes((home / "ca" / source).read_bytes())
    crl = f'crl = "{home / "ca" / "ca.crl"}"\n'
    with App(app) as behind, Gate(folder, behind.url, server=request.param, client_auth=crl) as gate:
        yield gate


def test_revoked_is_out_within_a_second(home: Path, gate: Gate) -> None:
    """A keep-alive client, a WebSocket and a download, among 200 connections under load."""
    asyncio.run(play(home, gate))


async def play(home: Path, gate: Gate) -> None:
    good, bad = holder(home, "alice"), holder(home, "mallory")
    others = [await Client.connect("alice", gate.port, good) for _ in range(OTHERS)]
    chat, film = [await Client.connect("alice", gate.port, good) for _ in range(2)]
    revoked = [await Client.connect(name, gate.port, bad) for name in ("keep-alive", "chat", "film")]
    tasks = [
        *(asyncio.create_task(one.keep_asking(1.0)) for one in others),
        asyncio.create_task(chat.listen(UPGRADE, b"101")),
        asyncio.create_task(film.listen(FILM, b"200")),
        asyncio.create_task(revoked[0].keep_asking(0.05)),
        asyncio.create_task(revoked[1].listen(UPGRADE, b"101")),
        asyncio.create_task(revoked[2].listen(FILM, b"200")),
    ]
    await asyncio.gather(*(one.moves() for one in (*others, chat, film, *revoked)))
    assert not any(task.done() for task in tasks)
    await asyncio.to_thread(ca, home, "revoke", "mallory")
    await asyncio.wait(tasks[-3:], timeout=PATIENCE)
    for one in revoked:
        assert one.out, f"{one.name} was still in after {PATIENCE} s"
    assert revoked[0].statuses[403] == 1
    assert revoked[1].last.endswith(closed("revoked"))
    # The first answer may have been on its way; the second was decided after the revocation.
    await asyncio.gather(*(one.moves(2) for one in (*others, chat, film)))
    assert not any(task.done() for task in tasks[:-3]), "somebody else noticed"
    assert all(set(one.statuses) == {200} and one.statuses[200] >= 2 for one in others)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for one in (*others, chat, film, *revoked):
        one.close()


def test_who_is_revoked_while_the_gate_stops_is_out_too(home: Path, gate: Gate) -> None:
    """What runs may go on for ``timeouts.drain``, but not of somebody who must not be there."""
    asyncio.run(play_the_end(home, gate))
    assert gate.wait() == 0


async def play_the_end(home: Path, gate: Gate) -> None:
    film, theirs = [await Client.connect(name, gate.port, holder(home, name)) for name in ("alice", "mallory")]
    tasks = [asyncio.create_task(one.listen(FILM, b"200")) for one in (film, theirs)]
    await asyncio.gather(film.moves(), theirs.moves())
    gate.signal(signal.SIGTERM)
    await asyncio.to_thread(ca, home, "revoke", "mallory")
    await asyncio.wait(tasks[1:], timeout=PATIENCE)
    assert theirs.out
    assert not tasks[0].done(), "somebody else noticed"
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for one in (film, theirs):
        one.close()


def test_a_new_connection_of_the_revoked_is_refused(home: Path, gate: Gate) -> None:
    """And the log says who it was and why."""
    workers = len(gate.workers())
    ca(home, "revoke", "mallory")
    gate.wait_for(lambda _: sum("INFO: reloaded " in line for line in gate.err) >= workers)
    status, headers, _ = gate.request(holder(home, "mallory"))
    assert (status, headers["gatekeeper-reason"]) == (403, "revoked")
    assert gate.request(holder(home, "alice"))[0] == 200
    # Two workers write into one log, each when it comes to it.
    refused, _ = sorted(gate.logged(2), key=lambda line: line["status"], reverse=True)
    assert (refused["status"], refused["reason"]) == (403, "revoked")
