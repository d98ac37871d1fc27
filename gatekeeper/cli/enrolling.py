"""What ``gatekeeper enroll`` does: generate a key, send the request, wait, and fetch the certificate.

The gate's server certificate is always verified: an attacker in between could replace the request with another.
Redirects are not followed, because they would reveal the token.
"""

import argparse
import http.client
import json
import re
import shlex
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gatekeeper import __version__
from gatekeeper.ca.files import read_file
from gatekeeper.ca.folder import PUBLIC, SECRET, Content, write_new
from gatekeeper.ca.keys import PrivateKey, check_key_type, key_pem, load_key, make_key
from gatekeeper.ca.names import check_name, printable
from gatekeeper.ca.requests import make_request
from gatekeeper.ca.subject import Subject
from gatekeeper.cli.terminal import working
from gatekeeper.errors import InvitationError, UsageError
from gatekeeper.gate.verdict import Reason
from gatekeeper.invitations.request import spki_sha256
from gatekeeper.settings.files import FROM_COMMAND_LINE, UnreadableFileError
from gatekeeper.tls.client import client_context
from gatekeeper.tls.memory_file import as_file
from gatekeeper.x509.request import parse_request

_PATH = re.compile(r"/\.gatekeeper/invite/[A-Za-z0-9_-]{43}/?")
# An answer of the gate is a few KiB, a chain of large keys a few more.
_LARGEST_ANSWER = 1 << 18
# Every public authority together is 0.2 MiB.
_LARGEST_CACERT = 16 << 20
_CONNECT_SECONDS = 30.0
_SHORTEST_WAIT, _LONGEST_WAIT = 1, 60
# Temporary failures: the gate restarts, a file server is unavailable, too many requests.
_PASSING = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class GateResponse:
    """A response of the gate; ``retry_after`` is in seconds."""

    status: int
    body: bytes
    retry_after: int

    def fields(self) -> dict[str, Any]:
        """The JSON object in the body; InvitationError for anything else."""
        try:
            found = json.loads(self.body)
            if isinstance(found, dict):
                return found
        except ValueError:
            pass
        raise InvitationError(f"the server there is not a gate with invitations (status {self.status})")


class GateClient:
    """A gate, verified on each connection. ``path`` is that of the link, "" without one."""

    def __init__(self, address: str, cacert: Path | None) -> None:
        parts = urlsplit(address)
        if parts.scheme != "https" or not parts.hostname or parts.username:
            raise UsageError("this is not the address of a gate, such as https://gate.example.com")
        try:
            self._authorities = FROM_COMMAND_LINE.read(cacert, _LARGEST_CACERT) if cacert else None
            self._host, self._port = parts.hostname, parts.port or 443
            self._context = self._new_context()
        except UnreadableFileError as error:
            raise UsageError(f"{cacert} {error}") from error
        except ssl.SSLError as error:
            raise UsageError(f"{cacert} holds no certificate (PEM) of an authority") from error
        except (OSError, ValueError) as error:
            why = (getattr(error, "strerror", None) or str(error)).lower()
            raise UsageError(f"{cacert or 'the link'} cannot be used: {why}") from error
        self.path = parts.path.rstrip("/")
        self.address = f"https://{parts.netloc}"

    def _new_context(self) -> ssl.SSLContext:
        if self._authorities is None:
            return client_context()
        with as_file(self._authorities) as file:
            return client_context(file)

    def show(self, certificate: Path, key: Path) -> None:
        """Present this certificate from now on; ssl.SSLError or OSError if it cannot be used."""
        context = self._new_context()
        context.load_cert_chain(certificate, key)
        self._context = context

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "application/pkcs10") -> GateResponse:
        """One request, with a body of this type; OSError or HTTPException if nobody answers."""
        connection = http.client.HTTPSConnection(
            self._host, self._port, context=self._context, timeout=_CONNECT_SECONDS
        )
        headers = {"Accept": "application/json", "User-Agent": f"gatekeeper-enroll/{__version__}"}
        if body is not None:
            headers["Content-Type"] = kind
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.getheader("Retry-After", "")
            wait = int(text) if text.isascii() and text.isdigit() else _SHORTEST_WAIT
            return GateResponse(response.status, response.read(_LARGEST_ANSWER), wait)
        finally:
            connection.close()


def enroll(args: argparse.Namespace) -> int:
    """Obtain NAME.key and NAME.crt through a link; returns the exit code."""
    check_key_type(args.key)
    gate = _gate_of(sys.stdin.readline().strip() if args.link == "-" else args.link, args.cacert)
    deadline = time.monotonic() + args.timeout
    said = patiently(lambda: gate.ask("GET", gate.path), time.monotonic())  # report a mistyped link at once
    if said.status == 403 and said.fields().get("reason") == Reason.NO_CERTIFICATE:  # judged like a request to an app
        raise InvitationError("this gate serves no invitations: [invitations] is missing in its configuration")
    must_be_fine(said)
    name = _name_in(said.fields())
    key_path, certificate_path = args.out / f"{name}.key", args.out / f"{name}.crt"
    if certificate_path.exists():
        raise InvitationError(f"{certificate_path} already exists; move it away, or choose another folder by --out")
    key = _key(key_path, args.key)
    request = make_request(key, Subject(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])))
    answer = patiently(lambda: gate.ask("POST", gate.path, request.public_bytes(Encoding.PEM)), deadline)
    must_be_fine(answer)
    spki = spki_sha256(parse_request(request.public_bytes(Encoding.DER)))
    if answer.status == 202:
        _say_what_to_compare(name, spki, key_path, as_json=args.json)
        with working("Waiting for the administrator"):
            answer = _wait_for_certificate(gate, answer, deadline)
    chain = answer.body
    must_fit(chain, key)
    write_new(certificate_path, Content(chain, PUBLIC))
    _say_where(name, key_path, certificate_path, gate, spki, args)
    return 0


def _gate_of(link: str, cacert: Path | None) -> GateClient:
    try:
        fits = _PATH.fullmatch(urlsplit(link).path)
    except ValueError:
        fits = None
    if not fits or not link.startswith("https://"):
        raise UsageError("this is not the link of an invitation: https://GATE/.gatekeeper/invite/ and 43 characters")
    return GateClient(link, cacert)


def _name_in(fields: dict[str, Any]) -> str:
    """The name in the invitation, checked to be safe as a file name."""
    if fields.get("kind") != "request":
        raise InvitationError("this invitation is for a browser: open the link on the device that is to get it")
    return check_name(str(fields.get("name")))


def _key(path: Path, key_type: str) -> PrivateKey:
    """The key of an earlier attempt, or a new one, which is on disk before the request is sent."""
    if path.exists():
        return load_key(read_file(path), None, str(path))
    with working(f"Making a key, {key_type}"):
        key = make_key(key_type)
    write_new(path, Content(key_pem(key), SECRET))
    return key


def patiently(ask: Callable[[], GateResponse], deadline: float) -> GateResponse:
    """Repeat a request until the response is final.

    InvitationError if the gate's certificate cannot be verified or the deadline passes. The first failure is printed,
    so that it is not mistaken for waiting for the administrator.
    """
    wait, said = float(_SHORTEST_WAIT), False
    while True:
        try:
            answer = ask()
            if answer.status not in _PASSING:
                return answer
            trouble, wait = f"status {answer.status}", float(answer.retry_after)
        except ssl.SSLCertVerificationError as error:
            raise InvitationError(
                f"the gate's certificate cannot be verified: {error.verify_message}; "
                "name its authority with --cacert, and do not continue otherwise"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            trouble = getattr(error, "strerror", None) or str(error) or type(error).__name__
            wait = min(2 * wait, _LONGEST_WAIT)
        trouble = f"the gate does not answer: {trouble}"
        if not said and time.monotonic() < deadline:
            print(f"gatekeeper: {trouble}; still trying, until --timeout is over", file=sys.stderr, flush=True)
            said = True
        sleep(wait, deadline, trouble)


def _wait_for_certificate(gate: GateClient, answer: GateResponse, deadline: float) -> GateResponse:
    while answer.status == 202:
        sleep(answer.retry_after, deadline, "nobody has approved the request yet; run this again to go on waiting")
        answer = patiently(lambda: gate.ask("GET", f"{gate.path}/certificate"), deadline)
    must_be_fine(answer)
    return answer


def sleep(seconds: float, deadline: float, trouble: str) -> None:
    """Wait before the next try; InvitationError once the deadline (time.monotonic) has passed."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise InvitationError(trouble)
    time.sleep(min(max(seconds, _SHORTEST_WAIT), _LONGEST_WAIT, left))


def must_be_fine(answer: GateResponse) -> None:
    """InvitationError with the gate's words if it refuses."""
    if answer.status in (200, 202):
        return
    if 300 <= answer.status < 400:
        raise InvitationError("the gate leads elsewhere; redirects are not followed, as the link is a secret")
    detail = printable(str(answer.fields().get("detail", "")))[:300]
    raise InvitationError(f"the gate refuses ({answer.status}): {detail}")


def must_fit(chain: bytes, key: PrivateKey) -> None:
    """InvitationError unless the certificate is for our key and for a client. The key is kept in any case."""
    try:
        certificate = x509.load_pem_x509_certificates(chain)[0]
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        fits = certificate.public_key() == key.public_key()
    except (ValueError, x509.ExtensionNotFound) as error:
        raise InvitationError("the response is not a client certificate") from error
    if not fits:
        raise InvitationError("the certificate received is for another key; tell the administrator")
    if ExtendedKeyUsageOID.CLIENT_AUTH not in usage:
        raise InvitationError("the certificate received is not for a client; tell the administrator")


def _say_what_to_compare(name: str, spki: str, key_path: Path, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"state": "asked", "name": name, "spki": spki, "key": str(key_path)}), flush=True)
        return
    print(f"The request for {printable(name)} is sent; its key is {key_path} and stays here.")
    print(f"Fingerprint: {spki}")
    print("Give it to the administrator, who compares it: gatekeeper ca approve NAME", flush=True)


def _say_where(name: str, key_path: Path, path: Path, gate: GateClient, spki: str, args: argparse.Namespace) -> None:
    if args.json:
        done = {"state": "enrolled", "name": name, "spki": spki, "key": str(key_path), "certificate": str(path)}
        print(json.dumps(done))
        return
    print(f"{path} is written, with the certificate of its authority.")
    vouching = f"--cacert {shlex.quote(str(args.cacert))} " if args.cacert else ""
    print(f"Try it: curl {vouching}--cert {shlex.quote(str(path))} --key {shlex.quote(str(key_path))} {gate.address}/")
