"""A reload under load: no request fails, no connection is dropped, and what is wrong on disk changes nothing."""

import asyncio
import os
import signal
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gatekeeper.ca.authority import make_authority
from gatekeeper.ca.certificates import Credential, issue_server
from tests.app import App
from tests.e2e.clients import Client, app
from tests.gate_process import Gate, until
from tests.visitors import EC, Visitors

RELOADS = 100


@pytest.fixture
def gate(folder: Path) -> Iterator[Gate]:
    with App(app) as behind, Gate(folder, behind.url) as gate:
        yield gate


def reloads(gate: Gate, word: str = "reloaded") -> int:
    return sum(f"INFO: {word} " in line for line in gate.err)


def test_a_hundred_reloads_lose_no_request(gate: Gate, visitors: Visitors) -> None:
    """SIGHUP, again as soon as the last one is done, while clients keep connections and others come new."""
    asyncio.run(play(gate, visitors.context("alice")))


async def play(gate: Gate, alice: ssl.SSLContext) -> None:
    stop = asyncio.Event()
    kept = [await Client.connect("alice", gate.port, alice) for _ in range(8)]

    async def ask(client: Client) -> None:
        while not stop.is_set():
            await client.get()

    async def come_and_go() -> int:
        count = 0
        while not stop.is_set():
            client = await Client.connect("alice", gate.port, alice)
            assert await client.get() == 200
            client.close()
            count += 1
        return count

    tasks = [asyncio.create_task(ask(client)) for client in kept]
    newcomers = asyncio.create_task(come_and_go())
    for number in range(RELOADS):
        gate.signal(signal.SIGHUP)
        await asyncio.to_thread(until, lambda number=number: reloads(gate) > number)  # type: ignore[misc]
    stop.set()
    await asyncio.gather(*tasks)
    assert await newcomers > 0
    for client in kept:
        assert set(client.statuses) == {200}
        client.close()


def server(gate: Gate) -> Credential:
    """A new certificate of the gate, from an authority that clients do not know: they must not verify it."""
    now = datetime.now(UTC)
    return issue_server(make_authority("Other CA", key_type=EC, now=now), "localhost", key_type=EC, now=now)


def seen(gate: Gate) -> bytes:
    """The certificate that a new visitor is shown, DER."""
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", gate.port)))


def replace(path: Path, content: bytes) -> None:
    path.with_suffix(".new").write_bytes(content)
    os.replace(path.with_suffix(".new"), path)


def test_a_certificate_renewed_by_rename_is_served(gate: Gate) -> None:
    """As certbot does it, without any signal."""
    new = server(gate)
    replace(gate.folder / "server.crt", new.chain_pem)
    replace(gate.folder / "server.key", new.key_pem())
    gate.wait_for(lambda line: "INFO: reloaded" in line)
    assert ssl.DER_cert_to_PEM_cert(seen(gate)).encode() in new.chain_pem


@pytest.mark.parametrize("wrong", ["half a file", "another key"])
def test_what_is_wrong_on_disk_changes_nothing(gate: Gate, visitors: Visitors, wrong: str) -> None:
    """The old certificate is served on, the log says why, and when the files are right it is the new one."""
    new, before = server(gate), seen(gate)
    if wrong == "half a file":
        (gate.folder / "server.crt").write_bytes(new.chain_pem[:300])
    else:
        replace(gate.folder / "server.key", new.key_pem())
    gate.wait_for(lambda line: "ERROR: not reloaded, the old state stays" in line)
    assert seen(gate) == before
    assert gate.request(visitors.context("alice"))[0] == 200
    replace(gate.folder / "server.crt", new.chain_pem)
    replace(gate.folder / "server.key", new.key_pem())
    gate.wait_for(lambda line: "INFO: reloaded" in line)
    assert seen(gate) != before


def test_a_new_upstream_is_used(gate: Gate, visitors: Visitors) -> None:
    """The configuration itself is watched; the next request of an open connection goes to the new app."""
    with App() as other:
        path = gate.folder / "gatekeeper.toml"
        text = path.read_text().splitlines()
        path.write_text("\n".join(f'url = "{other.url}"' if line.startswith("url") else line for line in text))
        gate.wait_for(lambda line: "INFO: reloaded" in line)
        assert gate.request(visitors.context("alice"))[2] == b"GET /: 0 bytes\n"
