"""What ``gatekeeper ca`` does, a function a word: arguments to values, the authority's answer to `ca_print`."""

import argparse
import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from gatekeeper.ca.admission import Trust, trusting
from gatekeeper.ca.bundle import make_bundle, make_password
from gatekeeper.ca.certificates import common_name, is_signed_by
from gatekeeper.ca.change import BundleWish
from gatekeeper.ca.explain import Explanation, explain, explain_certificate
from gatekeeper.ca.folder import PUBLIC, SECRET, Content, write_new, write_over
from gatekeeper.ca.index import Index, Kind
from gatekeeper.ca.issuer import Grant, Issuer, latest
from gatekeeper.ca.keys import check_key_type, key_is_encrypted, key_pem, load_key, make_key
from gatekeeper.ca.names import AUTHORITY_NAME, check_name, same_name
from gatekeeper.ca.requests import make_request
from gatekeeper.ca.revocation import RevocationReason
from gatekeeper.ca.store import (
    KEY,
    Store,
    adopt_store,
    check_passphrase,
    create_store,
    read_certificate_pem,
    read_file,
)
from gatekeeper.cli import ca_approve, ca_invite
from gatekeeper.cli import ca_print as out
from gatekeeper.cli.passphrases import bundle_password, existing_passphrase, new_passphrase, open_password
from gatekeeper.cli.terminal import working
from gatekeeper.errors import AuthorityError, UsageError

FOLDER_VARIABLE = "GATEKEEPER_CA"

_SERIAL = re.compile(r"[0-9A-Fa-f]{1,40}", re.ASCII)


def _init(args: argparse.Namespace) -> int:
    folder, now = _folder(args), _now()
    crl_lifetime = timedelta(days=args.crl_days or 30)
    if args.adopt:
        certificate, key = args.adopt
        of_key = existing_passphrase if key_is_encrypted(read_file(key)) else new_passphrase
        passphrase = of_key(_passphrase_file(args), str(key))
        store = adopt_store(folder, certificate, key, passphrase, crl=args.crl, crl_lifetime=crl_lifetime, now=now)
    elif args.crl:
        raise UsageError("--crl belongs to --adopt; a new authority has revoked nothing")
    else:
        check_key_type(args.key)
        passphrase = new_passphrase(_passphrase_file(args), str(folder / KEY))
        with _making_a_key(args.key):
            store = create_store(
                folder,
                args.cn,
                passphrase,
                key_type=args.key,
                lifetime=timedelta(days=args.days),
                crl_lifetime=crl_lifetime,
                now=now,
            )
    out.authority_made(store.certificate(), folder, adopted=bool(args.adopt), as_json=_json(args))
    return 0


def _issue(args: argparse.Namespace) -> int:
    check_name(args.name)
    check_key_type(args.key)
    wish = _bundle_wish(args)
    issuer = _issuer(args)
    with _making_a_key(args.key):
        issued = issuer.issue(
            args.name, _grant(args), bundle=wish, key_type=args.key, lifetime=timedelta(days=args.days), now=_now()
        )
    out.client_issued(issued, compat=args.compat, as_json=_json(args))
    return 0


def _invite(args: argparse.Namespace) -> int:
    way = ca_invite.Way(args)
    if args.list:
        ca_invite.listing(way.folder(), as_json=_json(args))
        return 0
    if args.cancel:
        return _cancel(args, way)
    if args.name is None:
        raise UsageError("say whom to invite: gatekeeper ca invite NAME; or --list, or --cancel NAME")
    check_name(args.name)
    if args.csr:
        one = ca_invite.put_for_request(way.folder(), way.gate(), args.name, timedelta(seconds=args.valid))
        ca_invite.invited_computer(one, as_json=_json(args))
        return 0
    check_key_type(args.key)
    # Whatever could be wrong is found before anything is issued.
    folder, gate, wish = way.folder(), way.gate(), _bundle_wish(args)
    issuer = _issuer(args)
    with _making_a_key(args.key):
        issued = issuer.issue(
            args.name, _grant(args), bundle=wish, key_type=args.key, lifetime=timedelta(days=args.days), now=_now()
        )
    password = issued.password or wish.password or ""
    one = ca_invite.put(folder, gate, issued, password, timedelta(seconds=args.valid))
    made = issued.password is not None
    ca_invite.invited(issued, one, password if made else None, qr=args.qr, as_json=_json(args))
    return 0


def _approve(args: argparse.Namespace) -> int:
    folder = ca_invite.Way(args).folder()
    waiting = ca_approve.waiting(folder, args.name)
    ca_approve.must_be_sure(waiting, args.fingerprint, yes=args.yes)
    ca_approve.must_still_wait(folder, waiting)  # a person may have pondered, and --replace revokes
    issuer, name = _issuer(args), check_name(waiting.found.invitation.name)
    issued = issuer.sign(
        waiting.request.pem.encode(),
        f"the request of {name}",
        _grant(args),
        name=name,
        common_name=name,
        replace_older=args.replace,
        lifetime=timedelta(days=args.days),
        now=_now(),
    )
    store = Store(_folder(args))
    chain = (store.issued(issued.entry), store.certificate())
    if not folder.sign(waiting.found, b"".join(one.public_bytes(out.PEM) for one in chain), _now().timestamp()):
        issuer.revoke((issued.entry.serial,), RevocationReason("unspecified"), now=_now())
        before = ", and so is the one before" if issued.superseded else ""
        raise AuthorityError(f"the invitation of {name} was taken back just now; its certificate is revoked{before}")
    ca_approve.approved(issued, waiting, as_json=_json(args))
    return 0


def _cancel(args: argparse.Namespace, way: ca_invite.Way) -> int:
    """First the files, which needs no passphrase; then the certificate, which somebody may have by now."""
    cancelled = ca_invite.cancel(way.folder(), args.cancel)
    store = Store(_folder(args))
    revoked: tuple[int, ...] = ()
    if store.exists():
        index, now = store.index(), _now()
        wanted = {one.invitation.serial for one in cancelled}
        names = {one.invitation.name for one in cancelled}
        in_force = (entry for name in names for entry in index.in_force(name, now))
        revoked = tuple(entry.serial for entry in in_force if entry.serial_hex in wanted)
    if revoked:
        Issuer(store, _passphrase(args)).revoke(revoked, RevocationReason("unspecified"), now=_now())
    ca_invite.taken_back(cancelled, revoked, as_json=_json(args))
    return 0


def _csr(args: argparse.Namespace) -> int:
    name = check_name(args.name)
    bearer = _grant(args).holder(name)
    key_path, request_path = args.out / f"{name}.key", args.out / f"{name}.csr"
    _must_not_exist(key_path)
    check_key_type(args.key)
    passphrase = None
    if not args.no_passphrase:
        passphrase = new_passphrase(_passphrase_file(args), str(key_path))
        check_passphrase(passphrase)
    with _making_a_key(args.key):
        key = make_key(args.key)
    request = make_request(key, bearer)
    write_new(key_path, Content(key_pem(key, passphrase), SECRET))
    write_over(request_path, Content(request.public_bytes(out.PEM), PUBLIC))
    out.request_made(name, key_path, request_path, encrypted=passphrase is not None, as_json=_json(args))
    return 0


def _sign(args: argparse.Namespace) -> int:
    request = read_file(args.request)
    issued = _issuer(args).sign(
        request,
        str(args.request),
        _grant(args),
        name=args.name,
        as_requested=args.as_requested,
        replace_older=args.replace,
        lifetime=timedelta(days=args.days),
        now=_now(),
    )
    out.request_signed(issued, _folder(args), as_json=_json(args))
    return 0


def _p12(args: argparse.Namespace) -> int:
    if args.key or args.certificate:
        return _p12_of_files(args)
    wish = _bundle_wish(args)
    issued = _issuer(args).bundle(args.name, wish, now=_now())
    out.bundle_made(issued.files[0], issued.password, issued.entry.name, compat=args.compat, as_json=_json(args))
    return 0


def _p12_of_files(args: argparse.Namespace) -> int:
    """A bundle on the device that keeps its own key: no authority's folder is needed."""
    if not (args.key and args.certificate):
        raise UsageError("--key and --certificate belong together")
    path = args.key.with_name(f"{check_name(args.name)}.p12")
    pem = read_file(args.key)
    passphrase = existing_passphrase(_passphrase_file(args), str(args.key)) if key_is_encrypted(pem) else None
    key = load_key(pem, passphrase, str(args.key))
    certificate = read_certificate_pem(read_file(args.certificate), str(args.certificate))
    if key.public_key() != certificate.public_key():
        raise AuthorityError(f"{args.key} is not the key of {args.certificate}")
    above = read_certificate_pem(read_file(args.ca), str(args.ca)) if args.ca else None
    given = bundle_password(args.password_file, ask=args.ask_password, what=str(path))
    password = make_password() if given is None else given
    octets = make_bundle(key, certificate, above, password, friendly_name=args.name, compat=args.compat)
    write_over(path, Content(octets, SECRET))
    out.bundle_made(path, password if given is None else None, args.name, compat=args.compat, as_json=_json(args))
    return 0


def _server(args: argparse.Namespace) -> int:
    hosts = (*args.dns, *args.ip) or (args.name,)
    check_key_type(args.key)
    issuer = _issuer(args)
    with _making_a_key(args.key):
        issued = issuer.issue_server(
            args.name, hosts, key_type=args.key, lifetime=timedelta(days=args.days), now=_now()
        )
    out.server_issued(issued, hosts, _folder(args), as_json=_json(args))
    return 0


def _renew(args: argparse.Namespace) -> int:
    lifetime = timedelta(days=args.days) if args.days else None
    if same_name(args.name, AUTHORITY_NAME):
        certificate = _issuer(args).renew_authority(lifetime=lifetime or timedelta(days=365), now=_now())
        out.authority_renewed(certificate, _folder(args), as_json=_json(args))
        return 0
    if args.new_key:
        check_key_type(args.new_key)
    if args.invite:
        return _renew_by_invitation(args, lifetime)
    wish = _bundle_wish(args)
    issuer = _issuer(args)
    with _making_a_key(args.new_key) if args.new_key else nullcontext():
        issued = issuer.renew(
            args.name, bundle=wish, new_key_type=args.new_key, keep_old=args.keep_old, lifetime=lifetime, now=_now()
        )
    out.renewed(issued, compat=args.compat, as_json=_json(args))
    return 0


def _renew_by_invitation(args: argparse.Namespace, lifetime: timedelta | None) -> int:
    """The old one is not revoked: with it, the holder fetches the new one."""
    way, store = ca_invite.Way(args), Store(_folder(args))
    folder, gate, wish = way.folder(), way.gate(), _bundle_wish(args)
    old = latest(store.index(), args.name)
    if old.kind is not Kind.CLIENT or not old.holds_key:
        raise AuthorityError(
            f"the key of {old.name} is not kept here, or is a server's; for a computer that keeps its own: "
            f"gatekeeper ca invite {old.name} --csr, then gatekeeper ca approve {old.name} --replace"
        )
    # A renewal that was not fetched is replaced in turn: what the holder shows is the one before it.
    replaces = ca_invite.not_fetched(folder, old.serial_hex) or store.issued(old).fingerprint(SHA256()).hex()
    issuer = _issuer(args)
    with _making_a_key(args.new_key) if args.new_key else nullcontext():
        issued = issuer.renew(
            args.name, bundle=wish, new_key_type=args.new_key, keep_old=True, lifetime=lifetime, now=_now()
        )
    one = ca_invite.put(
        folder, gate, issued, issued.password or wish.password or "", timedelta(seconds=args.valid), replaces=replaces
    )
    ca_invite.invited(issued, one, issued.password, qr=args.qr, as_json=_json(args))
    return 0


def _revoke(args: argparse.Namespace) -> int:
    store = Store(_folder(args))
    serials = _serials(args, store)
    Issuer(store, _passphrase(args)).revoke(serials, RevocationReason(args.reason), now=_now())
    out.revoked(store.index(), serials, store.path, as_json=_json(args))
    return 0


def _crl(args: argparse.Namespace) -> int:
    lifetime = timedelta(days=args.days) if args.days else None
    crl = _issuer(args).rewrite_crl(lifetime, now=_now())
    out.crl_written(crl, _folder(args), as_json=_json(args))
    return 0


def _list(args: argparse.Namespace) -> int:
    store = Store(_folder(args))
    within = None if args.expiring is None else timedelta(days=args.expiring)
    out.listing(store.index(), store.certificate(), store.crl(), _now(), within=within, as_json=_json(args))
    return 0


def _show(args: argparse.Namespace) -> int:
    now = _now()
    store = _store_if_any(args)
    index = store.index() if store else Index()
    trust = _trust(store, now) if store else None
    if store and (certificate := _certificate(store, index, args.what)):
        found: tuple[Explanation, ...] = (explain_certificate(certificate, trust, now),)
    elif Path(args.what).exists():
        found = explain(
            read_file(Path(args.what)),
            args.what,
            trust=trust,
            ask_password=lambda: open_password(args.password_file, args.what),
            now=now,
        )
    else:
        raise AuthorityError(f"{args.what} is neither a name or serial that was issued here, nor a file")
    out.explanations(found, _folder(args) if store else None, as_json=_json(args))
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "init": _init,
    "issue": _issue,
    "invite": _invite,
    "approve": _approve,
    "csr": _csr,
    "sign": _sign,
    "p12": _p12,
    "server": _server,
    "renew": _renew,
    "revoke": _revoke,
    "crl": _crl,
    "list": _list,
    "show": _show,
}


def _serials(args: argparse.Namespace, store: Store) -> tuple[int, ...]:
    """What is to be revoked: a name's certificates still in force, or the one of a serial or of a file."""
    index = store.index()
    if named := index.named(args.what):
        serials = tuple(entry.serial for entry in index.in_force(args.what, _now()))
        if not serials:
            raise AuthorityError(f"{named[-1].name} has no certificate in force; nothing was revoked")
        return serials
    if Path(args.what).is_file():
        return (_serial_of_file(Path(args.what), store.certificate()),)
    digits = args.what.replace(":", "")
    if not _SERIAL.fullmatch(digits):
        raise AuthorityError(f"{args.what} is neither a name nor a serial that was issued here, nor a file")
    serial = int(digits, 16)
    if not (args.unlisted and serial) and all(entry.serial != serial for entry in index.entries):
        raise AuthorityError(
            f"no certificate with serial {args.what} was issued here; if openssl did, give its file, or add --unlisted"
        )
    return (serial,)


def _serial_of_file(path: Path, authority: x509.Certificate) -> int:
    certificate = read_certificate_pem(read_file(path), str(path))
    if not is_signed_by(certificate, authority):
        raise AuthorityError(f"{path} was not signed by {common_name(authority.subject)}, so it is not ours to revoke")
    return certificate.serial_number


def _certificate(store: Store, index: Index, what: str) -> x509.Certificate | None:
    """The newest certificate of a name, the one of a serial, or (``ca``) the authority's own."""
    if same_name(what, AUTHORITY_NAME):
        return store.certificate()
    if named := index.named(what):
        return store.issued(named[-1])
    digits = what.replace(":", "")
    serial = int(digits, 16) if _SERIAL.fullmatch(digits) else None
    return next((store.issued(entry) for entry in index.entries if entry.serial == serial), None)


def _trust(store: Store, now: datetime) -> Trust:
    """That of a gate which has the folder's own list, lost or damaged as it may be."""
    crl = None
    with suppress(AuthorityError):
        crl = store.crl()
    return trusting(store.certificate(), crl, now=now)


def _making_a_key(key_type: str) -> AbstractContextManager[None]:
    """RSA takes a second or two, on a small machine ten."""
    return working(f"Making a key, {key_type}")


def _folder(args: argparse.Namespace) -> Path:
    given: Path | None = getattr(args, "dir", None)
    return given or Path(os.environ.get(FOLDER_VARIABLE) or "ca")


def _store_if_any(args: argparse.Namespace) -> Store | None:
    """`show` explains files without an authority too, unless one was asked for by name."""
    store = Store(_folder(args))
    return store if "dir" in args or store.exists() else None


def _issuer(args: argparse.Namespace) -> Issuer:
    store = Store(_folder(args))
    store.certificate()  # says that there is no authority before it asks for a passphrase
    return Issuer(store, _passphrase(args))


def _passphrase(args: argparse.Namespace) -> bytes:
    return existing_passphrase(_passphrase_file(args), str(_folder(args) / KEY))


def _passphrase_file(args: argparse.Namespace) -> Path | None:
    return getattr(args, "passphrase_file", None)


def _json(args: argparse.Namespace) -> bool:
    return getattr(args, "json", False)


def _grant(args: argparse.Namespace) -> Grant:
    return Grant(tuple(args.ou), tuple(args.email), tuple(args.dns), tuple(args.uri))


def _bundle_wish(args: argparse.Namespace) -> BundleWish:
    password = bundle_password(args.password_file, ask=args.ask_password, what=f"{args.name}.p12")
    if password is not None and not password.strip():
        raise AuthorityError("an empty password protects nothing: the bundle holds the private key")
    return BundleWish(password, getattr(args, "compat", False))


def _must_not_exist(path: Path) -> None:
    if path.exists():
        raise AuthorityError(f"{path} is there already, and a key cannot be had back; move it away first")


def _now() -> datetime:
    return datetime.now(UTC)
