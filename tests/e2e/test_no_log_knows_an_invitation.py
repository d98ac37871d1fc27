"""Whoever reads logs, metrics, the status or what the app was asked cannot take somebody's invitation."""

import ssl
import time
from pathlib import Path

import pytest

from gatekeeper.invitations.state import Stage
from tests.app import App
from tests.gate_process import Gate, until
from tests.invitations.invited import Invited, invite
from tests.visitors import Visitors


def spellings(invited: Invited) -> list[str]:
    token, target = invited.token, invited.target
    escaped = "".join(f"%{ord(letter):02x}" for letter in token)
    return [
        target,
        f"{target}?x=1",
        f"{target}/more",
        f"/{target}",
        target.replace(token, escaped),
        target.replace("/.gate", "/%2egate"),
        target.replace("/invite/", "/invite%2F"),
        target.replace("/invite/", "\\invite\\"),
        f"/?link=https://localhost{target}",
        f"/go/https%3A%2F%2Flocalhost{target.replace('/', '%2F')}",
        f"https://localhost{target}",
    ]


def lines(invited: Invited) -> list[bytes]:
    """Requests in every spelling, methods that are none, a Referer, and one that is no HTTP."""
    host = "Host: localhost\r\nConnection: close\r\n"
    return [
        *(f"{method} {one} HTTP/1.1\r\n{host}\r\n".encode() for one in spellings(invited) for method in ("GET", "PUT")),
        f"GET / HTTP/1.1\r\n{host}Referer: https://localhost{invited.target}\r\n\r\n".encode(),
        f"POST {invited.target} HTTP/1.1\r\n{host}Purpose: prefetch\r\nContent-Length: 0\r\n\r\n".encode(),
        f"POST {invited.target} HTTP/1.1\r\n{host}Content-Length: 1000000\r\n\r\n".encode(),
        f"GET{invited.target} HTTP/1.1\r\n\r\n".encode(),
        f"GET {invited.target} HTTP/9.9\r\n{host}\r\n".encode(),
        f"GET / HTTP/1.1\r\nHost: localhost{invited.target}\r\n\r\n".encode(),
    ]


def say(gate: Gate, holder: ssl.SSLContext, request: bytes) -> bytes:
    """All of the answer."""
    with gate.connect(holder) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("style", ["json", "combined", "text"])
def test_no_log_knows_an_invitation(visitors: Visitors, folder: Path, app: App, style: str) -> None:
    """At the level debug, in every format, for strangers and for who is let in; nor does any refusal repeat it."""
    invited = invite(folder / "invitations", time.time())
    more = f'format = "{style}"\nlevel = "debug"\n[invitations]\nfolder = "{invited.invitations.path}"\n'
    requests = lines(invited)
    with Gate(folder, app.url, tables=more) as gate:
        assert all(say(gate, visitors.context("alice"), one) for one in requests)
        answers = [say(gate, visitors.context("nobody"), one) for one in requests]
        assert all(answers)
        assert gate.request(visitors.context("nobody"), "POST", invited.target, b"")[0] == 200
        until(lambda: invited.invitations.find(invited.digest).state.stage is Stage.USED)
        answers.append(say(gate, visitors.context("nobody"), requests[0]))
        told = gate.admin_text("/status") + gate.admin_text("/metrics") + gate.admin_text("/status", "text/html")
        gate.wait_for(lambda line: "invitations: downloaded" in line)
        until(lambda: len(gate.log.read_text().splitlines()) >= 2 * len(requests) + 2)
    told += gate.log.read_text() + "\n".join(gate.err + gate.out)
    for secret in (invited.token[:16], invited.token[-16:], "".join(f"%{ord(one):02x}" for one in invited.token[:5])):
        assert secret not in told
        assert not [one for one in answers if secret.encode() in one]
