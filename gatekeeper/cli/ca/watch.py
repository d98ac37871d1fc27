"""``gatekeeper ca watch``: sign the renewals that the policy allows, and report those that a person must decide on."""

import argparse
import json
import sys
import time
from datetime import datetime, timedelta

from gatekeeper.ca.index import iso
from gatekeeper.ca.issuer import Issued, Issuer
from gatekeeper.ca.names import printable
from gatekeeper.ca.renewal import RenewalPolicy, Ruling, rule
from gatekeeper.ca.store import KEY, Store
from gatekeeper.cli.ca.approve import Waiting, hand_out, misnamed, read_waiting
from gatekeeper.cli.ca.link import Destination
from gatekeeper.cli.ca.options import current_time, folder_of, next_command, passphrase_file, wants_json
from gatekeeper.cli.passphrases import existing_passphrase
from gatekeeper.errors import AuthorityError, InvitationError
from gatekeeper.invitations.folder import Invitations, StoredInvitation
from gatekeeper.invitations.invitation import InvitationKind
from gatekeeper.invitations.state import Stage


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    folder = Destination(args).folder()
    store = Store(folder_of(args))
    store.must_exist()
    passphrase = existing_passphrase(passphrase_file(args), str(store.path / KEY))
    Issuer(store, passphrase)  # report a wrong passphrase at once, not with the first renewal
    policy = RenewalPolicy(timedelta(seconds=args.at_most_every), trust_gate=args.trust_gate)
    watch = Watch(folder, store, passphrase, policy, args)
    while True:
        watch.look(current_time())
        if args.once:
            return 0
        time.sleep(args.interval)


class Watch:
    """Checks the folder repeatedly; reports each renewal that it does not sign once."""

    def __init__(
        self, folder: Invitations, store: Store, passphrase: bytes, policy: RenewalPolicy, args: argparse.Namespace
    ) -> None:
        self._folder = folder
        self._store = store
        self._passphrase = passphrase
        self._policy = policy
        self._args = args
        self._told: set[tuple[str, str]] = set()
        self._now: datetime  # seen in the current check

    def look(self, now: datetime) -> None:
        """Sign the renewals that are allowed now. If the folder or the authority is unavailable, that is reported, and
        tried again.
        """
        told, self._told, self._now = self._told, set(), now
        try:
            for stored in self._folder.all():
                if stored.invitation.kind is InvitationKind.RENEWAL and stored.state.stage is Stage.ASKED:
                    self._consider(self._folder.aged(stored, now.timestamp()), told, now)
        except InvitationError as error:
            self._leave("", str(error), told)

    def _consider(self, stored: StoredInvitation, told: set[tuple[str, str]], now: datetime) -> None:
        if stored.state.stage is not Stage.ASKED:
            return
        try:
            waiting = read_waiting(self._folder, stored)
            ruling = rule(self._store, waiting.request, self._policy, now)
            objection = ruling.objection or misnamed(self._store, stored, ruling.old)
            if not objection:
                self._sign(waiting, ruling, now)
                return
        except (AuthorityError, InvitationError) as error:
            objection = str(error)
        self._leave(stored.identifier[:8], f"{printable(stored.invitation.name)}: {objection}", told)

    def _sign(self, waiting: Waiting, ruling: Ruling, now: datetime) -> None:
        source = f"the request of {ruling.old.name}"
        with self._store.opened():
            issuer = Issuer(self._store, self._passphrase)
            if ruling.issued is not None:
                issued = Issued(ruling.issued, ())
            else:
                issued = issuer.sign_renewal(ruling.old, waiting.request.pem.encode(), source, now=now)
            hand_out(self._folder, waiting.stored, issuer, issued, now)
        entry = issued.entry
        if wants_json(self._args):
            _say_json(
                time=iso(now), state="signed", name=entry.name, serial=entry.serial_hex, not_after=iso(entry.not_after)
            )
        else:
            until = f"{entry.not_after:%Y-%m-%d %H:%M} UTC"
            print(f"{_time(now)}: {entry.name} is renewed until {until} ({entry.serial_hex})", flush=True)

    def _leave(self, identifier: str, why: str, told: set[tuple[str, str]]) -> None:
        self._told.add((identifier, why))
        if (identifier, why) in told:
            return
        if wants_json(self._args):
            _say_json(time=iso(self._now), state="left", id=identifier or None, why=why)
            return
        print(f"{_time(self._now)}: gatekeeper: {why}", file=sys.stderr)
        if identifier:
            print(
                f"  to sign it all the same: {next_command(self._args, 'approve', identifier)}",
                file=sys.stderr,
                flush=True,
            )


def _time(now: datetime) -> str:
    """When something happened: the command runs for months."""
    return f"{now:%Y-%m-%d %H:%M:%S} UTC"


def _say_json(**fields: str | None) -> None:
    """Print one line, so that a script can read it while the command runs."""
    print(json.dumps(fields), flush=True)
