"""``ocsp = "leaf"`` with openssl's own responder, which answers with the certificate of a delegate."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.app import App
from tests.certificates import make_authority, make_client, make_server
from tests.gate_process import PATIENCE, ROOT, Gate
from tests.tools import needs
from tests.visitors import Visitors


@dataclass
class Responder:
    """`openssl ocsp` behind a small HTTP server; ``asked`` counts the questions, ``broken`` answers 500."""

    folder: Path
    asked: int = 0
    broken: bool = False

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        number = self.asked
        (self.folder / f"{number}.req").write_bytes(await request.read())
        assert request.content_type == "application/ocsp-request"
        if self.broken:
            return web.Response(status=500)
        await asyncio.to_thread(self._openssl, number)
        body = (self.folder / f"{number}.resp").read_bytes()
        return web.Response(body=body, content_type="application/ocsp-response")

    def _openssl(self, number: int) -> None:
        subprocess.run(
            [
                *("openssl", "ocsp", "-index", "index.txt", "-CA", "ca.crt", "-rsigner", "ocsp.crt"),
                *("-rkey", "ocsp.key", "-ndays", "1", "-reqin", f"{number}.req", "-respout", f"{number}.resp"),
            ],
            cwd=self.folder,
            check=True,
            capture_output=True,
            timeout=PATIENCE,
        )


@pytest.fixture
def stage(tmp_path: Path) -> Visitors:
    """alice is good, mallory is revoked, and of carol the responder has never heard."""
    home = make_authority("Home CA")
    (tmp_path / "ca.crt").write_bytes(home.certificate_pem)
    make_server("localhost", home).write(tmp_path, "server")
    make_client("ocsp", home, purposes=[ExtendedKeyUsageOID.OCSP_SIGNING]).write(tmp_path, "ocsp")
    index = ""
    for name, status in (("alice", "V\t{end}\t"), ("mallory", "R\t{end}\t260101000000Z"), ("carol", "")):
        holder = make_client(name, home)
        holder.write(tmp_path, name)
        serial = f"{holder.certificate.serial_number:X}"
        serial = "0" * (len(serial) % 2) + serial
        if status:
            index += f"{status.format(end='490101000000Z')}\t{serial}\tunknown\t/CN={name}\n"
    (tmp_path / "index.txt").write_text(index)
    return Visitors(tmp_path)


@pytest.fixture
def responder(stage: Visitors) -> Responder:
    needs("openssl")
    return Responder(stage.folder)


def gate_asking(stage: Visitors, url: str, app: App, more: str = "") -> Gate:
    return Gate(stage.folder, app.url, client_auth=f'ocsp = "leaf"\nocsp_responder = "{url}/"\n{more}')


@pytest.fixture
def gate(stage: Visitors, responder: Responder, app: App) -> Iterator[Gate]:
    with App(responder.answer) as answering, gate_asking(stage, answering.url, app) as gate:
        yield gate


@pytest.mark.parametrize(("name", "reason"), [("alice", None), ("mallory", "revoked"), ("carol", "revocation_unknown")])
def test_the_responders_word_decides(gate: Gate, stage: Visitors, name: str, reason: str | None) -> None:
    """Good is let in, revoked is not, and what the responder does not know neither."""
    status, headers, _ = gate.request(stage.context(name))
    assert (status, headers.get("gatekeeper-reason")) == (403 if reason else 200, reason)


@pytest.mark.parametrize(("name", "reason"), [("alice", None), ("mallory", "revoked"), ("carol", "revocation_unknown")])
def test_explain_asks_too(gate: Gate, name: str, reason: str | None) -> None:
    """It could not say what the gate does otherwise."""
    command: list[Any] = [
        sys.executable,
        "-m",
        "gatekeeper",
        "explain",
        "-c",
        gate.folder / "gatekeeper.toml",
        "--json",
    ]
    shown: list[Any] = ["--cert", gate.folder / f"{name}.crt", "GET", "/"]
    done = subprocess.run([*command, *shown], cwd=ROOT, capture_output=True, check=False)
    assert json.loads(done.stdout)["reason"] == reason
    assert done.returncode == (1 if reason else 0)


def test_an_answer_is_cached(gate: Gate, stage: Visitors, responder: Responder) -> None:
    """Until its nextUpdate, for all connections, and also for those that come at once."""
    for _ in range(3):
        assert gate.request(stage.context("alice"))[0] == 200
    assert responder.asked == 1


@pytest.mark.parametrize(("policy", "status"), [("deny", 403), ("allow", 200)])
def test_no_answer_is_decided_by_configuration(
    stage: Visitors, responder: Responder, app: App, policy: str, status: int
) -> None:
    """And said in the log, either way."""
    responder.broken = True
    more = f'ocsp_on_failure = "{policy}"\n'
    with App(responder.answer) as answering, gate_asking(stage, answering.url, app, more) as gate:
        assert gate.request(stage.context("alice"))[0] == status
        gate.wait_for(lambda line: "ocsp: no usable response from http://127.0.0.1" in line)
    assert responder.asked == 1
