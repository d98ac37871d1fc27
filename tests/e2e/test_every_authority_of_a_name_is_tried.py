"""Several authorities of one name, and a renewed one: nginx takes the first or none, the gate whichever signed."""

import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509

from tests.app import App
from tests.certificates import Holder, as_v1, make, make_authority, make_server, named
from tests.e2e.originals import Cast, gate, original, status
from tests.e2e.test_identity_is_what_nginx_sends import CONFIGURATION, NAMES
from tests.ports import free_port
from tests.tools import needs

FIRST, SECOND, FOREIGN = (make_authority("Home CA") for _ in range(3))
OLD = make_authority("Easy CA", serial=1)
RENEWED = make_authority("Easy CA", key=OLD.key, serial=2)


def _tied() -> Holder:
    identifier = x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(OLD.certificate.subject)], 1)
    return make(named("alice"), OLD, extensions=[(identifier, False)])


VISITORS = {
    "plain": (as_v1(make(named("alice"), FIRST), FIRST), True, True),
    "second": (as_v1(make(named("alice"), SECOND), SECOND), False, True),
    "tied": (_tied(), False, True),
    "foreign": (as_v1(make(named("eve"), FOREIGN), FOREIGN), False, False),
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cast, int, int]]:
    needs("nginx")
    folder: Path = tmp_path_factory.mktemp("namesakes")
    cast, port = Cast(folder), free_port()
    (folder / "ca.crt").write_bytes(FIRST.certificate_pem + SECOND.certificate_pem + RENEWED.certificate_pem)
    make_server("localhost", FIRST).write(folder, "server")
    for name, (holder, *_) in VISITORS.items():
        holder.write(folder, f"visitor {name}")
    with App() as app, gate(cast, app) as ours:
        headers = " ".join(f"proxy_set_header {name} {value};" for name, value in NAMES.items())
        (folder / "nginx.conf").write_text(CONFIGURATION.format(port=port, app=app.url, headers=headers))
        with original(["nginx", "-p", folder, "-c", "nginx.conf"], port, cast) as theirs:
            yield cast, ours, theirs


def admitted(cast: Cast, port: int, visitor: str) -> bool:
    with suppress(ssl.SSLError, ConnectionError):
        return status(cast, port, visitor) == 200
    return False


@pytest.mark.parametrize("visitor", VISITORS)
def test_who_is_let_in(stage: tuple[Cast, int, int], visitor: str) -> None:
    """What docs/certificates.md says of both. A stranger of the same name is let in by neither."""
    cast, ours, theirs = stage
    _, by_nginx, by_the_gate = VISITORS[visitor]
    assert (admitted(cast, theirs, visitor), admitted(cast, ours, visitor)) == (by_nginx, by_the_gate)
