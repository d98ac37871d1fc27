"""``gatekeeper ca approve``: sign the request of a computer after its key was compared.

The gate can write into the folder of invitations, and anyone with the link can send a request. So the names that are
granted come from the command line, and a person or a script compares the key's fingerprint.
"""

import argparse
import shlex
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gatekeeper.ca.index import Entry
from gatekeeper.ca.issuer import Issued, Issuer
from gatekeeper.ca.keys import describe_key
from gatekeeper.ca.names import check_name, printable
from gatekeeper.ca.renewal import shown_entry
from gatekeeper.ca.revocation import RevocationReason
from gatekeeper.ca.store import Store
from gatekeeper.ca.subject import common_name
from gatekeeper.cli.ca.fields import issued_fields
from gatekeeper.cli.ca.invitations import is_id
from gatekeeper.cli.ca.link import Destination, chain_of
from gatekeeper.cli.ca.options import current_time, grant_of, opened_issuer, wants_json
from gatekeeper.cli.ca.printing import print_notes
from gatekeeper.cli.ca.withdrawal import cancelled_fields, print_cancelled_with
from gatekeeper.cli.terminal import print_json
from gatekeeper.errors import AuthorityError, InvitationError, UsageError
from gatekeeper.gate.keys import public_key_of
from gatekeeper.invitations.folder import Invitations, StoredInvitation, request_name
from gatekeeper.invitations.invitation import InvitationKind
from gatekeeper.invitations.request import EnrolmentRequest, mark_of_key, read_csr, read_request, spki_sha256
from gatekeeper.invitations.state import Stage


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that is not signed yet: ``key`` describes its key, ``spki`` is the SHA-256 of the public key in hex."""

    stored: StoredInvitation
    request: EnrolmentRequest
    key: str
    spki: str


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    folder = Destination(args).folder()
    waiting = find_waiting(folder, args.name)
    must_know_the_name(waiting, args)
    must_be_sure(waiting, args.fingerprint, yes=args.yes)
    must_still_wait(folder, waiting)  # time has passed since, and --replace revokes
    cancelled: list[StoredInvitation] = []
    with opened_issuer(args, cancelled) as issuer:
        issued = _sign(issuer, args, folder, waiting)
    if wants_json(args):
        print_json(_fields(issued, waiting) | cancelled_fields(cancelled))
    else:
        _print(issued, waiting)
        print_cancelled_with(cancelled)
    return 0


def _sign(issuer: Issuer, args: argparse.Namespace, folder: Invitations, waiting: Waiting) -> Issued:
    if waiting.stored.invitation.kind is InvitationKind.RENEWAL:
        return _sign_renewal(issuer, args, folder, waiting)
    name = check_name(waiting.stored.invitation.name)
    issued = issuer.sign(
        waiting.request.pem.encode(),
        f"the request of {name}",
        replace(grant_of(args), common_name=name),
        name=name,
        replace_older=args.replace,
        lifetime=timedelta(days=args.days),
        now=current_time(),
    )
    hand_out(folder, waiting.stored, issuer, issued, current_time())
    return issued


def _sign_renewal(issuer: Issuer, args: argparse.Namespace, folder: Invitations, waiting: Waiting) -> Issued:
    """Sign a renewal that `gatekeeper ca watch` did not; names and lifetime are those of the old certificate."""
    if args.ou or args.email or args.dns or args.uri or args.replace:
        raise UsageError("a renewal grants what the certificate grants that it follows, and does not revoke it")
    old = shown_entry(issuer.store, waiting.request)
    if objection := misnamed(issuer.store, waiting.stored, old):
        raise AuthorityError(f"{objection}; nothing was signed")
    source = f"the request of {old.name}"
    issued = issuer.sign_renewal(old, waiting.request.pem.encode(), source, now=current_time())
    hand_out(folder, waiting.stored, issuer, issued, current_time())
    return issued


def hand_out(folder: Invitations, stored: StoredInvitation, issuer: Issuer, issued: Issued, now: datetime) -> None:
    """Store a certificate beside its request. If the request was cancelled meanwhile, revoke it: AuthorityError."""
    if folder.sign(stored, chain_of(issuer, issued), now.timestamp()):
        return
    issuer.revoke((issued.entry.serial,), RevocationReason.UNSPECIFIED, now=now)
    before = ", and so is the previous one" if issued.superseded else ""
    name = issued.entry.name
    raise AuthorityError(f"the invitation of {name} was cancelled just now; its certificate is revoked{before}")


def misnamed(store: Store, stored: StoredInvitation, old: Entry) -> str:
    """Why the name in the folder, by which a person approves, is not that of the certificate; "" if it is."""
    if stored.invitation.name == common_name(store.issued(old).subject):
        return ""
    return f"the certificate that was shown is another one's, {old.name}: the folder was tampered with"


def find_waiting(invitations: Invitations, what: str) -> Waiting:
    """The request that waits for this name or id; InvitationError if there is none, or more than one."""
    now = datetime.now(UTC).timestamp()
    named = [one for one in invitations.all() if what == one.invitation.name or is_id(what, one)]
    asked = [one for one in (invitations.aged(one, now) for one in named) if one.state.stage is Stage.ASKED]
    if not asked:
        why = "no request came yet" if any(one.state.stage is Stage.OPEN for one in named) else "nothing waits for it"
        raise InvitationError(f"there is nothing to approve for {what!r}: {why}; see gatekeeper ca invite --list")
    if len(asked) > 1:
        ids = ", ".join(one.identifier[:8] for one in asked)
        raise InvitationError(f"several requests wait for {what!r}; say which by its id: {ids}")
    return read_waiting(invitations, asked[0])


def read_waiting(invitations: Invitations, stored: StoredInvitation) -> Waiting:
    """The request of an invitation; InvitationError if it is gone, exchanged or not to be signed."""
    content = invitations.read(stored, request_name(stored.state))
    if content is None:
        raise InvitationError(f"the request of {stored.invitation.name} is not there any more")
    request = read_request(content, request_name(stored.state))
    try:
        csr = read_csr(request.pem.encode())
    except ValueError as error:
        raise InvitationError(f"the request of {stored.invitation.name} cannot be signed: {error}") from error
    spki = spki_sha256(csr)
    if mark_of_key(spki) != stored.state.mark:
        raise InvitationError(f"the request of {stored.invitation.name} was replaced in the folder; cancel it")
    return Waiting(stored, request, describe_key(public_key_of(csr)), spki)


def must_know_the_name(one: Waiting, args: argparse.Namespace) -> None:
    """UsageError if a script approves by id alone: the stored name could have been written by a compromised gate."""
    name = one.stored.invitation.name
    if args.confirmed_name is not None and args.confirmed_name != name:
        raise AuthorityError(f"the invitation {args.name} is not for {args.confirmed_name}; nothing was signed")
    if (args.fingerprint or args.yes) and name not in (args.name, args.confirmed_name):
        raise UsageError(
            "an id does not say who gets the certificate, and what the folder says the gate could have written: "
            "add --name NAME, as it was invited"
        )


def must_be_sure(one: Waiting, fingerprint: str | None, *, yes: bool) -> None:
    """Make sure that the key is the expected one.

    AuthorityError if its fingerprint differs or the person declines; UsageError if there is no fingerprint and nobody
    to ask.
    """
    if fingerprint is not None:
        told = fingerprint.lower().removeprefix("sha256:").replace(":", "")
        if told != one.spki:
            name = shlex.quote(one.stored.invitation.name)
            raise AuthorityError(
                f"the request has a different key, {one.spki}; nothing was signed. "
                f"Somebody else may have the link: gatekeeper ca invite --cancel {name}"
            )
        return
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("compare the key: --fingerprint SHA256, as gatekeeper enroll prints it; or --yes")
    for line in described(one):
        print(line, file=sys.stderr)
    print("Is this the fingerprint that the computer shows? Sign it? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise AuthorityError("nothing was signed; the request is still waiting")


def must_still_wait(invitations: Invitations, one: Waiting) -> None:
    """InvitationError if the request was cancelled, signed or has expired since `find_waiting`."""
    if invitations.find(one.stored.invitation.digest) != one.stored:
        name = one.stored.invitation.name
        raise InvitationError(f"the request of {name} is no longer waiting; nothing was signed")


def described(one: Waiting) -> tuple[str, ...]:
    """The lines that a person compares."""
    came = datetime.fromtimestamp(one.request.came, UTC)
    renews = ("Renewal:     of the certificate that the computer has now, and names itself by",)
    return (
        f"Name:        {printable(one.stored.invitation.name)}",
        *(renews if one.stored.invitation.kind is InvitationKind.RENEWAL else ()),
        f"Key:         {one.key}",
        f"Fingerprint: {one.spki}",
        f"Came from:   {printable(one.request.address)}, {came:%Y-%m-%d %H:%M:%S} UTC, {printable(one.request.agent)}",
    )


def _fields(issued: Issued, one: Waiting) -> dict[str, Any]:
    return issued_fields(issued) | {"spki": one.spki, "address": one.request.address}


def _print(issued: Issued, one: Waiting) -> None:
    for line in described(one):
        print(line)
    print()
    print(f"The certificate of {issued.entry.name} is valid until {issued.entry.not_after:%Y-%m-%d}.")
    print("gatekeeper enroll fetches it now.")
    print_notes(issued)
