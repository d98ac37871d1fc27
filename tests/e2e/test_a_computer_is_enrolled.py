"""`ca invite --csr`, `enroll`, `ca approve`: a computer that keeps its key is in the app, killed on the way or not."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.app import App
from tests.e2e.authority import ca, ca_json
from tests.e2e.clients import app
from tests.gate import Gate

EC = ("--key", "ec:p256")


@dataclass
class Place:
    """An authority, a gate, and a folder of invitations between them."""

    folder: Path
    gate: Gate
    url: str

    def ca(self, *words: object, code: int = 0) -> str:
        return ca(self.folder, *words, "--invitations", "invitations", code=code)

    def invite(self, name: str = "backup") -> str:
        told = ca_json(self.folder, "invite", name, "--csr", "--invitations", "invitations", "--url", self.gate.address)
        return str(told["link"])

    def enroll(self, link: str, *words: str) -> "subprocess.Popen[str]":
        out = self.folder / "computer"
        out.mkdir(exist_ok=True)
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "gatekeeper",
                "enroll",
                "-",
                "--out",
                out,
                "--cacert",
                "ca/ca.crt",
                "--json",
                *words,
            ],
            cwd=self.folder,
            env=dict(os.environ, PYTHONPATH=str(Path(__file__).parents[2])),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        process.stdin.write(link + "\n")
        process.stdin.close()
        process.stdin = None
        return process


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    ca(tmp_path, "init", "--cn", "Home CA", *EC)
    ca(tmp_path, "server", "localhost", *EC)
    (tmp_path / "invitations").mkdir(0o700)
    for source, target in (("ca.crt", "ca.crt"), ("localhost.crt", "server.crt"), ("localhost.key", "server.key")):
        (tmp_path / target).write_bytes((tmp_path / "ca" / source).read_bytes())
    tables = '[invitations]\nfolder = "invitations"\n'
    with App(app) as behind, Gate(tmp_path, behind.url, tables=tables, server="workers = 2") as gate:
        yield Place(tmp_path, gate, behind.url)


def asked(process: "subprocess.Popen[str]") -> str:
    """The fingerprint that it shows while it waits."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()
    return str(json.loads(line)["spki"])


def test_a_computer_is_enrolled(place: Place) -> None:
    """Killed while it waited, and run again with the same key; approved by the fingerprint; then it is in the app."""
    link = place.invite()
    first = place.enroll(link)
    spki = asked(first)
    first.kill()
    first.communicate()
    key = place.folder / "computer" / "backup.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    second = place.enroll(link)
    assert asked(second) == spki
    assert "asked, to be approved" in place.ca("invite", "--list", "--url", place.gate.address)
    assert "another one" in place.ca("approve", "backup", "--fingerprint", "0" * 64, code=1)
    assert "--fingerprint" in place.ca("approve", "backup", code=2)
    assert spki in place.ca("approve", "backup", "--fingerprint", spki, "--ou", "machines")
    out, error = second.communicate(timeout=60)
    assert (second.returncode, error) == (0, "")
    assert json.loads(out)["state"] == "enrolled"
    assert key.read_bytes() == before
    certificate = place.folder / "computer" / "backup.crt"
    curl = subprocess.run(
        [
            *("curl", "-sS", "-w", "%{http_code}", "-o", os.devnull, "--cacert", "ca/ca.crt"),
            *("--cert", certificate, "--key", key, f"{place.gate.address}/"),
        ],
        cwd=place.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert curl.stdout == "200"
    assert "is revoked" in place.ca("invite", "--cancel", "backup", "--url", place.gate.address)
    assert link.rpartition("/")[2] not in place.gate.log.read_text() + "\n".join(place.gate.said)


def test_one_link_enrolls_one_computer(place: Place) -> None:
    """A second one with the link is told so, and keeps nothing but its own key; a cancelled one gets no certificate."""
    link = place.invite()
    first = place.enroll(link)
    asked(first)
    (place.folder / "computer" / "backup.key").unlink()
    second = place.enroll(link)
    error = second.communicate(timeout=60)[1]
    assert second.returncode == 1
    assert "somebody else has it" in error
    place.ca("invite", "--cancel", "backup", "--url", place.gate.address)
    error = first.communicate(timeout=60)[1]
    assert first.returncode == 1
    assert "taken back" in error
    assert "nothing waits" in place.ca("approve", "backup", "--yes", code=1)
    assert not (place.folder / "computer" / "backup.crt").exists()
