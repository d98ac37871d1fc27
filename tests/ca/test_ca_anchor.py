"""gatekeeper.ca.authority, make_anchor: what a device at home may trust."""

import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.authority import make_anchor, make_authority
from gatekeeper.ca.certificates import issue_client, issue_server
from gatekeeper.ca.issuer import Issuer
from gatekeeper.errors import AuthorityError
from tests.ca.conftest import NOW
from tests.tools import needs


def test_an_anchor_is_good_for_its_hosts_alone(tmp_path: Path) -> None:
    """RFC 5280, 4.2.1.10, as OpenSSL reads it: the authority's servers of other names and addresses, and its clients,
    are not believed because a device trusts it for one.
    """
    needs("openssl")
    home = make_authority("Home CA", key_type="ec:p256", now=NOW)
    cases = {
        "name": (("nas.lan",), ("nas.lan", "www.nas.lan"), ("bank.example", "xnas.lan", "192.168.1.5", "::1")),
        "both": (("nas.lan", "fd00::5"), ("nas.lan", "fd00::5"), ("fd00::6", "192.168.1.5", "bank.example")),
    }
    for case, (hosts, good, bad) in cases.items():
        anchor = tmp_path / f"{case}.pem"
        anchor.write_bytes(make_anchor(home, hosts, now=NOW).public_bytes(Encoding.PEM))
        for host in (*good, *bad):
            server = issue_server(home, host, key_type="ec:p256", now=NOW)
            (tmp_path / "server.pem").write_bytes(server.certificate_pem)
            assert is_believed(tmp_path, anchor, "sslserver") is (host in good), (case, host)
    client = issue_client(home, "alice", key_type="ec:p256", now=NOW)
    (tmp_path / "server.pem").write_bytes(client.certificate_pem)
    assert not is_believed(tmp_path, anchor, "sslclient")


def is_believed(folder: Path, anchor: Path, purpose: str) -> bool:
    at = str(int(NOW.timestamp()) + 3600)
    command = [
        "openssl",
        "verify",
        "-attime",
        at,
        "-purpose",
        purpose,
        "-CAfile",
        str(anchor),
        str(folder / "server.pem"),
    ]
    return subprocess.run(command, capture_output=True, timeout=60).returncode == 0


@pytest.mark.parametrize("host", ["*.lan", "a b", "", "nas/lan", "192.168.1.0/24", "192.168.1.5"])
def test_an_anchor_is_for_single_hosts(issuer: Issuer, host: str) -> None:
    """A pattern or a network would let the authority vouch for more than one server, an address alone for all names."""
    with pytest.raises(AuthorityError):
        issuer.anchor((host,), now=NOW)


def test_an_anchor_signs_servers_and_nothing_else(issuer: Issuer) -> None:
    """No revocation lists, which the device would believe. A device that cannot read the limits must not use it: they
    are critical (RFC 5280, 4.2).
    """
    extensions = issuer.anchor(("nas.lan",), now=NOW).extensions
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.crl_sign) == (True, True, False)
    assert extensions.get_extension_for_class(x509.NameConstraints).critical
    basic = extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)


def test_an_anchor_ends_with_the_authority(issuer: Issuer) -> None:
    """It is of the same name and key, so what the authority signs next fits, too."""
    anchor, authority = issuer.anchor(("nas.lan",), now=NOW), issuer.store.certificate()
    assert (anchor.subject, anchor.public_key()) == (authority.subject, authority.public_key())
    assert anchor.not_valid_after_utc == authority.not_valid_after_utc
