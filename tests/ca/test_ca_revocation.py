"""gatekeeper.ca.revocation"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.authority import Authority
from gatekeeper.ca.certificates import issue_client
from gatekeeper.ca.revocation import Revocation, RevocationReason, make_crl


def test_an_empty_list_is_signed_and_dated(home: Authority, now: datetime) -> None:
    """A list without entries is a list: signed, numbered, with a next update."""
    crl = make_crl(home, (), now=now, number=7)
    assert len(crl) == 0
    assert crl.is_signature_valid(home.certificate.public_key())  # type: ignore[arg-type]
    assert crl.next_update_utc == home.certificate.not_valid_after_utc
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 7


@pytest.mark.parametrize("reason", list(RevocationReason))
def test_every_reason_is_written(reason: RevocationReason, home: Authority, now: datetime) -> None:
    """Each reason stands in the list by its RFC 5280 name; "unspecified" by its absence."""
    entry = make_crl(home, [Revocation(5, now, reason)], now=now).get_revoked_certificate_by_serial_number(5)
    assert entry is not None
    assert entry.revocation_date_utc == now
    written = [extension.value.reason.name.replace("_", "-") for extension in entry.extensions]
    assert written == ([] if reason is RevocationReason.UNSPECIFIED else [reason])


def test_openssl_reads_it_and_refuses_the_revoked(
    home: Authority, now: datetime, tmp_path: Path, openssl: Callable[..., str]
) -> None:
    """`openssl crl` verifies the signature; `openssl verify -crl_check` tells the revoked from the good."""
    for name in ("alice", "bob"):
        (tmp_path / f"{name}.crt").write_bytes(issue_client(home, name, key_type="ec:p256", now=now).certificate_pem)
    alice = x509.load_pem_x509_certificate((tmp_path / "alice.crt").read_bytes())
    crl = make_crl(home, [Revocation(alice.serial_number, now, RevocationReason.KEY_COMPROMISE)], now=now)
    (tmp_path / "ca.crt").write_bytes(home.certificate_pem)
    (tmp_path / "ca.crl").write_bytes(crl.public_bytes(Encoding.PEM))
    said = openssl("crl", "-in", tmp_path / "ca.crl", "-CAfile", tmp_path / "ca.crt", "-noout", "-text")
    assert "verify OK" in said
    assert "Key Compromise" in said
    check = ("verify", "-attime", int(now.timestamp()), "-crl_check", "-CRLfile", tmp_path / "ca.crl")
    assert "OK" in openssl(*check, "-CAfile", tmp_path / "ca.crt", tmp_path / "bob.crt")
    with pytest.raises(AssertionError, match="certificate revoked"):
        openssl(*check, "-CAfile", tmp_path / "ca.crt", tmp_path / "alice.crt")
