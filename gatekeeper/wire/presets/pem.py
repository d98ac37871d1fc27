"""Certificates as text."""

from base64 import b64encode


def base64(der: bytes) -> str:
    """Base64 (RFC 4648, 4) on one line."""
    return b64encode(der).decode("ascii")


def pem(der: bytes) -> str:
    """PEM (RFC 7468, 5.1): 64 characters a line (section 2), with a final line end."""
    text = base64(der)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])
