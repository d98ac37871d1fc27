"""Four gates on machines of their own that share nothing but files, behind a real HAProxy that speaks the PROXY
protocol to them."""

import asyncio
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from tests.app import App
from tests.e2e.authority import PASSPHRASE, ca
from tests.e2e.namespaces import network
from tests.e2e.test_an_upgrade_loses_no_request import end_whoever_serves, upgrade
from tests.gate_process import PATIENCE, Gate, until
from tests.invitations.invited import Invited, invite
from tests.tools import needs

REPLICAS = 4
FILES = {"ca.crt": "ca.crt", "localhost.crt": "server.crt", "localhost.key": "server.key"}
HAPROXY = """\
defaults
  mode tcp
  timeout connect 60s
  timeout client 60s
  timeout server 60s
listen gates
  bind fd@{fd}
  balance roundrobin
{servers}
"""


@dataclass(frozen=True)
class Site:
    """The gates, the port that visitors know, and the files that every gate reads."""

    gates: list[Gate]
    port: int
    home: Path
    crl: Path
    invited: Invited

    def visitor(self, name: str) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.home / "ca.crt"))
        if name:
            context.load_cert_chain(self.home / f"{name}.crt", self.home / f"{name}.key", password=PASSPHRASE)
        return context

    def ask(self, context: ssl.SSLContext, method: str = "GET", target: str = "/") -> int:
        """A new connection each time, so that HAProxy goes on to the next gate."""
        connection = HTTPSConnection("localhost", self.port, context=context, timeout=PATIENCE)
        try:
            connection.request(method, target, headers={"Content-Length": "0"} if method == "POST" else {})
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    ca(folder, "init", "--cn", "Home CA", "--key", "ec:p256")
    for name in ("alice", "mallory"):
        ca(folder, "issue", name, "--key", "ec:p256")
    ca(folder, "server", "localhost", "--dns", "localhost", "--key", "ec:p256")
    return folder


@pytest.fixture
def site(authority: Path, tmp_path: Path) -> Iterator[Site]:
    needs("haproxy")
    home = authority / "ca"
    shared = tmp_path / "shared"
    shared.mkdir()
    crl = shared / "ca.crl"
    shutil.copy(home / "ca.crl", crl)
    invited = invite(shared / "invitations", time.time())
    with ExitStack() as stack:
        site = stack.enter_context(network(REPLICAS))
        app = stack.enter_context(App(host=site.this_machine))
        gates = []
        for number, place in enumerate(site.machines):
            folder = tmp_path / f"replica{number}"
            folder.mkdir()
            for source, target in FILES.items():
                shutil.copy(home / source, folder / target)
            gate = Gate(
                folder,
                app.url,
                run=place.run,
                listen=f'"{place.address}:0"',
                admin=f"{place.address}:0",
                server=f'proxy_protocol_from = ["{site.this_machine}/32"]',
                client_auth=f'crl = "{crl}"',
                tables=f'[invitations]\nfolder = "{invited.invitations.path}"',
            )
            stack.enter_context(gate)
            stack.callback(end_whoever_serves, gate)  # if it was replaced, also its successor
            gates.append(gate)
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        servers = "\n".join(
            f"  server {place.name} {place.address}:{gate.port} send-proxy-v2"
            for place, gate in zip(site.machines, gates, strict=True)
        )
        configuration = tmp_path / "haproxy.cfg"
        configuration.write_text(HAPROXY.format(fd=listener.fileno(), servers=servers))
        balancer = subprocess.Popen(["haproxy", "-db", "-q", "-f", configuration], pass_fds=[listener.fileno()])
        stack.callback(balancer.wait, PATIENCE)
        stack.callback(balancer.terminate)
        yield Site(gates, listener.getsockname()[1], home, crl, invited)


def test_each_replica_gets_its_share(site: Site) -> None:
    """And each knows the visitor's address, not the balancer's alone."""
    alice = site.visitor("alice")
    assert [site.ask(alice) for _ in range(2 * REPLICAS)] == [200] * 2 * REPLICAS
    assert [len(gate.logged(2)) for gate in site.gates] == [2] * REPLICAS


def test_a_revocation_reaches_all(site: Site, authority: Path) -> None:
    """Without a signal: each replica sees that the file was replaced. They are asked in turn."""
    mallory, alice = site.visitor("mallory"), site.visitor("alice")
    assert [site.ask(mallory) for _ in range(REPLICAS)] == [200] * REPLICAS
    ca(authority, "revoke", "mallory")
    arriving = site.crl.with_suffix(".new")
    shutil.copy(site.home / "ca.crl", arriving)
    arriving.rename(site.crl)
    until(lambda: [site.ask(mallory) for _ in range(REPLICAS)] == [403] * REPLICAS)
    assert [site.ask(alice) for _ in range(REPLICAS)] == [200] * REPLICAS


def test_an_invitation_is_handed_out_once(site: Site) -> None:
    """Sixteen who ask at the same time, four at each replica: one gets it."""
    nobody = site.visitor("")
    with ThreadPoolExecutor(16) as crowd:
        got = list(crowd.map(lambda _: site.ask(nobody, "POST", site.invited.target), range(16)))
    assert got.count(200) == 1


def test_a_rolling_upgrade_loses_nothing(site: Site) -> None:
    """One replica after the other is replaced while visitors come anew for each request."""
    answered = asyncio.run(roll(site))
    assert answered > 0


async def roll(site: Site) -> int:
    over = asyncio.Event()
    clients = [asyncio.create_task(come_anew(site, over)) for _ in range(4)]
    try:
        for gate in site.gates:
            await asyncio.to_thread(upgrade, gate)
    finally:
        over.set()
    return sum(await asyncio.gather(*clients))


async def come_anew(site: Site, over: asyncio.Event) -> int:
    alice, answered = site.visitor("alice"), 0
    while not over.is_set():
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port, ssl=alice, server_hostname="localhost")
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await reader.read(64)).startswith(b"HTTP/1.1 200 ")
        writer.transport.abort()
        answered += 1
    return answered
