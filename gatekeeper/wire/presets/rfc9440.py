"""``Client-Cert`` and ``Client-Cert-Chain``: RFC 9440, certificates as byte sequences of structured fields."""

from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.verdict import Identity
from gatekeeper.wire.presets.pem import base64


def headers(identity: Identity, _server: Certificate) -> list[tuple[str, str]]:
    """The certificate, and the chain as the client sent it, in its order; no second header if it sent none (2.3)."""
    chain = ", ".join(_byte_sequence(der) for der in identity.chain)
    return [("Client-Cert", _byte_sequence(identity.certificate.der)), ("Client-Cert-Chain", chain)]


def _byte_sequence(der: bytes) -> str:
    """RFC 8941, 3.3.5."""
    return f":{base64(der)}:"
