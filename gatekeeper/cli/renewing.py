"""What ``gatekeeper enroll --renew`` does: generate a key, request a certificate over TLS with the old one, replace
both.

If it is killed at any point, a working certificate and key remain, and it continues when it is run again: the new key
is in ``NAME.key.new`` before the request is sent, and the certificate in ``NAME.crt.new`` before either replaces the
old one.
"""

import argparse
import json
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.files import read_certificate_pem, read_file
from gatekeeper.ca.folder import PUBLIC, SECRET, Content, write_over
from gatekeeper.ca.keys import PrivateKey, check_key_type, key_pem, load_key, make_key
from gatekeeper.ca.requests import make_request
from gatekeeper.ca.subject import subject_of
from gatekeeper.cli.enrolling import GateClient, GateResponse, must_be_fine, must_fit, patiently, sleep
from gatekeeper.errors import AuthorityError, GatekeeperError, InvitationError, UsageError
from gatekeeper.gate.routes import RENEW
from gatekeeper.invitations.renewal import prove, write_signed_renewal
from gatekeeper.invitations.request import spki_sha256
from gatekeeper.x509.request import parse_request

# How often a daemon looks at its certificate, and the least it waits after a failure.
LOOK_SECONDS, RETRY_SECONDS = 3600.0, 60.0


@dataclass(frozen=True, slots=True)
class Renewal:
    """A machine's certificate and key, and their successors, on disk."""

    key_path: Path
    certificate_path: Path

    @classmethod
    def of(cls, folder: Path, name: str | None) -> "Renewal":
        """The one certificate with a key in a folder; AuthorityError if it is not one."""
        names = (
            [name] if name else sorted(path.stem for path in folder.glob("*.crt") if path.with_suffix(".key").exists())
        )
        if not names:
            raise AuthorityError(f"there is no NAME.crt with its NAME.key in {folder}; name the folder by --out")
        if len(names) > 1:
            raise UsageError(f"there are several certificates in {folder} ({', '.join(names)}); say which by --name")
        found = cls(folder / f"{names[0]}.key", folder / f"{names[0]}.crt")
        found.complete()
        return found

    @property
    def _next_key(self) -> Path:
        return self.key_path.with_name(self.key_path.name + ".new")

    @property
    def _next_certificate(self) -> Path:
        return self.certificate_path.with_name(self.certificate_path.name + ".new")

    @property
    def certificate(self) -> x509.Certificate:
        """The one in use."""
        return read_certificate_pem(read_file(self.certificate_path), str(self.certificate_path))

    def due(self) -> datetime:
        """The time at which less than a third of the certificate's lifetime is left."""
        now = self.certificate
        return now.not_valid_after_utc - (now.not_valid_after_utc - now.not_valid_before_utc) / 3

    def request(self, key_type: str) -> bytes:
        """The body to send: the same for each call, until the certificate is installed."""
        key = self._key(key_type)
        shown = self.certificate
        request = make_request(key, subject_of(shown))
        old = load_key(read_file(self.key_path), None, str(self.key_path))
        proof = prove(
            old, shown.fingerprint(SHA256()).hex(), spki_sha256(parse_request(request.public_bytes(Encoding.DER)))
        )
        return write_signed_renewal(request.public_bytes(Encoding.PEM), proof)

    def install(self, chain: bytes) -> x509.Certificate:
        """Replace the old key and certificate by the new ones; InvitationError if they do not match."""
        must_fit(chain, load_key(read_file(self._next_key), None, str(self._next_key)))
        certificate = read_certificate_pem(chain, "the answer")
        if certificate.subject != self.certificate.subject:
            raise InvitationError("the certificate received is for another name; tell the administrator")
        write_over(self._next_certificate, Content(chain, PUBLIC))
        self.complete()
        return certificate

    def complete(self) -> None:
        """Complete the replacement of a run that was killed: move the key first, then the certificate."""
        if not self._next_certificate.exists():
            return
        if self._next_key.exists():
            self._next_key.rename(self.key_path)
        self._next_certificate.rename(self.certificate_path)

    def _key(self, key_type: str) -> PrivateKey:
        """The key of an earlier attempt, or a new one, which is on disk before the request is sent."""
        if self._next_key.exists():
            return load_key(read_file(self._next_key), None, str(self._next_key))
        key = make_key(key_type)
        write_over(self._next_key, Content(key_pem(key), SECRET))
        return key


def renew(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    check_key_type(args.key)
    gate = GateClient(sys.stdin.readline().strip() if args.link == "-" else args.link, args.cacert)
    if gate.path:
        raise UsageError("--renew takes the gate's address and nothing more, such as https://gate.example.com")
    if args.daemon:
        stay(gate, args)
    renewal = Renewal.of(args.out, args.name)
    now = datetime.now(UTC)
    if now < renewal.due() and not args.force:
        _say(args, "not due", renewal, renewal.certificate)
        return 0
    _renew(gate, renewal, args)
    return 0


def stay(gate: GateClient, args: argparse.Namespace) -> None:
    """Run for ever. A failure is printed and tried again later, even after the certificate has expired."""
    while True:
        try:
            renewal = Renewal.of(args.out, args.name)
            if datetime.now(UTC) >= renewal.due():
                _renew(gate, renewal, args)
            time.sleep(until_next_look(renewal, datetime.now(UTC)))
        except UsageError:
            raise
        except GatekeeperError as error:
            print(f"gatekeeper: {error}; tried again in a minute", file=sys.stderr, flush=True)
            time.sleep(RETRY_SECONDS)


def until_next_look(renewal: Renewal, now: datetime) -> float:
    """The seconds until the renewal is due, at most an hour, since clocks are set and machines are suspended."""
    return min(max((renewal.due() - now).total_seconds(), RETRY_SECONDS), LOOK_SECONDS)


def _renew(gate: GateClient, renewal: Renewal, args: argparse.Namespace) -> None:
    renewed = obtain(gate, renewal, args.key, time.monotonic() + args.timeout)
    _say(args, "renewed", renewal, renewed)


def obtain(gate: GateClient, renewal: Renewal, key_type: str, deadline: float) -> x509.Certificate:
    """Repeat the request until there is a certificate, and install it; InvitationError if the gate refuses or the time
    is up.
    """
    try:
        gate.show(renewal.certificate_path, renewal.key_path)
    except (OSError, ssl.SSLError) as error:
        raise AuthorityError(f"{renewal.certificate_path} and its key cannot be used: {error}") from error
    body = renewal.request(key_type)
    return renewal.install(_chain(lambda: gate.ask("POST", RENEW.decode(), body, "application/json"), deadline))


def _chain(ask: Callable[[], GateResponse], deadline: float) -> bytes:
    answer = patiently(ask, deadline)
    while answer.status == 202:
        sleep(answer.retry_after, deadline, "nobody has signed the renewal yet (gatekeeper ca watch); run this again")
        answer = patiently(ask, deadline)
    must_be_fine(answer)
    return answer.body


def _say(args: argparse.Namespace, state: str, renewal: Renewal, certificate: x509.Certificate) -> None:
    end = certificate.not_valid_after_utc
    if args.json:
        fields = {"state": state, "certificate": str(renewal.certificate_path), "not_after": end.isoformat()}
        print(json.dumps(fields), flush=True)
    elif state == "renewed":
        print(f"{renewal.certificate_path} is renewed until {end:%Y-%m-%d %H:%M} UTC, with a new key.", flush=True)
    else:
        print(f"{renewal.certificate_path} holds until {end:%Y-%m-%d %H:%M} UTC; it is renewed from", end=" ")
        print(f"{renewal.due():%Y-%m-%d %H:%M} on, or by --force.", flush=True)
