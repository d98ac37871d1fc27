"""Load by Chromium: new visitors, each with a profile of its own and a client certificate, open a page."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12

from benchmarks.certificates import Certificates
from benchmarks.processes import BenchmarkError
from tests.e2e.browser.chromium import Chromium, Home, certificates_chosen

NEEDED = ("chromium", "certutil", "pk12util")
RESOURCES = 40
PASSWORD = "benchmark"
# The kinds of a page's resources, with their types and bodies: nginx's own types are in a file that may not be there.
KINDS = {"css": b"p { color: #%06x }\n", "js": b"window.loaded = %d;\n", "svg": b"<svg><text>%d</text></svg>\n"}
_ENTRIES = "performance.getEntriesByType('resource').filter(one => !one.name.endsWith('favicon.ico'))"
_TOLD = f"{_ENTRIES}.map(one => [one.nextHopProtocol, one.responseStatus])"


@dataclass(frozen=True, slots=True)
class Pages:
    """A page with so many small resources, loaded by ``protocol``, as browsers name it."""

    protocol: str
    resources: int = RESOURCES


def write_page(root: Path, resources: int) -> None:
    """A page and its resources, as files below ``root``."""
    folder = root / "page"
    folder.mkdir()
    kinds = list(KINDS)
    names = [f"{number}.{kinds[number % len(kinds)]}" for number in range(resources)]
    for number, name in enumerate(names):
        (folder / name).write_bytes(KINDS[kinds[number % len(kinds)]] % number)
    tags = {
        "css": '<link rel="stylesheet" href="{}">',
        "js": '<script src="{}"></script>',
        "svg": '<img src="{}" alt="">',
    }
    lines = [tags[name.rpartition(".")[2]].format(name) for name in names]
    (folder / "index.html").write_text("<!DOCTYPE html>\n<title>page</title>\n" + "\n".join(lines) + "\n")


@contextmanager
def certificates_ready() -> Iterator[None]:
    """While this lasts, every Chromium of the machine takes the client certificate without asking."""
    if os.geteuid() != 0:
        raise BenchmarkError("Chromium takes a certificate without asking only if root says so")
    with certificates_chosen():
        yield


@contextmanager
def visitor(certificates: Certificates) -> Iterator[Chromium]:
    """A browser that has never been here, with an empty tab."""
    key = load_pem_private_key(certificates.client_key.read_bytes(), None)
    certificate = x509.load_pem_x509_certificate(certificates.client.read_bytes())
    with tempfile.TemporaryDirectory(prefix="home", ignore_cleanup_errors=True) as folder:
        home, bundle = Home(Path(folder)), Path(folder) / "client.p12"
        home.trust(certificates.ca)
        protection = BestAvailableEncryption(PASSWORD.encode())
        bundle.write_bytes(pkcs12.serialize_key_and_certificates(b"client", key, certificate, None, protection))  # type: ignore[arg-type]
        home.import_bundle(bundle, PASSWORD)
        with Chromium(home) as browser:
            yield browser


def open_page(browser: Chromium, port: int, load: Pages) -> list[str]:
    """Load the page with all that belongs to it; what was wrong."""
    status = browser.go(f"https://localhost:{port}/page/index.html")
    told = browser.run(_TOLD)
    right = sum(one == [load.protocol, 200] for one in told)
    faults = [] if status == 200 else [f"the page got {status}"]
    return faults if right == load.resources else [*faults, f"{right} of {len(told)} resources came by {load.protocol}"]
