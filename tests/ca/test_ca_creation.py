"""gatekeeper.ca.creation: the folder of an authority, made or adopted."""

import stat
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.authority import Authority, make_authority
from gatekeeper.ca.certificates import self_signed
from gatekeeper.ca.creation import AuthorityFiles, NewAuthority, adopt_store, create_store
from gatekeeper.ca.keys import key_pem, load_key
from gatekeeper.ca.revocation import Revocation, RevocationReason, make_crl, read_crl_number
from gatekeeper.ca.store import Store
from gatekeeper.errors import AuthorityError
from tests.ca.conftest import NOW, PASSPHRASE, write_v1_authority

DAY = timedelta(days=1)


def snapshot(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_a_new_authority_is_four_files(store: Store) -> None:
    """Key, certificate, first revocation list and index; secrets are 0600, the folder 0700."""
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in store.path.iterdir()}
    assert modes == {".lock": 0o600, "ca.key": 0o600, "ca.crt": 0o644, "ca.crl": 0o644, "index.json": 0o600}
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o700
    assert len(store.crl()) == 0
    assert store.crl().is_signature_valid(store.certificate().public_key())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "passphrase",
    [
        b"",
        b"abc",
        b"      ",
        b"seven77",
        b"        ",
        b"aaaaaaaabb",
        b"Password1!",
        b"12345678",
        b"gatekeeper!",
        b"qwertyuiop",
        b"hunter22",
    ],
)
def test_a_worthless_passphrase_is_refused_before_anything_is_made(
    passphrase: bytes, tmp_path: Path, now: datetime
) -> None:
    """A key in clear text is not an option, and neither is what anybody tries first."""
    with pytest.raises(AuthorityError, match="passphrase"):
        create_store(tmp_path / "ca", NewAuthority("Home CA", "ec:p256"), passphrase, now=now)
    assert not (tmp_path / "ca").exists()


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "a\nb"])
def test_a_name_that_is_none_is_refused(name: str, tmp_path: Path, now: datetime) -> None:
    """The authority has a name too, and people read it."""
    with pytest.raises(AuthorityError):
        create_store(tmp_path / "ca", NewAuthority(name, "ec:p256"), PASSPHRASE, now=now)


def test_an_authority_is_never_overwritten(store: Store, now: datetime) -> None:
    """A second init in the same folder changes nothing."""
    before = snapshot(store.path)
    with pytest.raises(AuthorityError, match="already"):
        create_store(store.path, NewAuthority("Other CA", "ec:p256"), PASSPHRASE, now=now)
    assert snapshot(store.path) == before


def test_an_openssl_key_in_the_folder_is_never_overwritten(tmp_path: Path, now: datetime) -> None:
    """A ca.key without an index is the recipe's, and worth more than ours."""
    (tmp_path / "ca.key").write_text("precious")
    with pytest.raises(AuthorityError, match="--adopt"):
        create_store(tmp_path, NewAuthority("Home CA", "ec:p256"), PASSPHRASE, now=now)
    assert (tmp_path / "ca.key").read_text() == "precious"


# Adopting what openssl made


@pytest.fixture
def recipe(tmp_path: Path, openssl: Callable[..., str]) -> Path:
    """The recipe's first two commands, with 2048 bits to save time."""
    folder = tmp_path / "recipe"
    folder.mkdir(0o700)
    key, certificate = folder / "ca.key", folder / "ca.crt"
    openssl("genrsa", "-aes256", "-passout", "pass:open sesame", "-out", key, "2048")
    openssl("req", "-new", "-x509", "-days", "365", "-key", key, "-passin", "pass:open sesame",
            "-subj", "/C=DE/O=Home/CN=Home CA", "-out", certificate)  # fmt: skip
    return folder


def test_the_recipes_authority_is_adopted(recipe: Path, tmp_path: Path, openssl: Callable[..., str]) -> None:
    """Certificate and key made by openssl become a store; the key stays encrypted under the same passphrase."""
    store = adopt_store(tmp_path / "ca", AuthorityFiles(recipe / "ca.crt", recipe / "ca.key"), PASSPHRASE, now=NOW)
    assert (store.path / "ca.crt").read_bytes() == (recipe / "ca.crt").read_bytes()
    assert b"ENCRYPTED PRIVATE KEY" in (store.path / "ca.key").read_bytes()
    assert store.unlock(PASSPHRASE)
    assert "verify OK" in openssl("crl", "-in", store.path / "ca.crl", "-CAfile", recipe / "ca.crt", "-noout")


def test_it_is_adopted_where_it_lies(recipe: Path) -> None:
    """The recipe's own folder can become the store."""
    store = adopt_store(recipe, AuthorityFiles(recipe / "ca.crt", recipe / "ca.key"), PASSPHRASE, now=NOW)
    assert store.unlock(PASSPHRASE)
    assert stat.S_IMODE((recipe / "ca.key").stat().st_mode) == 0o600


def test_a_wrong_passphrase_adopts_nothing(recipe: Path, tmp_path: Path) -> None:
    """Nothing is made when the key cannot be opened."""
    with pytest.raises(AuthorityError, match="wrong passphrase"):
        adopt_store(tmp_path / "ca", AuthorityFiles(recipe / "ca.crt", recipe / "ca.key"), b"close sesame", now=NOW)
    assert not (tmp_path / "ca").exists()


def test_a_passphrase_that_openssl_would_not_take_adopts_nothing(recipe: Path, tmp_path: Path) -> None:
    """Before the key is tried: the same words as for a new authority."""
    with pytest.raises(AuthorityError, match="a passphrase has at least"):
        adopt_store(tmp_path / "ca", AuthorityFiles(recipe / "ca.crt", recipe / "ca.key"), b"abc", now=NOW)
    assert not (tmp_path / "ca").exists()


def test_a_key_of_another_is_not_adopted(recipe: Path, tmp_path: Path) -> None:
    """Key and certificate must belong together."""
    other = make_authority("Other", key_type="ec:p256", now=NOW)
    (tmp_path / "other.key").write_bytes(key_pem(other.key, PASSPHRASE))
    with pytest.raises(AuthorityError, match="not the key of the certificate"):
        adopt_store(tmp_path / "ca", AuthorityFiles(recipe / "ca.crt", tmp_path / "other.key"), PASSPHRASE, now=NOW)


def test_what_is_no_authority_is_not_adopted(tmp_path: Path) -> None:
    """A certificate without CA:TRUE would sign what no gate trusts."""
    alone = self_signed("alice", key_type="ec:p256", now=NOW)
    (tmp_path / "a.crt").write_bytes(alone.certificate_pem)
    (tmp_path / "a.key").write_bytes(alone.key_pem())
    with pytest.raises(AuthorityError, match="CA:FALSE"):
        adopt_store(tmp_path / "ca", AuthorityFiles(tmp_path / "a.crt", tmp_path / "a.key"), PASSPHRASE, now=NOW)


def test_an_authority_that_may_not_sign_lists_is_not_adopted(
    recipe: Path, tmp_path: Path, openssl: Callable[..., str]
) -> None:
    """Without cRLSign no gate takes its revocation lists."""
    openssl("req", "-new", "-x509", "-key", recipe / "ca.key", "-passin", "pass:open sesame", "-subj", "/CN=x",
            "-addext", "keyUsage=critical,keyCertSign", "-out", tmp_path / "x.crt")  # fmt: skip
    with pytest.raises(AuthorityError, match="lacks cRLSign"):
        adopt_store(tmp_path / "ca", AuthorityFiles(tmp_path / "x.crt", recipe / "ca.key"), PASSPHRASE, now=NOW)


def test_an_authority_of_version_1_is_adopted(tmp_path: Path) -> None:
    """It has no extensions; gates take it, so it is taken here."""
    store = adopt_store(tmp_path / "ca", AuthorityFiles(*write_v1_authority(tmp_path)), PASSPHRASE, now=NOW)
    assert store.certificate().version is x509.Version.v1
    assert store.crl().is_signature_valid(store.certificate().public_key())  # type: ignore[arg-type]


def list_of(recipe: Path, *revocations: Revocation, number: int = 10) -> x509.CertificateRevocationList:
    certificate = x509.load_pem_x509_certificate((recipe / "ca.crt").read_bytes())
    key = load_key((recipe / "ca.key").read_bytes(), PASSPHRASE, "ca.key")
    return make_crl(Authority(certificate, key), revocations, now=NOW, number=number)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_adopting_revives_nobody(recipe: Path, tmp_path: Path, encoding: Encoding) -> None:
    """Who is on the list that openssl wrote stays revoked, since when and why; the numbers of the lists go on."""
    revoked = (Revocation(5, NOW - DAY, RevocationReason.KEY_COMPROMISE), Revocation(6, NOW))
    octets = list_of(recipe, *revoked).public_bytes(encoding)
    (tmp_path / "old.crl").write_bytes(octets)
    store = adopt_store(
        tmp_path / "ca", AuthorityFiles(recipe / "ca.crt", recipe / "ca.key", tmp_path / "old.crl"), PASSPHRASE, now=NOW
    )
    assert store.index().revocations == revoked
    assert read_crl_number(store.crl()) == 11
    (recipe / "ca.crl").write_bytes(octets)
    store = adopt_store(recipe, AuthorityFiles(recipe / "ca.crt", recipe / "ca.key"), PASSPHRASE, now=NOW)
    assert [one.serial_number for one in store.crl()] == [5, 6]


def test_a_list_of_another_is_not_overwritten(recipe: Path, home: Authority) -> None:
    """A ca.crl that cannot be gone on from stops the adoption, and stays; and so it stops a new authority."""
    (recipe / "ca.crl").write_bytes(make_crl(home, (), now=NOW).public_bytes(Encoding.PEM))
    before = snapshot(recipe)
    with pytest.raises(AuthorityError, match=r"ca\.crl is not a revocation list of Home CA"):
        adopt_store(recipe, AuthorityFiles(recipe / "ca.crt", recipe / "ca.key"), PASSPHRASE, now=NOW)
    assert snapshot(recipe) | {".lock": b""} == before | {".lock": b""}
    (recipe / "ca.crt").unlink()
    (recipe / "ca.key").unlink()
    with pytest.raises(AuthorityError, match=r"ca\.crl"):
        create_store(recipe, NewAuthority("Home CA", "ec:p256"), PASSPHRASE, now=NOW)
