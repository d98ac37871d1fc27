"""`ca invite --csr`, `enroll`, `ca approve`: a computer that keeps its key is in the app, killed on the way or not."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.app import App
from tests.e2e.authority import ca, ca_json
from tests.e2e.clients import app
from tests.gate_process import PATIENCE, Gate

EC = ("--key", "ec:p256")


@dataclass
class Place:
    """An authority, a gate, and a folder of invitations between them."""

    folder: Path
    gate: Gate
    url: str
    at_end: ExitStack

    def ca(self, *words: object, code: int = 0) -> str:
        return ca(self.folder, *words, "--invitations", "invitations", code=code)

    def invite(self, name: str = "backup") -> str:
        told = ca_json(self.folder, "invite", name, "--csr", "--invitations", "invitations", "--url", self.gate.address)
        return str(told["link"])

    def enroll(self, link: str, *words: str) -> "subprocess.Popen[str]":
        process = self.start("computer", *words)
        tell(process, link)
        return process

    def start(self, name: str, *words: str) -> "subprocess.Popen[str]":
        """It waits for the link; killed at the end of the test."""
        out = self.folder / name
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
        self.at_end.callback(process.communicate)
        self.at_end.callback(process.kill)
        return process


def tell(process: "subprocess.Popen[str]", link: str) -> None:
    assert process.stdin is not None
    process.stdin.write(link + "\n")
    process.stdin.close()
    process.stdin = None


def furnish(authority: Path, folder: Path) -> None:
    """Put there what a gate needs."""
    for source, target in (("ca.crt", "ca.crt"), ("localhost.crt", "server.crt"), ("localhost.key", "server.key")):
        (folder / target).write_bytes((authority / "ca" / source).read_bytes())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    ca(tmp_path, "init", "--cn", "Home CA", *EC)
    ca(tmp_path, "server", "localhost", *EC)
    (tmp_path / "invitations").mkdir(0o700)
    furnish(tmp_path, tmp_path)
    tables = '[invitations]\nfolder = "invitations"\n'
    with (
        App(app) as behind,
        Gate(tmp_path, behind.url, tables=tables, server="workers = 2") as gate,
        ExitStack() as at_end,
    ):
        yield Place(tmp_path, gate, behind.url, at_end)


def asked(process: "subprocess.Popen[str]") -> str:
    """The fingerprint that it shows while it waits."""
    line = first_line(process)
    assert line, process.communicate()
    return str(json.loads(line)["spki"])


def first_line(process: "subprocess.Popen[str]") -> str:
    """What it says first; "" if it ends without a word."""
    assert process.stdout is not None
    return process.stdout.readline()


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
    assert "requested, to be approved" in place.ca("invite", "--list", "--url", place.gate.address)
    assert "a different key" in place.ca("approve", "backup", "--fingerprint", "0" * 64, code=1)
    assert "--fingerprint" in place.ca("approve", "backup", code=2)
    assert spki in place.ca("approve", "backup", "--fingerprint", spki, "--ou", "machines")
    out, error = second.communicate(timeout=PATIENCE)
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
    place.gate.stop()  # then all that it logs is there
    assert link.rpartition("/")[2] not in place.gate.log.read_text() + "\n".join(place.gate.err)


def test_one_link_enrolls_one_computer(place: Place) -> None:
    """A second one with the link is told so, and keeps nothing but its own key; a cancelled one gets no certificate."""
    link = place.invite()
    first = place.enroll(link)
    asked(first)
    (place.folder / "computer" / "backup.key").unlink()
    second = place.enroll(link)
    error = second.communicate(timeout=PATIENCE)[1]
    assert second.returncode == 1
    assert "someone else has the link" in error
    place.ca("invite", "--cancel", "backup", "--url", place.gate.address)
    error = first.communicate(timeout=PATIENCE)[1]
    assert first.returncode == 1
    assert "was cancelled" in error
    assert "nothing waits" in place.ca("approve", "backup", "--yes", code=1)
    assert not (place.folder / "computer" / "backup.crt").exists()


def test_one_of_twenty_computers_with_one_link_is_enrolled(place: Place) -> None:
    """Twenty processes at two gates on one folder: one request waits, and the others hear that they came too late."""
    link, other = place.invite(), place.folder / "other"
    other.mkdir()
    furnish(place.folder, other)
    tables = f'[invitations]\nfolder = "{place.folder / "invitations"}"\n'
    with Gate(other, place.url, tables=tables, server="workers = 2") as second:
        links = (link, link.replace(place.gate.address, second.address))
        assert links[0] != links[1]
        computers = {name: place.start(name) for name in (f"computer-{number}" for number in range(20))}
        for process, its_link in zip(computers.values(), links * 10, strict=True):
            tell(process, its_link)
        with ThreadPoolExecutor(20) as pool:
            lines = dict(zip(computers, pool.map(first_line, computers.values()), strict=True))
        (winner,) = (name for name, line in lines.items() if line)
        spki = str(json.loads(lines[winner])["spki"])
        place.ca("approve", "backup", "--fingerprint", spki)
        out, error = computers[winner].communicate(timeout=PATIENCE)
        assert (computers[winner].returncode, error) == (0, "")
        assert json.loads(out)["spki"] == spki
        for name, process in computers.items():
            if name != winner:
                said = process.communicate()
                assert (process.returncode, said[0]) == (1, "")
                assert "someone else has the link" in said[1]
        assert list(place.folder.glob("computer-*/backup.crt")) == [place.folder / winner / "backup.crt"]
