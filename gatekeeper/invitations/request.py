"""Certificate requests for invitations. Anyone with the link can send one, so it is checked before it is stored."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from gatekeeper.errors import InvitationError
from gatekeeper.gate.keys import request_weakness
from gatekeeper.x509 import request as x509_request
from gatekeeper.x509.request import RawRequest

# The number of hex digits in a state's name: 128 bits, for which nobody can find a second key.
_MARK_DIGITS = 32
# How many characters of a User-Agent are kept.
_LONGEST_AGENT = 256


@dataclass(frozen=True, slots=True)
class EnrolmentRequest:
    """A certificate request (PKCS #10), with the time and the address it came from, which help the administrator to
    recognise it.

    For a renewal, ``certificate`` (PEM) is the one that the client presented, and ``proof`` the signature by its key.
    """

    pem: str
    address: str
    agent: str
    came: float
    certificate: str = ""
    proof: str = ""


def read_csr(content: bytes) -> RawRequest:
    """Read a request, PEM or DER; ValueError if its key is weak or did not sign it.

    The names and extensions in it are ignored: the invitation determines the certificate's names.
    """
    try:
        request = x509_request.read_request(content)
    except ValueError as error:
        raise ValueError("there is no certificate signing request (PKCS #10, PEM or DER)") from error
    if weakness := request_weakness(request):
        raise ValueError(f"the request is refused: {weakness}")
    return request


def spki_sha256(request: RawRequest) -> str:
    """The SHA-256 of the public key in hex, which people compare; rules call it ``spki``."""
    return hashlib.sha256(request.spki).hexdigest()


def mark_of_key(spki: str) -> str:
    """The short form of the key's hash that state names contain."""
    return spki[:_MARK_DIGITS]


def write_request(
    request: RawRequest, address: str, agent: str, now: float, *, certificate: str = "", proof: str = ""
) -> bytes:
    """The request as JSON."""
    kept = EnrolmentRequest(request.pem.decode(), address, agent[:_LONGEST_AGENT], now, certificate, proof)
    return json.dumps(asdict(kept), indent=2).encode() + b"\n"


def read_request(content: bytes, source: str) -> EnrolmentRequest:
    """Read what `write_request` wrote; InvitationError for anything else."""
    try:
        record: dict[str, Any] = json.loads(content)
        found = EnrolmentRequest(**record)
        texts = (found.pem, found.address, found.agent, found.certificate, found.proof)
        if not all(isinstance(text, str) for text in texts):
            raise ValueError
        return replace(found, came=float(found.came))
    except (ValueError, TypeError):
        raise InvitationError(f"{source} is damaged") from None
