"""CRL files: every mistake at once, each under its key."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.authority import make_authority
from gatekeeper.ca.revocation import Revocation, make_crl
from gatekeeper.errors import ConfigurationError
from gatekeeper.gate.certificate import read_certificate
from gatekeeper.proxy.revocations import load_revocations
from gatekeeper.settings.access import ClientAuthSettings
from tests.certificates import NOW


def files(*paths: Path) -> ClientAuthSettings:
    return ClientAuthSettings(ca=(Path("ca.crt"),), crl=paths)


def test_files_become_lists_and_mistakes_are_told_together(tmp_path: Path) -> None:
    """A good file is loaded; of several bad ones, each is named with its endpoint in the list."""
    home = make_authority("Home CA", key_type="ec:p256", now=NOW)
    trusted = [read_certificate(home.certificate.public_bytes(Encoding.DER))]
    good, empty, other = tmp_path / "good.crl", tmp_path / "empty.crl", tmp_path / "other.crl"
    good.write_bytes(make_crl(home, [Revocation(7, NOW)], now=NOW).public_bytes(Encoding.PEM))
    empty.write_bytes(b"\n")
    other.write_bytes(home.certificate_pem)
    loaded = load_revocations(files(good), trusted)
    assert loaded is not None
    assert [one.serials for one in loaded.every] == [{7}]
    with pytest.raises(ConfigurationError) as caught:
        load_revocations(files(good, empty, other, tmp_path / "none.crl", tmp_path), trusted)
    assert [str(one) for one in caught.value.mistakes] == [
        f"client_auth.crl[1]: {empty} is empty",
        f"client_auth.crl[2]: {other} holds no CRL",
        f"client_auth.crl[3]: {tmp_path / 'none.crl'} does not exist",
        f"client_auth.crl[4]: {tmp_path} is a directory, not a file",
    ]


def test_no_file_means_no_revocation() -> None:
    """None, not an empty set of lists: with that nobody would be let in."""
    assert load_revocations(files(), []) is None


def test_the_folder_of_fetched_lists_must_be_there(tmp_path: Path) -> None:
    """Said at the start, not when the first fetch has failed."""
    auth = ClientAuthSettings(
        ca=(Path("ca.crt"),), crl=("http://pki.example.com/ca.crl",), crl_folder=tmp_path / "none"
    )
    with pytest.raises(ConfigurationError, match=r"client_auth.crl_folder: .* is not a folder; create it"):
        load_revocations(auth, [])
