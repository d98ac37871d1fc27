"""A transaction on the authority's folder: the index and the files as they will be."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.admission import must_be_let_in
from gatekeeper.ca.authority import Authority, identifier_hex, random_serial
from gatekeeper.ca.bundle import make_bundle, make_password
from gatekeeper.ca.certificates import sign_client, sign_server
from gatekeeper.ca.folder import PUBLIC, SECRET, Content
from gatekeeper.ca.index import CertificateKind, Entry, Index, entry_of
from gatekeeper.ca.keys import PrivateKey, key_pem, load_key
from gatekeeper.ca.requests import check_request, check_strength, read_request
from gatekeeper.ca.revocation import Revocation, RevocationReason, make_crl
from gatekeeper.ca.store import NEW_BY_OLD, Store, issued_file
from gatekeeper.ca.subject import Subject
from gatekeeper.errors import AuthorityError


@dataclass(frozen=True, slots=True)
class BundleOptions:
    """Options for a ``.p12``: its form, and its password (None: one is generated)."""

    password: str | None = field(default=None, repr=False)
    compat: bool = False


@dataclass(frozen=True, slots=True)
class UnlockedKeys:
    """An authority with its key, the old one during a rollover, and the passphrase under which keys are stored."""

    authority: Authority
    retiring: Authority | None
    passphrase: bytes = field(repr=False)


@dataclass(slots=True)
class Transaction:
    """Made by `open_transaction` while the folder is locked; nothing is written before that returns.

    A rollover replaces ``keys``: those at the end of the transaction sign the CRLs.
    """

    store: Store
    keys: UnlockedKeys
    now: datetime
    index: Index
    files: dict[str, Content] = field(default_factory=dict)

    def sign(
        self,
        name: str,
        kind: CertificateKind,
        public_key: CertificatePublicKeyTypes,
        subject: Subject,
        lifetime: timedelta,
        *,
        holds_key: bool,
    ) -> tuple[Entry, x509.Certificate]:
        """Sign a certificate, valid at most as long as the authority, and add it to index and files.

        AuthorityError for a client certificate that no gate would admit.
        """
        sign = sign_client if kind is CertificateKind.CLIENT else sign_server
        lifetime = min(lifetime, time_left(self.keys.authority, self.now))
        serial = random_serial(self.index.serials())
        certificate = sign(self.keys.authority, public_key, subject, lifetime=lifetime, now=self.now, serial=serial)
        if kind is CertificateKind.CLIENT:
            must_be_let_in(certificate, (self.keys.authority.certificate,), self.now)
        signer = identifier_hex(self.keys.authority.certificate) if self.keys.retiring or self.index.retired else ""
        entry = entry_of(certificate, name, kind, holds_key=holds_key, authority=signer)
        if self.index.key_is_compromised(entry.key):
            raise AuthorityError(
                f"the key of {name} was revoked as compromised and is not certified again; generate a new one"
            )
        self.index = self.index.with_entry(entry)
        pem = Content(certificate.public_bytes(Encoding.PEM), PUBLIC)
        self.files[issued_file(entry.serial_hex)] = pem
        self.files[f"{name}.crt"] = self._with_cross_certificate(pem) if kind is CertificateKind.SERVER else pem
        return entry, certificate

    def _with_cross_certificate(self, pem: Content) -> Content:
        """During a rollover a server sends the cross-certificate too, so that devices that trust only the old authority
        find a path.
        """
        above = self.store.folder.read(NEW_BY_OLD) if self.keys.retiring else None
        return Content(pem.octets + above, PUBLIC) if above else pem

    def supersede(self, entries: tuple[Entry, ...]) -> None:
        """Revoke certificates that a new one replaces."""
        for entry in entries:
            self.index = self.index.with_revocation(Revocation(entry.serial, self.now, RevocationReason.SUPERSEDED))

    def put_key(self, name: str, key: PrivateKey, kind: CertificateKind) -> None:
        """Write ``NAME.key``: a client's encrypted under the authority's passphrase, a server's unencrypted, since it
        starts unattended.
        """
        self.files[f"{name}.key"] = Content(
            key_pem(key, self.keys.passphrase if kind is CertificateKind.CLIENT else None), SECRET
        )

    def put_request(self, name: str, pem: bytes) -> None:
        """Write ``NAME.csr``, from which the certificate can be renewed."""
        self.files[f"{name}.csr"] = Content(pem, PUBLIC)

    def put_bundle(
        self, name: str, key: PrivateKey, certificate: x509.Certificate, options: BundleOptions
    ) -> str | None:
        """Write ``NAME.p12``; returns the password if it was generated here, None if it was given."""
        made = make_password() if options.password is None else None
        password = made if options.password is None else options.password
        above = self.store.signer(certificate)
        octets = make_bundle(key, certificate, (above,), password or "", friendly_name=name, compat=options.compat)
        self.files[f"{name}.p12"] = Content(octets, SECRET)
        return made

    def held_key(self, entry: Entry) -> PrivateKey | None:
        """The private key of a certificate, None if it was not generated here or is no longer in the folder."""
        source = self.store.path / f"{entry.name}.key"
        pem = self.store.folder.read(source.name) if entry.holds_key else None
        if pem is None:
            return None
        key = load_key(pem, self.keys.passphrase, str(source))
        if key.public_key() != self.store.issued(entry).public_key():
            raise AuthorityError(f"{source} is not the key that was certified; bring that back from a backup")
        return key

    def requested_key(self, entry: Entry) -> CertificatePublicKeyTypes:
        """The public key of the request that a certificate was issued for."""
        source = self.store.path / f"{entry.name}.csr"
        pem = self.store.folder.read(source.name)
        if pem is None:
            raise AuthorityError(f"{source} is missing, and with it the public key; sign a new request")
        return public_key_of(pem, str(source))

    def paths(self) -> tuple[Path, ...]:
        """The files for the operator, in the order in which they were written."""
        return tuple(self.store.path / name for name in self.files if "/" not in name)


@contextmanager
def open_transaction(store: Store, keys: UnlockedKeys, now: datetime) -> Iterator[Transaction]:
    """Lock the folder and change it. If anything is raised inside, nothing is written.

    Every transaction signs the CRL again: the key is unlocked anyway, and a gate admits nobody on a CRL past its
    nextUpdate.
    """
    with store.opened():
        transaction = Transaction(store, keys, now, store.index())
        yield transaction
        index = replace(transaction.index, crl_number=transaction.index.crl_number + 1)
        # Serial numbers are never used twice, so each CRL may list certificates of the other authority.
        crls = [
            make_crl(one, index.revocations, now=now, lifetime=index.crl_lifetime, number=index.crl_number)
            for one in (transaction.keys.authority, transaction.keys.retiring)
            if one is not None
        ]
        store.commit(index, crls, transaction.files)


def time_left(authority: Authority, now: datetime) -> timedelta:
    """How long the authority's certificate is still valid; AuthorityError if it has expired."""
    left = authority.certificate.not_valid_after_utc - now
    if left <= timedelta():
        raise AuthorityError("the authority's own certificate has expired; renew it first: gatekeeper ca renew ca")
    return left


def public_key_of(request: bytes, source: str) -> CertificatePublicKeyTypes:
    """The public key of a request; AuthorityError if the request may not be signed."""
    read = read_request(request, source)
    check_request(read, source)
    return check_strength(read, source)
