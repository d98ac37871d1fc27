"""The life of an authority: its own certificate is renewed; the next authority follows it; the old one is retired.

Each operation is one transaction of an `Issuer`, which afterwards signs with the keys that it left. AuthorityError from
every function; nothing has changed then.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.authority import (
    AUTHORITY_LIFETIME,
    authority_from_key,
    cross_signed,
    identifier_hex,
    renewed_authority,
)
from gatekeeper.ca.folder import PUBLIC, SECRET, Content
from gatekeeper.ca.index import Entry, Index, consequence
from gatekeeper.ca.issuer import Issuer
from gatekeeper.ca.keys import DEFAULT_KEY_TYPE, check_key_type, key_pem, make_key
from gatekeeper.ca.store import CERTIFICATE, KEY, NEW_BY_OLD, OLD_BY_NEW, OLD_CERTIFICATE, OLD_KEY
from gatekeeper.ca.transaction import time_left
from gatekeeper.errors import AuthorityError


def renew_authority(issuer: Issuer, *, lifetime: timedelta = AUTHORITY_LIFETIME, now: datetime) -> x509.Certificate:
    """Renew the authority's own certificate with the same name and key; every certificate it signed stays valid."""
    with issuer.transaction(now) as transaction:
        keys = transaction.keys
        if keys.authority.certificate.subject != keys.authority.certificate.issuer:
            raise AuthorityError("this authority was signed by another one, which must renew it")
        new = renewed_authority(keys.authority, lifetime=lifetime, now=now)
        transaction.keys = replace(keys, authority=new)
        above = keys.retiring.certificate_pem if keys.retiring else b""
        transaction.files[CERTIFICATE] = Content(new.certificate_pem + above, PUBLIC)
    return new.certificate


def roll_over(
    issuer: Issuer, *, key_type: str = DEFAULT_KEY_TYPE, lifetime: timedelta = AUTHORITY_LIFETIME, now: datetime
) -> x509.Certificate:
    """Generate a new authority of the same name beside the old one and cross-sign both (RFC 4210, 4.4).

    Afterwards ``ca.crt`` contains both and ``ca.crl`` has a CRL of each, so a gate that reads them admits clients
    of either; new certificates are signed by the new one. `retire` ends the old one.
    """
    check_key_type(key_type)
    with issuer.transaction(now) as transaction:
        old, passphrase = transaction.keys.authority, transaction.keys.passphrase
        if old.certificate.subject != old.certificate.issuer:
            raise AuthorityError("this authority was signed by another one, which must replace it")
        if transaction.keys.retiring is not None:
            raise AuthorityError("a rollover is under way; end it first: gatekeeper ca retire")
        time_left(old, now)
        new = authority_from_key(make_key(key_type), old.certificate.subject, lifetime=lifetime, now=now)
        transaction.keys = replace(transaction.keys, authority=new, retiring=old)
        transaction.index = _handed_over(transaction.index, identifier_hex(old.certificate))
        transaction.files |= {
            KEY: Content(key_pem(new.key, passphrase), SECRET),
            OLD_KEY: Content(key_pem(old.key, passphrase), SECRET),
            CERTIFICATE: Content(new.certificate_pem + old.certificate_pem, PUBLIC),
            OLD_CERTIFICATE: Content(old.certificate_pem, PUBLIC),
            NEW_BY_OLD: Content(cross_signed(new, old, now=now).public_bytes(Encoding.PEM), PUBLIC),
            OLD_BY_NEW: Content(cross_signed(old, new, now=now).public_bytes(Encoding.PEM), PUBLIC),
        }
    return new.certificate


def retire(issuer: Issuer, unfetched: Collection[str] = (), *, force: bool = False, now: datetime) -> tuple[Entry, ...]:
    """Retire the old authority: gates trust it no longer, and its key is destroyed. Returns the clients locked out
    by that, and the servers whose certificates are no longer trusted.

    AuthorityError if there are any, unless ``force``. ``unfetched`` is as for `Index.on_retiring`.
    """
    with issuer.transaction(now) as transaction:
        if transaction.keys.retiring is None:
            raise AuthorityError("there is no old authority to retire; gatekeeper ca rollover makes a new one")
        left = transaction.index.on_retiring(now, unfetched)
        if left and not force:
            raise AuthorityError(
                f"{consequence(left)}; give each a new certificate first "
                "(gatekeeper ca renew NAME), or retire all the same: --force"
            )
        retired = (*transaction.index.retired, transaction.index.retiring)
        transaction.index = replace(transaction.index, retiring="", retired=retired)
        transaction.files[CERTIFICATE] = Content(transaction.keys.authority.certificate_pem, PUBLIC)
        transaction.keys = replace(transaction.keys, retiring=None)
    return left


def _handed_over(index: Index, old: str) -> Index:
    """The index once the authority ``old`` (a key identifier) is retiring: all entries so far are marked as its own."""
    entries = tuple(entry if entry.authority else replace(entry, authority=old) for entry in index.entries)
    return replace(index, entries=entries, retiring=old)
