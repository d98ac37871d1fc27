"""pebble, Let's Encrypt's ACME server for tests, with a name server that leads every name to this machine."""

import json
import os
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

from cryptography import x509

from tests.certificates import make_authority, make_server
from tests.gate_process import PATIENCE, until
from tests.ports import accepts, free_port
from tests.tools import needs

EAB_KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


@dataclass
class Pebble:
    """A running pebble. It validates http-01 on ``http_port`` and tls-alpn-01 on ``tls_port`` of this machine."""

    folder: Path
    port: int
    management: int
    http_port: int
    tls_port: int

    @property
    def directory(self) -> str:
        return f"https://localhost:{self.port}/dir"

    @property
    def ca(self) -> Path:
        """Who signed its own HTTPS certificate."""
        return self.folder / "pebble-ca.pem"

    def get(self, path: str, port: int) -> bytes:
        context = ssl.create_default_context(cafile=str(self.ca))
        with closing(HTTPSConnection("localhost", port, context=context, timeout=PATIENCE)) as connection:
            connection.request("GET", path)
            return connection.getresponse().read()

    def root(self) -> x509.Certificate:
        """The authority of the certificates that it gives; another one at each start."""
        return x509.load_pem_x509_certificate(self.get("/roots/0", self.management))

    def answers(self) -> bool:
        try:
            return b"newOrder" in self.get("/dir", self.port)
        except (OSError, HTTPException):
            return False


@contextmanager
def pebble(
    folder: Path, *, eab: bool = False, reject_nonces: int = 15, port: int = 0, http_port: int = 0
) -> Iterator[Pebble]:
    """Run it, refusing good nonces now and then: a part of them, in percent."""
    needs("pebble", "pebble-challtestsrv")
    found = Pebble(folder, port or free_port(), free_port(), http_port or free_port(), free_port())
    certificate, key = folder / "pebble.crt", folder / "pebble.key"
    if not certificate.exists():
        authority = make_authority("pebble's own")
        make_server("localhost", authority).write(folder, "pebble")
        found.ca.write_bytes(authority.certificate_pem)
    configuration: dict[str, Any] = {
        "listenAddress": f"127.0.0.1:{found.port}",
        "managementListenAddress": f"127.0.0.1:{found.management}",
        "certificate": str(certificate),
        "privateKey": str(key),
        "httpPort": found.http_port,
        "tlsPort": found.tls_port,
        "externalAccountBindingRequired": eab,
        "externalAccountMACKeys": {"kid-1": EAB_KEY},
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": configuration}))
    names, management = free_port(), free_port()
    environ = dict(os.environ, PEBBLE_VA_NOSLEEP="1", PEBBLE_WFE_NONCEREJECT=str(reject_nonces), PEBBLE_AUTHZREUSE="0")
    dns = ["pebble-challtestsrv", "-defaultIPv6", "", "-defaultIPv4", "127.0.0.1", "-dns01", f"127.0.0.1:{names}"]
    silent = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-management", f"127.0.0.1:{management}"]
    server = ["pebble", "-config", str(folder / "pebble.json"), "-dnsserver", f"127.0.0.1:{names}", "-strict"]
    log = folder / "pebble.log"
    with log.open("wb") as output:
        processes = [
            subprocess.Popen(command, env=environ, stdout=output, stderr=output, cwd=folder)
            for command in ([*dns, *silent], server)
        ]
        try:
            until(lambda: accepts(("127.0.0.1", names)))
            until(found.answers)
            yield found
        finally:
            for process in processes:
                process.kill()
                process.wait()
