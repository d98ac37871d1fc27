"""What is said to directories, and what is taken from them. Whole orders are made with pebble, end to end."""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from gatekeeper.acme.folder import ACMEFolder
from gatekeeper.acme.orders import DirectoryOrders, _check
from gatekeeper.errors import ACMEError
from gatekeeper.settings.acme import ACMESettings
from gatekeeper.settings.validation import Loading
from tests.acme.test_acme_renewal import certificate

NOW = datetime.now(UTC).timestamp()


class Directory(BaseHTTPRequestHandler):
    """A directory that answers GET alone."""

    meta: Mapping[str, Any] = MappingProxyType({})
    window: tuple[str, str] | None = None

    def do_GET(self) -> None:
        root = f"http://127.0.0.1:{self.server.server_address[1]}"
        found: Any = {"newNonce": f"{root}/nonce", "newAccount": f"{root}/account", "newOrder": f"{root}/order"}
        found |= {"meta": dict(self.meta)}
        if self.window is not None:
            found["renewalInfo"] = f"{root}/renewal"
            if self.path.startswith("/renewal/"):
                start, end = self.window
                found = {"suggestedWindow": {"start": start, "end": end}}
        body = json.dumps(found).encode()
        self.send_response(404 if self.path == "/gone" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After", "7200")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def directory(**attributes: Any) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Played", (Directory,), attributes))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/dir"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def orders(folder: Path, **more: Any) -> DirectoryOrders:
    document = {"accept_terms": True, "folder": "acme", "domains": ["gate.example.com"]} | more
    settings = ACMESettings.model_validate(document, context=Loading(folder))
    return DirectoryOrders(settings, ACMEFolder(settings.folder))


def test_renewal_information_is_a_moment_in_the_window(tmp_path: Path) -> None:
    """RFC 9773, 4.2: a random one; and it is asked for again when Retry-After says."""
    window = ("2027-01-02T04:00:00Z", "2027-01-03T04:00:00Z")
    with directory(window=window) as url:
        pem = certificate(["gate.example.com"], NOW - 86400.0, 90)
        wanted, again = orders(tmp_path).renewal_information(url, parts(pem)[0])
    assert wanted is not None
    start, end = (datetime.fromisoformat(one).timestamp() for one in window)
    assert start <= wanted <= end
    assert again == pytest.approx(datetime.now(UTC).timestamp() + 7200.0, abs=30.0)


def test_without_renewal_information_nothing_is_said(tmp_path: Path) -> None:
    """The certificate's own dates decide then."""
    with directory() as url:
        pem = certificate(["gate.example.com"], NOW - 86400.0, 90)
        wanted, _ = orders(tmp_path).renewal_information(url, parts(pem)[0])
    assert wanted is None


def test_a_directory_that_is_away_is_an_error_of_its_own(tmp_path: Path) -> None:
    """Whatever the library or the network say."""
    with directory() as url:
        gone = url
    for call in (
        lambda: orders(tmp_path).obtain(gone, ["gate.example.com"]),
        lambda: orders(tmp_path).renewal_information(gone, b""),
        lambda: list(orders(tmp_path).doubts(gone)),
    ):
        with pytest.raises(ACMEError):
            call()


def test_a_profile_that_the_directory_does_not_have_is_said_before_an_order(tmp_path: Path) -> None:
    """By `gatekeeper check`; nothing is said where it has it, or has no profiles at all."""
    profiles = {"profiles": {"classic": "", "shortlived": ""}}
    with directory(meta=profiles) as url:
        assert list(orders(tmp_path, profile="shortlived").doubts(url)) == []
        (doubt,) = orders(tmp_path, profile="longlived").doubts(url)
        assert doubt == f"{url} has no profile longlived, only classic, shortlived"
    with directory() as url:
        assert list(orders(tmp_path, profile="longlived").doubts(url)) == []


def test_a_directory_that_knows_its_customers_needs_their_binding(tmp_path: Path) -> None:
    """RFC 8555, 7.3.4; said before an order."""
    (tmp_path / "eab.key").write_text("AAAA\n")
    with directory(meta={"externalAccountRequired": True}) as url:
        (doubt,) = orders(tmp_path).doubts(url)
        assert doubt == f"{url} requires an account of its operator: acme.eab"
        assert list(orders(tmp_path, eab={"key_id": "1", "hmac_key_file": "eab.key"}).doubts(url)) == []
        with pytest.raises(ACMEError, match=r"requires an account of its operator: acme\.eab"):
            orders(tmp_path).obtain(url, ["gate.example.com"])


def test_a_file_that_never_ends_is_told(tmp_path: Path) -> None:
    """fifo(7): an order, or `gatekeeper check`, would wait for it for ever."""
    os.mkfifo(tmp_path / "pipe")
    with directory(meta={"externalAccountRequired": True}) as url:
        with pytest.raises(ACMEError, match="pipe is a pipe into which nobody writes"):
            orders(tmp_path, eab={"key_id": "1", "hmac_key_file": "pipe"}).obtain(url, ["gate.example.com"])
        with pytest.raises(ACMEError, match="pipe is a pipe into which nobody writes"):
            list(orders(tmp_path, ca="pipe").doubts(url))


def parts(pem: bytes) -> tuple[bytes, bytes]:
    """Chain and key."""
    at = pem.index(b"-----BEGIN CERTIFICATE")
    return pem[at:], pem[:at]


def test_a_certificate_is_taken_for_our_key_and_all_our_names_alone() -> None:
    """Otherwise the old one would be replaced by one that no browser takes."""
    chain, key = parts(certificate(["gate.example.com", "192.0.2.1"], NOW, 90))
    _check(chain, key, ["192.0.2.1", "gate.example.com"])
    with pytest.raises(ACMEError, match=r"is not for b\.example\.com, 192\.0\.2\.2"):
        _check(chain, key, ["gate.example.com", "b.example.com", "192.0.2.2"])
    other = parts(certificate(["gate.example.com"], NOW, 90))[1]
    with pytest.raises(ACMEError, match="is for another key"):
        _check(chain, other, ["gate.example.com"])
