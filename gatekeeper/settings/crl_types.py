"""The types of ``client_auth.crl`` and ``client_auth.crl_hosts``: where revocation lists come from."""

import re
from pathlib import Path
from typing import Annotated, Literal

from gatekeeper.settings.addresses import HTTP_URL, parse_host
from gatekeeper.settings.validation import reads, schema, writes

CDP: Literal["cdp"] = "cdp"
"""CRLs are fetched from the distribution points that certificates name (RFC 5280, 4.2.1.13)."""


def _source(text: str) -> Path | str:
    if text == CDP:
        return text
    if text.lower().startswith("https://"):
        raise ValueError(
            "should begin with http:// (a list is signed, and the certificate of an https server may be on one; "
            "RFC 5280, 8)"
        )
    if "://" in text:
        if HTTP_URL.fullmatch(text) is None:
            raise ValueError
        return text
    if not text.strip() or "\0" in text:
        raise ValueError
    return Path(text)


CRLSource = Annotated[
    Path | str, reads(_source, 'the path of a file, a URL such as "http://pki.example.com/ca.crl", or "cdp"'), writes(),
    schema("", CDP),
]  # fmt: skip
"""A file, an http URL, or "cdp"."""


def _host(text: str) -> str:
    host, colon, port = text.rpartition(":") if re.search(r":[0-9]+\Z", text) else (text, "", "")
    if colon and not 0 < int(port) < 65536:
        raise ValueError
    return parse_host(host).lower() + colon + port


CRLHost = Annotated[str, reads(_host, 'a host such as "pki.example.com", or with its port "pki:8080"'), schema()]
"""A host from which lists may be fetched, with the port where it is not 80."""
