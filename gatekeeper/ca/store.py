"""The folder of an authority, opened and read. `gatekeeper.ca.creation` makes it, and `gatekeeper.ca.issuer` does what
needs the key.

The folder contains ``ca.key`` (PKCS #8, AES-256), ``ca.crt``, ``ca.crl`` and ``index.json``; for each client
``NAME.key``, ``NAME.csr``, ``NAME.crt`` and ``NAME.p12``; and in ``issued/`` a copy of each certificate under its
serial number.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.authority import (
    Authority,
    identifier_hex,
    is_signed_by,
    names_serial_of,
)
from gatekeeper.ca.files import read_certificate_pem, read_crl
from gatekeeper.ca.folder import PUBLIC, SECRET, Content, Folder, do_nothing
from gatekeeper.ca.index import Entry, Index, entry_of, kind_of, read_index, write_index
from gatekeeper.ca.keys import PrivateKey, load_key
from gatekeeper.ca.names import AUTHORITY_NAME, check_name
from gatekeeper.ca.subject import common_name
from gatekeeper.errors import AuthorityError

KEY = "ca.key"
CERTIFICATE = "ca.crt"
CRL = "ca.crl"
INDEX = "index.json"
ISSUED = "issued"
# Files between `gatekeeper ca rollover` and `gatekeeper ca retire`: the old authority, and the two cross-certificates
# (RFC 4210, 4.4).
RETIRING = "retiring"
OLD_KEY = f"{RETIRING}/ca.key"
OLD_CERTIFICATE = f"{RETIRING}/ca.crt"
NEW_BY_OLD = f"{RETIRING}/new-by-old.crt"
OLD_BY_NEW = f"{RETIRING}/old-by-new.crt"


@dataclass(slots=True)
class _Contents:
    """What was read when the folder was opened; `Store.commit` updates it. ``crl`` is None if it is missing or damaged.

    ``retiring`` is the old authority's certificate during a rollover.
    """

    certificate: x509.Certificate
    retiring: x509.Certificate | None
    index: Index
    crl: x509.CertificateRevocationList | None


class Store:
    """The folder of an authority. Reading needs no passphrase, and only completes the change of a command that was
    killed.

    Each method opens the folder: it waits for the lock and reads the files. Inside ``with store.opened()`` all of them
    share one lock and one reading. Not thread-safe. AuthorityError from every method.
    """

    def __init__(self, path: Path, before: Callable[[str], None] = do_nothing) -> None:
        self.path = path
        self.folder = Folder(path, before)
        self._contents: _Contents | None = None

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the folder exclusively and read index, certificate and CRL once; may be nested."""
        if self._contents is not None:
            yield
            return
        self.must_exist()
        with self.folder.locked():
            self._contents = self._read()
            try:
                yield
            finally:
                self._contents = None

    def commit(
        self, index: Index, crls: Sequence[x509.CertificateRevocationList], files: Mapping[str, Content]
    ) -> None:
        """Write a change to the opened folder: ``files``, the index, and the CRLs.

        ``crls`` are the current authority's CRL and, during a rollover, the old one's; both go into one file.
        """
        contents = self._opened_contents()
        lists = {CRL: Content(b"".join(crl.public_bytes(Encoding.PEM) for crl in crls), PUBLIC)}
        # A gate rejects a CRL whose authority it does not trust, and may read the folder between two renames: so a CRL
        # is written after its authority's certificate, and removed before it.
        ordered = {**lists, **files} if len(crls) < len(self.authorities()) else {**files, **lists}
        self.folder.commit({**ordered, INDEX: Content(write_index(index), SECRET)})
        contents.index, contents.crl = index, crls[0]
        if CERTIFICATE in files:
            contents.certificate = read_certificate_pem(files[CERTIFICATE].octets, CERTIFICATE)
        contents.retiring = self._retiring(index)
        self._destroy_retired(index)

    def index(self) -> Index:
        """The index, completed from the CRL beside it and from the copies in ``issued/``.

        An index restored from a backup is older than the CRL; a CRL made from it alone would make revoked certificates
        valid again.
        """
        with self.opened():
            return self._opened_contents().index

    def certificate(self) -> x509.Certificate:
        """The authority's own certificate."""
        with self.opened():
            return self._opened_contents().certificate

    def retiring(self) -> x509.Certificate | None:
        """The old authority's certificate during a rollover."""
        with self.opened():
            return self._opened_contents().retiring

    def authorities(self) -> tuple[x509.Certificate, ...]:
        """The authorities that a gate trusts when it reads ``ca.crt``: the current one and, during a rollover, the old
        one.
        """
        with self.opened():
            found = (self.certificate(), self.retiring())
        return tuple(one for one in found if one is not None)

    def signer(self, certificate: x509.Certificate) -> x509.Certificate:
        """The authority that signed a certificate; the current one if neither did."""
        return next((one for one in self.authorities() if is_signed_by(certificate, one)), self.certificate())

    def crl(self) -> x509.CertificateRevocationList:
        """The CRL in the folder; AuthorityError if it is missing or damaged."""
        with self.opened():
            contents = self._opened_contents()
            # Not `or`: an empty CRL is false.
            return self._read_crl(contents.certificate) if contents.crl is None else contents.crl

    def _opened_contents(self) -> _Contents:
        if self._contents is None:
            raise RuntimeError("the authority's folder is not open")
        return self._contents

    def _read(self) -> _Contents:
        certificate = read_certificate_pem(self._must_read(CERTIFICATE), str(self.path / CERTIFICATE))
        index, crl = read_index(self._must_read(INDEX), str(self.path / INDEX)), None
        with suppress(AuthorityError):  # missing or damaged; the next command writes it from the index
            crl = self._read_crl(certificate)
            index = index.with_crl(crl)
        self._destroy_retired(index)
        retiring = self._retiring(index)
        return _Contents(certificate, retiring, self.with_unindexed(index, certificate, retiring), crl)

    def _retiring(self, index: Index) -> x509.Certificate | None:
        if not index.retiring:
            return None
        return read_certificate_pem(self._must_read(OLD_CERTIFICATE), str(self.path / OLD_CERTIFICATE))

    def _destroy_retired(self, index: Index) -> None:
        """Delete the old authority's key once the index says that it is retired: the command may have been killed in
        between.
        """
        if not index.retiring:
            self.folder.remove(OLD_KEY, OLD_CERTIFICATE, NEW_BY_OLD, OLD_BY_NEW)

    def _read_crl(self, certificate: x509.Certificate) -> x509.CertificateRevocationList:
        return read_crl(self.folder.read(CRL) or b"", str(self.path / CRL), certificate)

    def with_unindexed(
        self, index: Index, authority: x509.Certificate, retiring: x509.Certificate | None = None
    ) -> Index:
        """The index with the certificates in ``issued/`` that it lacks, because it was restored from a backup."""
        unindexed = [*self._unindexed(index, authority, identifier_hex(authority) if index.retiring else "")]
        if retiring is not None:
            unindexed += self._unindexed(index, retiring, index.retiring)
        if not unindexed:
            return index
        return replace(index, entries=tuple(sorted((*index.entries, *unindexed), key=attrgetter("not_before"))))

    def _unindexed(self, index: Index, authority: x509.Certificate, identifier: str) -> Iterator[Entry]:
        known = {issued_file(entry.serial_hex) for entry in index.entries}
        for file in (f"{ISSUED}/{name}" for name in self.folder.names(ISSUED) if name.endswith(".crt")):
            if file in known:
                continue
            with suppress(AuthorityError):  # not a certificate, or a file name that gatekeeper does not use
                pem = self._must_read(file)
                certificate = read_certificate_pem(pem, file)
                if is_signed_by(certificate, authority):
                    yield replace(self._rebuilt_entry(certificate, pem), authority=identifier)

    def _rebuilt_entry(self, certificate: x509.Certificate, pem: bytes) -> Entry:
        here = self.folder.names()
        current = [name for name in here if name.endswith(".crt") and (self.folder.read(name) or b"").startswith(pem)]
        name = check_name(current[0].removesuffix(".crt") if current else common_name(certificate.subject))
        return entry_of(certificate, name, kind_of(certificate), holds_key=bool(current) and f"{name}.key" in here)

    def tied_to_serial(self, now: datetime) -> tuple[str, ...]:
        """The names whose certificates refer to the authority by its serial number, which most programs reject once the
        authority is renewed.

        Includes the authority itself (``ca``) if it does so: certificates signed elsewhere then probably do, too.
        """
        authority = self.certificate()
        found = [AUTHORITY_NAME] if names_serial_of(authority, authority) else []
        for entry in self.index().entries:
            with suppress(AuthorityError):  # its copy is missing
                if entry.not_after > now and names_serial_of(self.issued(entry), authority):
                    found.append(entry.name)
        return tuple(found)

    def issued(self, entry: Entry) -> x509.Certificate:
        """The certificate of an index entry."""
        name = issued_file(entry.serial_hex)
        return read_certificate_pem(self._must_read(name), str(self.path / name))

    def unlock(self, passphrase: bytes) -> Authority:
        """The authority with its key; AuthorityError if the passphrase is wrong or the key is not the certificate's."""
        return self._unlock(KEY, self.certificate(), passphrase)

    def unlock_retiring(self, passphrase: bytes) -> Authority | None:
        """The old authority with its key, during a rollover."""
        certificate = self.retiring()
        return self._unlock(OLD_KEY, certificate, passphrase) if certificate is not None else None

    def _unlock(self, file: str, certificate: x509.Certificate, passphrase: bytes) -> Authority:
        key = load_key(self._must_read(file), passphrase, str(self.path / file))
        return Authority(certificate, matching(key, certificate, str(self.path / file)))

    def exists(self) -> bool:
        """Whether there is an authority in the folder."""
        return (self.path / INDEX).exists()

    def must_exist(self) -> None:
        """AuthorityError if there is no authority in the folder."""
        if self.exists():
            return
        if self.folder.has_journal:  # the first command was killed after its commit
            with self.folder.locked():
                return
        raise AuthorityError(
            f'there is no authority in {self.path}; make one: gatekeeper ca --dir {self.path} init --cn "Home CA"'
        )

    def _must_read(self, name: str) -> bytes:
        content = self.folder.read(name)
        if content is None:
            raise AuthorityError(f"{self.path / name} is missing; bring it back from a backup")
        return content


def issued_file(serial: str) -> str:
    """The path of a certificate's copy, by its serial number in hex."""
    return f"{ISSUED}/{serial}.crt"


def matching(key: PrivateKey, certificate: x509.Certificate, source: str) -> PrivateKey:
    """The key itself; AuthorityError if it is not that of the certificate. ``source`` is the file in the error."""
    if key.public_key() != certificate.public_key():
        raise AuthorityError(f"{source} is not the key of the certificate beside it")
    return key
