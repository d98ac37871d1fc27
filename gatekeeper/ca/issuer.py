"""What an unlocked authority does in its folder: issue, sign, renew, revoke, write bundles and CRLs.

Each operation is one transaction: afterwards all of its files are there, or none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.authority import (
    YEAR,
    make_anchor,
)
from gatekeeper.ca.index import CertificateKind, Entry, Index, Status
from gatekeeper.ca.keys import DEFAULT_KEY_TYPE, check_key_type, make_key
from gatekeeper.ca.names import check_host, check_name, left_out
from gatekeeper.ca.requests import (
    check_request,
    check_strength,
    grantable_subject,
    make_request,
    read_request,
    requested_subject,
)
from gatekeeper.ca.revocation import Revocation, RevocationReason
from gatekeeper.ca.store import Store
from gatekeeper.ca.subject import Subject, make_server_subject, make_subject, subject_of
from gatekeeper.ca.transaction import BundleOptions, Transaction, UnlockedKeys, open_transaction
from gatekeeper.errors import AuthorityError


@dataclass(frozen=True, slots=True)
class Grant:
    """The names that the operator grants a client besides its common name.

    The others are for `Issuer.sign` alone: ``common_name`` replaces the one in the request, "" to keep that;
    ``as_requested`` grants the whole subject and the alternative names of the request.
    """

    organizational_units: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    common_name: str = ""
    as_requested: bool = False

    def subject(self, name: str) -> Subject:
        """The subject for this name with these grants; AuthorityError for names that no certificate can hold."""
        for dns_name in self.dns_names:
            check_host(dns_name)
        try:
            "".join(self.organizational_units).encode()  # make_subject would not notice until the certificate is signed
            return make_subject(
                name,
                organizational_units=self.organizational_units,
                emails=self.emails,
                dns_names=self.dns_names,
                uris=self.uris,
            )
        except UnicodeEncodeError as error:
            raise AuthorityError(f"{error.object!r} is not UTF-8; see the encoding of the terminal") from error
        except ValueError as error:
            raise AuthorityError(f"this cannot stand in a certificate: {error}") from error


@dataclass(frozen=True, slots=True)
class Issued:
    """The result of a command that issued a certificate.

    ``password`` is the bundle's if it was generated here; it is stored nowhere else. ``shortened`` is set if the
    authority expires a day or more before the requested end. ``superseded`` are the certificates revoked for it.
    ``not_granted`` are the names that the request asked for and did not get.
    """

    entry: Entry
    files: tuple[Path, ...]
    password: str | None = None
    shortened: bool = False
    superseded: tuple[Entry, ...] = ()
    not_granted: tuple[str, ...] = ()


class Issuer:
    """An authority whose key is unlocked. The passphrase decrypts its key and encrypts those of clients.

    Every method may raise AuthorityError; nothing has changed then.
    """

    def __init__(self, store: Store, passphrase: bytes) -> None:
        self.store = store
        with store.opened():
            self._keys = UnlockedKeys(store.unlock(passphrase), store.unlock_retiring(passphrase), passphrase)

    @contextmanager
    def transaction(self, now: datetime) -> Iterator[Transaction]:
        """Change the folder and, if the transaction replaced the authority's keys, sign with the new ones afterwards.
        Nothing changes if anything is raised inside, or if the files cannot be written.
        """
        with open_transaction(self.store, self._keys, now) as transaction:
            yield transaction
        self._keys = transaction.keys

    def issue(
        self,
        name: str,
        grant: Grant | None = None,
        *,
        bundle: BundleOptions | None = None,
        key_type: str = DEFAULT_KEY_TYPE,
        lifetime: timedelta = YEAR,
        now: datetime,
    ) -> Issued:
        """Generate a key for a client and write its request, certificate and bundle."""
        name = check_name(name)
        subject = (grant or Grant()).subject(name)
        return self._issue(name, CertificateKind.CLIENT, subject, bundle or BundleOptions(), key_type, lifetime, now)

    def issue_server(
        self,
        name: str,
        hosts: tuple[str, ...],
        *,
        key_type: str = DEFAULT_KEY_TYPE,
        lifetime: timedelta = YEAR,
        now: datetime,
    ) -> Issued:
        """Generate a key for a server of these host names and addresses and write its request and certificate."""
        name = check_name(name)
        subject = make_server_subject(name, tuple(map(check_host, hosts)))
        return self._issue(name, CertificateKind.SERVER, subject, None, key_type, lifetime, now)

    def sign(
        self,
        request: bytes,
        source: str,
        grant: Grant | None = None,
        *,
        name: str | None = None,
        replace_older: bool = False,
        lifetime: timedelta = YEAR,
        now: datetime,
    ) -> Issued:
        """Sign a client certificate for a request that was made elsewhere.

        Only the key and the common name are taken from the request, since routes decide by the other names, unless the
        ``grant`` says otherwise. ``name`` is the name of the files, the common name if None.
        """
        asked, grant = read_request(request, source), grant or Grant()
        common_name = grant.common_name or check_request(asked, source)
        key = check_strength(asked, source)
        name = check_name(name) if name else _file_name(common_name)
        subject = grantable_subject(asked, source) if grant.as_requested else grant.subject(common_name)
        with self.transaction(now) as transaction:
            older = transaction.index.in_force(name, now) if replace_older else ()
            transaction.supersede(older)
            self._must_be_free(
                transaction.index, name, now, "to revoke it, and sign this request in its place: --replace"
            )
            entry, _ = transaction.sign(name, CertificateKind.CLIENT, key, subject, lifetime, holds_key=False)
            transaction.put_request(name, asked.pem)
        return Issued(
            entry,
            transaction.paths(),
            shortened=self._is_shortened(entry, lifetime, now),
            superseded=older,
            not_granted=left_out(requested_subject(asked), subject),
        )

    def renew(
        self,
        name: str,
        *,
        bundle: BundleOptions | None = None,
        new_key_type: str | None = None,
        keep_old: bool = False,
        lifetime: timedelta | None = None,
        now: datetime,
    ) -> Issued:
        """Issue a certificate with the names of the old one, for the same key or (``new_key_type``) a new one.

        The old one is revoked as superseded unless ``keep_old``. ``lifetime`` is that of the old one if None.
        """
        with self.transaction(now) as transaction:
            old = latest(transaction.index, name)
            held = transaction.held_key(old)
            if new_key_type and not old.holds_key:
                raise AuthorityError(
                    f"{old.name} keeps the key elsewhere; sign a new request: gatekeeper ca sign FILE.csr"
                )
            new_key = make_key(new_key_type) if new_key_type else None
            subject = subject_of(self.store.issued(old))
            older = () if keep_old else transaction.index.in_force(old.name, now)
            transaction.supersede(older)
            key = new_key or held
            public_key = key.public_key() if key else transaction.requested_key(old)
            lifetime = lifetime or old.lifetime
            entry, certificate = transaction.sign(
                old.name, old.kind, public_key, subject, lifetime, holds_key=old.holds_key
            )
            if new_key:
                transaction.put_request(old.name, make_request(new_key, subject).public_bytes(Encoding.PEM))
                transaction.put_key(old.name, new_key, old.kind)
            password = None
            if key and old.kind is CertificateKind.CLIENT:
                password = transaction.put_bundle(old.name, key, certificate, bundle or BundleOptions())
        return Issued(entry, transaction.paths(), password, self._is_shortened(entry, lifetime, now), older)

    def sign_renewal(self, old: Entry, request: bytes, source: str, *, now: datetime) -> Issued:
        """The next certificate of a client that keeps its own key: the names and lifetime of the old one, the key of
        the request.

        Only the key is taken from the request. The old certificate stays valid, because the client fetches the new one
        with it. Not checked: who sent the request, and whether a renewal is due (`gatekeeper.ca.renewal`).
        """
        asked = read_request(request, source)
        key, lifetime = check_strength(asked, source), old.lifetime
        with self.transaction(now) as transaction:
            if transaction.index.status(old, now) is not Status.VALID:
                raise AuthorityError(f"the certificate {old.serial_hex} of {old.name} is not valid any more")
            subject = subject_of(self.store.issued(old))
            entry, _ = transaction.sign(old.name, CertificateKind.CLIENT, key, subject, lifetime, holds_key=False)
            transaction.put_request(old.name, asked.pem)
        return Issued(entry, transaction.paths(), shortened=self._is_shortened(entry, lifetime, now))

    def anchor(self, hosts: tuple[str, ...], *, now: datetime) -> x509.Certificate:
        """A trust anchor for devices: this authority, limited to the servers of these hosts (`make_anchor`)."""
        if pattern := next((host for host in hosts if "*" in host), None):
            raise AuthorityError(f"{pattern!r} is a pattern; a name stands for all the names below it")
        try:
            return make_anchor(self._keys.authority, tuple(map(check_host, hosts)), now=now)
        except ValueError:
            raise AuthorityError("name a host name of the server's certificate, too, not addresses alone") from None

    def bundle(self, name: str, options: BundleOptions, *, now: datetime) -> Issued:
        """Write a client's ``.p12`` again."""
        with self.transaction(now) as transaction:
            entry = latest(transaction.index, name)
            if entry.kind is CertificateKind.SERVER:
                raise AuthorityError(f"{entry.name} is a server; bundles are for clients")
            key = transaction.held_key(entry)
            if key is None:
                raise AuthorityError(
                    f"the key of {entry.name} is not kept here, so only its holder can make the bundle: "
                    f"gatekeeper ca p12 NAME --key FILE --certificate FILE"
                )
            password = transaction.put_bundle(entry.name, key, self.store.issued(entry), options)
        return Issued(entry, transaction.paths(), password)

    def revoke(self, serials: tuple[int, ...], reason: RevocationReason, *, now: datetime) -> None:
        """Revoke these serial numbers, whether or not they are in the index."""
        with self.transaction(now) as transaction:
            for serial in serials:
                transaction.index = transaction.index.with_revocation(Revocation(serial, now, reason))

    def rewrite_crl(
        self, lifetime: timedelta | None = None, *, whole_life: bool = False, now: datetime
    ) -> x509.CertificateRevocationList:
        """Sign the CRL again; ``lifetime`` also applies to the CRLs after this one.

        ``whole_life`` means CRLs that are valid as long as the authority.
        """
        with self.transaction(now) as transaction:
            lifetime = None if whole_life else lifetime or transaction.index.crl_lifetime
            transaction.index = replace(transaction.index, crl_lifetime=lifetime)
        return self.store.crl()

    def _issue(
        self,
        name: str,
        kind: CertificateKind,
        subject: Subject,
        options: BundleOptions | None,
        key_type: str,
        lifetime: timedelta,
        now: datetime,
    ) -> Issued:
        check_key_type(key_type)
        with self.transaction(now) as transaction:
            self._must_be_free(transaction.index, name, now)
            self._must_not_overwrite_key(transaction.index, name)
            key = make_key(key_type)
            entry, certificate = transaction.sign(name, kind, key.public_key(), subject, lifetime, holds_key=True)
            transaction.put_request(name, make_request(key, subject).public_bytes(Encoding.PEM))
            transaction.put_key(name, key, kind)
            password = transaction.put_bundle(name, key, certificate, options) if options else None
        return Issued(entry, transaction.paths(), password, self._is_shortened(entry, lifetime, now))

    def _must_be_free(self, index: Index, name: str, now: datetime, instead: str | None = None) -> None:
        """``instead`` says what to do if the name has a certificate; by default, to renew it."""
        known = index.named(name)
        if known and known[-1].name != name:
            raise AuthorityError(
                f"there is {known[-1].name!r} already; names that differ only in case share their files"
            )
        if held := index.in_force(name, now):
            instead = instead or f'make the next one with `gatekeeper ca renew "{name}"`, or revoke it first'
            raise AuthorityError(f"{name} has a certificate until {held[-1].not_after:%Y-%m-%d}; {instead}")

    def _must_not_overwrite_key(self, index: Index, name: str) -> None:
        path = self.store.path / f"{name}.key"
        if path.exists() and not any(entry.holds_key for entry in index.named(name)):
            raise AuthorityError(f"{path} already exists and was not made here; choose another name or move it away")

    def _is_shortened(self, entry: Entry, lifetime: timedelta, now: datetime) -> bool:
        return entry.not_after + timedelta(days=1) < now + lifetime


def latest(index: Index, name: str) -> Entry:
    """The newest certificate of a name that is not revoked; AuthorityError if there is none.

    It need not be the last one issued: a renewal may have been cancelled while the certificate before it is in use.
    """
    known = index.named(name)
    if not known:
        raise AuthorityError(f"nothing was issued to {name!r}; see `gatekeeper ca list`")
    standing = [entry for entry in known if not index.revocation(entry.serial)]
    if not standing:
        word = "issue" if known[-1].kind is CertificateKind.CLIENT else "server"
        raise AuthorityError(f'the certificate of {name} is revoked; make a new one: gatekeeper ca {word} "{name}"')
    return standing[-1]


def _file_name(common_name: str) -> str:
    try:
        return check_name(common_name)
    except AuthorityError as error:
        raise AuthorityError(f"{error}; call the files otherwise: --name NAME") from error
