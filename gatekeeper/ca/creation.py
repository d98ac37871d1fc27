"""The folder of an authority: created, or filled with an authority that was made elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.authority import AUTHORITY_LIFETIME, Authority, make_authority
from gatekeeper.ca.files import must_be_able_to_sign, read_certificate_pem, read_crl, read_file
from gatekeeper.ca.folder import PUBLIC, SECRET, Content, do_nothing, make_folder
from gatekeeper.ca.index import Index, write_index
from gatekeeper.ca.keys import DEFAULT_KEY_TYPE, MINIMUM_PASSPHRASE, check_new_passphrase, key_pem, load_key
from gatekeeper.ca.requests import check_common_name
from gatekeeper.ca.revocation import make_crl
from gatekeeper.ca.store import CERTIFICATE, CRL, INDEX, KEY, Store, matching
from gatekeeper.errors import AuthorityError


@dataclass(frozen=True, slots=True)
class NewAuthority:
    """An authority that is to be made: its common name, the kind of its key, and how long it is valid."""

    name: str
    key_type: str = DEFAULT_KEY_TYPE
    lifetime: timedelta = AUTHORITY_LIFETIME


@dataclass(frozen=True, slots=True)
class AuthorityFiles:
    """The files of an authority that was made elsewhere: certificate, key and, if it has revoked anything, its CRL."""

    certificate: Path
    key: Path
    crl: Path | None = None


def create_store(
    path: Path,
    new: NewAuthority,
    passphrase: bytes,
    *,
    crl_lifetime: timedelta | None = None,
    now: datetime,
    before: Callable[[str], None] = do_nothing,
) -> Store:
    """Create an authority in an empty folder: key, certificate, first CRL, index.

    ``crl_lifetime`` is that of each CRL, None for the authority's own; ``before`` is as for `Folder`.
    """
    check_common_name(new.name)
    check_new_passphrase(passphrase)
    must_be_free(path)
    make_folder(path)
    authority = make_authority(new.name, key_type=new.key_type, lifetime=new.lifetime, now=now)
    return _first_files(Store(path, before), authority, passphrase, Index(crl_lifetime=crl_lifetime), now)


def adopt_store(
    path: Path,
    files: AuthorityFiles,
    passphrase: bytes,
    *,
    crl_lifetime: timedelta | None = None,
    now: datetime,
    before: Callable[[str], None] = do_nothing,
) -> Store:
    """Take over an authority that was made elsewhere, such as by openssl; its files may already be in the folder.

    The key is rewritten as PKCS #8 with AES-256 under the same passphrase. Revocations in its CRL, or in a ``ca.crl``
    in the folder, are kept. Certificates that it signed before stay valid but are not in the index; they can be revoked
    by file or serial number.
    """
    check_passphrase(passphrase)
    must_be_free(path, adopted=True)
    found = read_certificate_pem(read_file(files.certificate), str(files.certificate))
    key = load_key(read_file(files.key), passphrase, str(files.key))
    must_be_able_to_sign(found, str(files.certificate))
    index = Index(crl_lifetime=crl_lifetime)
    if files.crl is not None:
        index = index.with_crl(read_crl(read_file(files.crl), str(files.crl), found))
    make_folder(path)
    authority = Authority(found, matching(key, found, str(files.key)))
    return _first_files(Store(path, before), authority, passphrase, index, now)


def must_be_free(path: Path, *, adopted: bool = False) -> None:
    """AuthorityError if the folder has an authority already, whose key would be lost; the files of one that is to be
    ``adopted`` may be there.
    """
    for name in (INDEX,) if adopted else (INDEX, KEY, CERTIFICATE, CRL):
        if (path / name).exists():
            hint = "" if adopted else ", or take it over: gatekeeper ca init --adopt ca.crt ca.key"
            raise AuthorityError(f"there is an authority in {path} already ({name}); choose another folder{hint}")


def check_passphrase(passphrase: bytes) -> None:
    """AuthorityError for a passphrase that openssl would not accept."""
    if len(passphrase.strip()) < MINIMUM_PASSPHRASE:
        raise AuthorityError(
            f"a passphrase has at least {MINIMUM_PASSPHRASE} characters; the key is worth a longer one"
        )


def _first_files(store: Store, authority: Authority, passphrase: bytes, index: Index, now: datetime) -> Store:
    with store.folder.locked():
        must_be_free(store.path, adopted=True)
        index = store.with_unindexed(index, authority.certificate)
        if (there := store.folder.read(CRL)) is not None:
            index = index.with_crl(read_crl(there, str(store.path / CRL), authority.certificate))
        index = replace(index, crl_number=index.crl_number + 1)
        crl = make_crl(authority, index.revocations, now=now, lifetime=index.crl_lifetime, number=index.crl_number)
        store.folder.commit(
            {
                KEY: Content(key_pem(authority.key, passphrase), SECRET),
                CERTIFICATE: Content(authority.certificate_pem, PUBLIC),
                CRL: Content(crl.public_bytes(Encoding.PEM), PUBLIC),
                INDEX: Content(write_index(index), SECRET),
            }
        )
    return store
