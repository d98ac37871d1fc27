"""gatekeeper enroll against a gate that lies: nothing is believed but what the key and the certificates prove."""

import json
import ssl
import stat
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.authority import Authority, make_authority
from gatekeeper.ca.certificates import issue_server, sign_client, sign_server
from gatekeeper.ca.keys import make_key
from gatekeeper.ca.subject import Subject
from gatekeeper.cli import main
from tests.ports import free_port

TOKEN = "A" * 43
Reply = tuple[int, dict[str, str], bytes]


class Gate:
    """Says what it is told to say, by method and path below the link."""

    def __init__(self, folder: Path) -> None:
        self.now = datetime.now(UTC)
        self.authority: Authority = make_authority("Home CA", key_type="ec:p256", now=self.now)
        server = issue_server(self.authority, "localhost", key_type="ec:p256", now=self.now)
        (folder / "ca.crt").write_bytes(self.authority.certificate_pem)
        (folder / "server.pem").write_bytes(server.certificate_pem + server.key_pem())
        self.replies: dict[tuple[str, str], Callable[[bytes], Reply]] = {}
        self.asked: list[tuple[str, str]] = []
        self.replies["POST", ""] = lambda _: (404, {}, b"{}")
        self.says("backup")
        gate = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                below = self.path.removeprefix(f"/.gatekeeper/invite/{TOKEN}")
                gate.asked.append((self.command, below))
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, headers, answer = gate.replies[self.command, below](body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                # Without a length the end is a TCP connection closed without close_notify, an error on Python 3.11.2.
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_POST = do_GET  # noqa: N815  http.server calls it so

            def log_message(self, *_: object) -> None:
                """Not on the terminal of the tests."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.link = f"https://localhost:{self.server.server_port}/.gatekeeper/invite/{TOKEN}"

    def says(self, name: str, kind: str = "request") -> None:
        self.replies["GET", ""] = lambda _: (200, {}, json.dumps({"name": name, "kind": kind}).encode())

    def signs(self, *, key: x509.CertificateSigningRequest | None = None, client: bool = True) -> None:
        """Signs what is sent, or another's key, for a client or for a server."""

        def sign(body: bytes) -> Reply:
            request = key or x509.load_pem_x509_csr(body)
            signing = sign_client if client else sign_server
            subject = Subject(request.subject, (x509.DNSName("localhost"),))
            certificate = signing(
                self.authority, request.public_key(), subject, lifetime=timedelta(days=1), serial=1, now=self.now
            )
            return 200, {}, certificate.public_bytes(Encoding.PEM) + self.authority.certificate_pem

        self.replies["POST", ""] = sign


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    monkeypatch.chdir(tmp_path)
    gate = Gate(tmp_path)
    thread = threading.Thread(target=gate.server.serve_forever, args=(0.01,))
    thread.start()
    yield gate
    gate.server.shutdown()
    thread.join()
    gate.server.server_close()


@pytest.fixture
def enroll(gate: Gate, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(*words: str, code: int, link: str = "") -> str:
        got = main(["enroll", link or gate.link, *(words or ("--cacert", "ca.crt"))])
        out, error = capsys.readouterr()
        assert got == code, out + error
        if code:
            assert len(error.splitlines()) == 1
            assert not Path("backup.crt").exists()
        assert TOKEN not in out + error
        return error if code else out

    return run


def test_key_and_certificate_are_put_there(gate: Gate, enroll: Callable[..., str]) -> None:
    """The key for its owner alone; a second run overwrites neither."""
    gate.signs()
    assert "curl --cacert ca.crt --cert backup.crt --key backup.key https://localhost:" in enroll(code=0)
    assert stat.S_IMODE(Path("backup.key").stat().st_mode) == 0o600
    assert len(x509.load_pem_x509_certificates(Path("backup.crt").read_bytes())) == 2
    before = Path("backup.key").read_bytes()
    gate.asked.clear()
    assert main(["enroll", gate.link, "--cacert", "ca.crt"]) == 1
    assert gate.asked == [("GET", "")]
    assert Path("backup.key").read_bytes() == before


def test_a_gate_that_nobody_vouches_for_hears_nothing(gate: Gate, enroll: Callable[..., str]) -> None:
    """The link is a secret, and whoever stands between could ask in our name."""
    assert "cannot be verified" in enroll("--timeout", "1m", code=1)
    assert gate.asked == []


def test_an_authority_that_cannot_be_read_is_told_as_it_is(gate: Gate, enroll: Callable[..., str]) -> None:
    """Missing, a folder, or something else."""
    Path("key.pem").write_text("nothing")
    for path, why in (
        ("none.crt", "does not exist"),
        (".", "is a directory, not a file"),
        ("key.pem", "holds no certificate (PEM) of an authority"),
    ):
        assert enroll("--cacert", path, code=2) == f"gatekeeper: {path} {why}\n"
    assert gate.asked == []


@pytest.mark.parametrize(
    "link",
    [
        f"http://localhost/.gatekeeper/invite/{TOKEN}",
        "https://localhost/",
        "https://localhost/.gatekeeper/invite/short",
        f"https://user@localhost/.gatekeeper/invite/{TOKEN}",
        f"https://localhost:99999/.gatekeeper/invite/{TOKEN}",
    ],
)
def test_other_links_are_refused(gate: Gate, enroll: Callable[..., str], link: str) -> None:
    """Above all plain HTTP; the link is not repeated."""
    enroll(code=2, link=link)
    assert gate.asked == []


def test_redirects_are_not_followed(gate: Gate, enroll: Callable[..., str]) -> None:
    """The token would go where they lead."""
    gate.replies["GET", ""] = lambda _: (302, {"Location": gate.link + "/certificate"}, b"")
    assert "redirects are not followed" in enroll(code=1)
    assert gate.asked == [("GET", "")]


@pytest.mark.parametrize("name", ["../backup", "a/b", "", ".hidden", "ca", "\x1b[31m"])
def test_a_name_that_leads_elsewhere_is_refused(gate: Gate, enroll: Callable[..., str], name: str) -> None:
    """The gate says what the files are called; it must not say where they lie."""
    gate.says(name)
    enroll(code=1)
    assert not list(Path().rglob("*.key"))


def test_an_invitation_for_a_browser_is_left_alone(gate: Gate, enroll: Callable[..., str]) -> None:
    """It works once, and not here."""
    gate.says("backup", "bundle")
    assert "for a browser" in enroll(code=1)
    assert gate.asked == [("GET", "")]


def test_a_certificate_for_another_key_is_not_taken(gate: Gate, enroll: Callable[..., str]) -> None:
    """It would look enrolled, and not be let in."""
    other = x509.CertificateSigningRequestBuilder(x509.Name([])).sign(make_key("ed25519"), None)
    gate.signs(key=other)
    assert "for another key" in enroll(code=1)


def test_a_certificate_for_a_server_is_not_taken(gate: Gate, enroll: Callable[..., str]) -> None:
    """Nor what is no certificate at all."""
    gate.signs(client=False)
    assert "not for a client" in enroll(code=1)
    gate.replies["POST", ""] = lambda _: (200, {}, b"noise")
    assert "not a client certificate" in enroll(code=1)


def test_a_refusal_is_told_in_the_words_of_the_gate(gate: Gate, enroll: Callable[..., str]) -> None:
    """But cannot drive the terminal."""
    said = json.dumps({"detail": "Somebody else has it.\x1b[2J\n"}).encode()
    gate.replies["POST", ""] = lambda _: (409, {}, said)
    error = enroll(code=1)
    assert "Somebody else has it." in error
    assert "\x1b" not in error


def test_a_gate_without_invitations_is_told_from_a_refusal(gate: Gate, enroll: Callable[..., str]) -> None:
    """It judges the link like the path of an app; advice about certificates would lead astray."""
    gate.replies["GET", ""] = lambda _: (403, {}, b'{"reason": "no_certificate", "detail": "Send your certificate."}')
    error = enroll(code=1)
    assert "[invitations] is missing in its configuration" in error
    assert "Send your certificate" not in error


def test_that_the_gate_is_away_is_said_once(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each time that it goes away, and on standard error, where no script reads."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    gate.signs()
    sign, sent = gate.replies["POST", ""], list[bytes]()
    posted = iter([(503, {}, b""), (429, {}, b""), (202, {}, b"{}")])  # type: ignore[var-annotated]
    fetched = iter([(202, {}, b"{}"), (502, {}, b""), (502, {}, b"")])  # type: ignore[var-annotated]

    def post(body: bytes) -> Reply:
        sent.append(body)
        return next(posted)

    gate.replies["POST", ""] = post
    gate.replies["GET", "/certificate"] = lambda _: next(fetched, None) or sign(sent[-1])
    assert main(["enroll", gate.link, "--cacert", "ca.crt", "--json"]) == 0
    out, error = capsys.readouterr()
    assert [json.loads(line)["state"] for line in out.splitlines()] == ["asked", "enrolled"]
    assert error.splitlines() == [
        f"gatekeeper: the gate does not answer: status {status}; still trying, until --timeout is over"
        for status in (503, 502)
    ]
    assert len(slept) == 6


def test_at_the_first_try_nothing_is_tried_again(gate: Gate, enroll: Callable[..., str]) -> None:
    """A slip in the link is told at once, in the words of the system."""
    gate.replies["GET", ""] = lambda _: (503, {}, b"")
    assert enroll(code=1) == "gatekeeper: the gate does not answer: status 503\n"
    nobody = f"https://127.0.0.1:{free_port()}/.gatekeeper/invite/{TOKEN}"
    assert enroll(code=1, link=nobody) == "gatekeeper: the gate does not answer: Connection refused\n"


def test_it_does_not_wait_for_ever(gate: Gate, enroll: Callable[..., str]) -> None:
    """And keeps the key for the next attempt."""
    gate.replies["POST", ""] = lambda _: (202, {"Retry-After": "5"}, b"{}")
    assert "run this again" in enroll("--cacert", "ca.crt", "--timeout", "0s", code=1)
    assert Path("backup.key").exists()
