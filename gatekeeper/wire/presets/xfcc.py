"""``X-Forwarded-Client-Cert`` as Envoy writes it with ``SANITIZE_SET`` and cert, subject, uri and dns switched on."""

import re
from collections.abc import Iterator
from urllib.parse import quote

from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.verdict import Identity
from gatekeeper.wire.presets.pem import pem

# "If , ; or = appear in a value, the value should be double-quoted" (Envoy's documentation of the header). Envoy itself
# writes URI and DNS bare, so that a URI with ";" in it would add keys; nothing else differs.
_NEEDS_QUOTES = re.compile(r'[,;="\\\s]')


def headers(identity: Identity, server: Certificate) -> list[tuple[str, str]]:
    """One element. Keys in Envoy's order; URI stands there even if it is empty, By only if the server has a URI."""
    return [("X-Forwarded-Client-Cert", ";".join(_pairs(identity.certificate, server)))]


def _pairs(certificate: Certificate, server: Certificate) -> Iterator[str]:
    yield from (f"By={_value(uri)}" for uri in server.uris)
    yield f"Hash={certificate.sha256}"
    yield f'Cert="{quote(pem(certificate.der), safe="")}"'
    # RFC 2253 has the quotes escaped by backslashes already.
    yield f'Subject="{certificate.subject}"'
    yield from (f"URI={_value(uri)}" for uri in certificate.uris or ("",))
    yield from (f"DNS={_value(name)}" for name in certificate.dns_names)


def _value(text: str) -> str:
    if not _NEEDS_QUOTES.search(text):
        return text
    escaped = re.sub(r'(["\\])', r"\\\1", text)
    return f'"{escaped}"'
