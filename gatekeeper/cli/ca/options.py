"""What the options that several commands share stand for: the folder, its passphrase, a grant, a bundle."""

import argparse
import os
import shlex
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gatekeeper.ca.issuer import Grant, Issued, Issuer
from gatekeeper.ca.store import KEY, Store
from gatekeeper.ca.transaction import BundleOptions
from gatekeeper.cli.passphrases import bundle_password, existing_passphrase
from gatekeeper.cli.terminal import working
from gatekeeper.invitations.folder import StoredInvitation

FOLDER_VARIABLE = "GATEKEEPER_CA"


@contextmanager
def opened_issuer(args: argparse.Namespace, cancelled: list[StoredInvitation] | None = None) -> Iterator[Issuer]:
    """The authority, unlocked and open for this command alone: one lock, and every file read once.

    The passphrase is asked for before the folder is locked: a forgotten prompt must not stop a nightly timer. Whatever
    certificates the command withdraws, their open invitations are cancelled at its end and added to ``cancelled``.
    """
    store = Store(folder_of(args))
    store.must_exist()
    passphrase = existing_passphrase(passphrase_file(args), str(store.path / KEY))
    with store.opened():
        before = store.index()
        try:
            yield Issuer(store, passphrase)
        finally:
            after = store.index()
            if (after.revocations, after.retired) != (before.revocations, before.retired):
                from gatekeeper.cli.ca.withdrawal import cancelled_with  # the configuration, with pydantic

                found = cancelled_with(args, after, current_time())
                if cancelled is not None:
                    cancelled += found


def folder_of(args: argparse.Namespace) -> Path:
    """The authority's folder: ``--dir``, else the environment's, else ``ca`` here."""
    given: Path | None = getattr(args, "dir", None)
    return given or Path(os.environ.get(FOLDER_VARIABLE) or "ca")


def passphrase_file(args: argparse.Namespace) -> Path | None:
    """The file given by ``--passphrase-file``, before or after the command."""
    return getattr(args, "passphrase_file", None)


def wants_json(args: argparse.Namespace) -> bool:
    """Whether ``--json`` was given, before or after the command."""
    return getattr(args, "json", False)


def grant_of(args: argparse.Namespace) -> Grant:
    """What the operator grants a client beside its name."""
    return Grant(
        tuple(args.ou),
        tuple(args.email),
        tuple(args.dns),
        tuple(args.uri),
        as_requested=getattr(args, "as_requested", False),
    )


def bundle_options(args: argparse.Namespace) -> BundleOptions:
    """How the ``.p12`` is wanted; AuthorityError for an empty password."""
    password = bundle_password(args.password_file, ask=args.ask_password, what=f"{args.name}.p12")
    return BundleOptions(password, getattr(args, "compat", False))


def issue_client(issuer: Issuer, args: argparse.Namespace, options: BundleOptions) -> Issued:
    """Issue the certificate that the options of ``issue`` or ``invite`` describe."""
    with making_a_key(args.key):
        return issuer.issue(
            args.name,
            grant_of(args),
            bundle=options,
            key_type=args.key,
            lifetime=timedelta(days=args.days),
            now=current_time(),
        )


def making_a_key(key_type: str) -> AbstractContextManager[None]:
    """Show progress while a key is generated: RSA takes seconds, ten on a small machine."""
    return working(f"Making a key, {key_type}")


def current_time() -> datetime:
    """The current time, in UTC."""
    return datetime.now(UTC)


def next_command(args: argparse.Namespace, *words: str) -> str:
    """A command for the operator to run next, with this one's options for folder, configuration and invitations."""
    given = [("--dir", getattr(args, "dir", None)), ("-c", args.config), ("--invitations", args.invitations)]
    options = [part for option, value in given if value is not None for part in (option, str(value))]
    return shlex.join(["gatekeeper", "ca", *words, *options])
