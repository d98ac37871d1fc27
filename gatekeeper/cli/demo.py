"""``gatekeeper demo``: an authority, an app and the gate on this machine, in a temporary folder."""

import argparse
import asyncio
import http.client
import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web
from rich.table import Table
from rich.text import Text

from gatekeeper.cli.parser import Commands
from gatekeeper.cli.terminal import print_json, show, working
from gatekeeper.embedded.demo import demo_app
from gatekeeper.errors import StartError, UsageError
from gatekeeper.settings.addresses import parse_listen, parse_upstream
from gatekeeper.tls.client import client_context

if TYPE_CHECKING:
    from gatekeeper.embedded.fixture import DemoClient, DemoFixture

DEFAULT_LISTEN = "127.0.0.1:8443"
TIMEOUT_SECONDS = 10.0
_READY = re.compile(r"listening on https://(\S+):(\d+)$")


def add_command(commands: Commands) -> None:
    """Add ``demo`` to the command line."""
    parser = commands.add_parser(
        "demo",
        help="try everything on this machine",
        description="Create an authority and certificates in a temporary folder; start a small app and the gate.",
        epilog="example: gatekeeper demo --upstream http://127.0.0.1:8000",
    )
    parser.add_argument("--listen", metavar="ADDR", help=f"where the gate listens; by default {DEFAULT_LISTEN}")
    parser.add_argument("--upstream", metavar="URL", help="your own app, instead of the built-in one")
    parser.add_argument(
        "--check",
        action="store_true",
        help="play every kind of visitor, print what each received, and exit; 0 if all is as expected",
    )
    parser.add_argument("--json", action="store_true", help="with --check: print JSON")
    parser.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> int:
    from gatekeeper.embedded.fixture import make_fixture  # brings the authority, which the running proxy never loads

    # For a check any free port will do.
    default = "127.0.0.1:0" if options.check else DEFAULT_LISTEN
    try:
        listen = parse_listen(options.listen or default)
        if options.upstream:
            parse_upstream(options.upstream)
    except ValueError as error:
        raise UsageError(str(error)) from error
    with tempfile.TemporaryDirectory(prefix="gatekeeper-demo-") as name, _ended_by_sigterm():
        folder = Path(name)
        socket = folder / "app.sock"
        with working("Making an authority and certificates"):
            fixture = make_fixture(folder, listen, options.upstream or f"unix:{socket}", datetime.now(UTC))
        with _app(socket), _gate(fixture) as (process, port):
            if options.check:
                return _print_results(list(_try_all(fixture, port)), as_json=options.json)
            _explain(fixture, port)
            process.wait()
    return 0


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the demo like Ctrl-C, so that the folder with the keys is removed."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _app(socket: Path) -> Iterator[None]:
    """Run the small app on a thread of its own."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(demo_app(), access_log=None)
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.UnixSite(runner, str(socket)).start())
    thread = threading.Thread(target=loop.run_forever, name="demo-app", daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(runner.cleanup())
        loop.close()


@contextmanager
def _gate(fixture: "DemoFixture") -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start the gate as its users do; yields the process and the port that it listens on."""
    command = [sys.executable, "-m", "gatekeeper", "serve", "-c", str(fixture.configuration)]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    # In a group of its own: Ctrl-C reaches the demo, which then ends the gate in order.
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        command, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as gate:
        try:
            yield gate, _port(gate)
        finally:
            gate.terminate()


def _port(gate: "subprocess.Popen[str]") -> int:
    said = []
    for line in gate.stderr or ():
        ready = _READY.search(line.rstrip())
        if ready:
            threading.Thread(target=_pass_on, args=(gate,), daemon=True).start()
            return int(ready[2])
        said.append(line.rstrip().removeprefix("gatekeeper: "))
    raise StartError("; ".join(said) or "the gate did not start")


def _pass_on(gate: "subprocess.Popen[str]") -> None:
    """Copy the gate's later log lines to the terminal; a full pipe would block the gate."""
    for line in gate.stderr or ():
        if "admin on" not in line:
            print(line, end="", file=sys.stderr)


def _explain(fixture: "DemoFixture", port: int) -> None:
    url = f"https://localhost:{port}/"
    certificate, key = fixture.files("alice")
    print(f"""\
The gate is open at {url} with a small app behind it.
Everything it needs was made in a folder that goes away with it:

  cd {fixture.folder}

Without a certificate, you are told why not:

  curl --cacert {fixture.authority.name} {url}

With Alice's, you are in:

  curl --cacert {fixture.authority.name} --cert {certificate.name} --key {key.name} {url}

In a browser: import alice.p12 from that folder, with the password

  {fixture.password}

(Chrome and Edge: Settings, Privacy and security, Security, Manage certificates;
Firefox: Settings, Privacy & Security, View Certificates, Your Certificates),
then open {url} and choose it. The browser warns first that
it does not know the server's authority; for a demo, go on.

Ctrl-C ends the demo.""")
    sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class ClientResult:
    """The result that a client should get with a version of TLS, and the one that it got."""

    visitor: str
    tls: str
    expected: str
    got: str

    @property
    def ok(self) -> bool:
        """Whether these are the same."""
        return self.expected == self.got


def _try_all(fixture: "DemoFixture", port: int) -> Iterator[ClientResult]:
    for client in fixture.clients:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            tls = version.name[-3:].replace("_", ".")
            yield ClientResult(client.title, tls, _shown(client.refused), _try_client(fixture, client, version, port))


def _print_results(results: list[ClientResult], *, as_json: bool) -> int:
    all_well = all(result.ok for result in results)
    if as_json:
        print_json({"ok": all_well, "visits": [{**asdict(result), "ok": result.ok} for result in results]})
        return 0 if all_well else 1
    table = Table("visitor", "TLS", "should get", "got", box=None, padding=(0, 2, 0, 0))
    for result in results:
        table.add_row(result.visitor, result.tls, result.expected, Text(result.got, style="" if result.ok else "red"))
    show(table, at_least=70)
    print("Everybody got what they should." if all_well else "Somebody got what they should not.")
    return 0 if all_well else 1


def _shown(reason: str | None) -> str:
    return "200, let in" if reason is None else f"403 {reason}"


def _try_client(fixture: "DemoFixture", client: "DemoClient", version: ssl.TLSVersion, port: int) -> str:
    """The result of one client: ``200, let in``, ``403 expired`` …, or the error."""
    context = client_context(str(fixture.authority))
    context.minimum_version = context.maximum_version = version
    if client.credential is not None:
        with tempfile.NamedTemporaryFile(dir=fixture.folder) as file:
            file.write(client.credential.key_pem() + client.credential.chain_pem)
            file.flush()
            context.load_cert_chain(file.name)
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        reason = response.headers.get("Gatekeeper-Reason")
    except (OSError, http.client.HTTPException) as error:
        return f"no answer: {error}"
    finally:
        connection.close()
    return f"{response.status}, let in" if reason is None else f"{response.status} {reason}"
