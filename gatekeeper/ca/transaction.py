"""One change of the authority's folder under way: the index as it will be, and the files as they will be."""

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
    """How a ``.p12`` is wanted: which profile, and under which password (None: one is made)."""

    password: str | None = None
    compat: bool = False


@dataclass(slots=True)
class Transaction:
    """Made by `open_transaction`, under the lock; nothing of it is on the disk yet."""

    store: Store
    authority: Authority
    retiring: Authority | None
    passphrase: bytes
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
        """Sign a certificate, at most as long as the authority's own, and put it into index and files.

        AuthorityError for a client whom no gate would let in, by what the certificate says.
        """
        sign = sign_client if kind is CertificateKind.CLIENT else sign_server
        lifetime = min(lifetime, time_left(self.authority, self.now))
        serial = random_serial(self.index.serials())
        certificate = sign(self.authority, public_key, subject, lifetime=lifetime, now=self.now, serial=serial)
        if kind is CertificateKind.CLIENT:
            must_be_let_in(certificate, (self.authority.certificate,), self.now)
        signer = identifier_hex(self.authority.certificate) if self.retiring or self.index.retired else ""
        entry = entry_of(certificate, name, kind, holds_key=holds_key, authority=signer)
        if self.index.key_is_compromised(entry.key):
            raise AuthorityError(f"the key of {name} was revoked as stolen and is not certified again; make a new one")
        self.index = self.index.with_entry(entry)
        pem = Content(certificate.public_bytes(Encoding.PEM), PUBLIC)
        self.files[issued_file(entry.serial_hex)] = pem
        self.files[f"{name}.crt"] = self._with_cross_certificate(pem) if kind is CertificateKind.SERVER else pem
        return entry, certificate

    def _with_cross_certificate(self, pem: Content) -> Content:
        """What a server sends during a rollover: devices that trust only the old authority can follow it to theirs."""
        above = self.store.folder.read(NEW_BY_OLD) if self.retiring else None
        return Content(pem.octets + above, PUBLIC) if above else pem

    def supersede(self, entries: tuple[Entry, ...]) -> None:
        """Revoke what a new certificate takes the place of."""
        for entry in entries:
            self.index = self.index.with_revocation(Revocation(entry.serial, self.now, RevocationReason.SUPERSEDED))

    def put_key(self, name: str, key: PrivateKey, kind: CertificateKind) -> None:
        """``NAME.key``: a client's under the authority's passphrase, a server's unencrypted, for it starts alone."""
        self.files[f"{name}.key"] = Content(
            key_pem(key, self.passphrase if kind is CertificateKind.CLIENT else None), SECRET
        )

    def put_request(self, name: str, pem: bytes) -> None:
        """``NAME.csr``, from which the certificate can be renewed."""
        self.files[f"{name}.csr"] = Content(pem, PUBLIC)

    def put_bundle(
        self, name: str, key: PrivateKey, certificate: x509.Certificate, options: BundleOptions
    ) -> str | None:
        """``NAME.p12``; gives the password if it was made here, None if it was given."""
        made = make_password() if options.password is None else None
        password = made if options.password is None else options.password
        above = self.store.signer(certificate)
        octets = make_bundle(key, certificate, (above,), password or "", friendly_name=name, compat=options.compat)
        self.files[f"{name}.p12"] = Content(octets, SECRET)
        return made

    def held_key(self, entry: Entry) -> PrivateKey | None:
        """The key of a certificate, if it was made here and still lies in the folder."""
        source = self.store.path / f"{entry.name}.key"
        pem = self.store.folder.read(source.name) if entry.holds_key else None
        if pem is None:
            return None
        key = load_key(pem, self.passphrase, str(source))
        if key.public_key() != self.store.issued(entry).public_key():
            raise AuthorityError(f"{source} is not the key that was certified; bring that back from a backup")
        return key

    def requested_key(self, entry: Entry) -> CertificatePublicKeyTypes:
        """The public key of the request that the certificate was made from."""
        source = self.store.path / f"{entry.name}.csr"
        pem = self.store.folder.read(source.name)
        if pem is None:
            raise AuthorityError(f"{source} is missing, and with it the public key; sign a new request")
        return public_key_of(pem, str(source))

    def paths(self) -> tuple[Path, ...]:
        """The files that a person would care for, in the order in which they were made."""
        return tuple(self.store.path / name for name in self.files if "/" not in name)


@contextmanager
def open_transaction(
    store: Store, authority: Authority, retiring: Authority | None, passphrase: bytes, now: datetime
) -> Iterator[Transaction]:
    """Lock the folder and change it; if anything is raised inside, nothing is written.

    The revocation list is written with every change: the key is at hand, and a list that runs out shuts the gate.
    """
    with store.opened():
        transaction = Transaction(store, authority, retiring, passphrase, now, store.index())
        yield transaction
        index = replace(transaction.index, crl_number=transaction.index.crl_number + 1)
        # Serials are never used twice, so each list may name what the other authority signed.
        crls = [
            make_crl(one, index.revocations, now=now, lifetime=index.crl_lifetime, number=index.crl_number)
            for one in (transaction.authority, transaction.retiring)
            if one is not None
        ]
        store.commit(index, crls, transaction.files)


def time_left(authority: Authority, now: datetime) -> timedelta:
    """How long the authority's own certificate still holds; AuthorityError once it has expired."""
    left = authority.certificate.not_valid_after_utc - now
    if left <= timedelta():
        raise AuthorityError("the authority's own certificate has expired; renew it first: gatekeeper ca renew ca")
    return left


def public_key_of(request: bytes, source: str) -> CertificatePublicKeyTypes:
    """The public key of a request that may be signed; AuthorityError for another."""
    read = read_request(request, source)
    check_request(read, source)
    return check_strength(read, source)
