"""The command line of ``gatekeeper ca``. Each command is the module of its name, imported when it runs."""

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from gatekeeper.cli.ca.argument_types import MAX, days, interval, list_days, span, validity
from gatekeeper.cli.parser import Commands, Parser, word_of

_PASSPHRASES = """\
The folder is --dir, else $GATEKEEPER_CA, else ./ca. The passphrase of its key
is read from --passphrase-file, else from $GATEKEEPER_CA_PASSPHRASE, else asked
for. It is never an argument: others can see those in the list of processes."""


_EXAMPLES = {
    "init": 'gatekeeper ca init --cn "Home CA"',
    "issue": "gatekeeper ca issue alice --email alice@example.com",
    "invite": "gatekeeper ca invite alice --url https://gate.example.com",
    "approve": "gatekeeper ca approve backup-server",
    "watch": "gatekeeper ca watch --invitations /var/lib/gatekeeper/invitations",
    "csr": "gatekeeper ca csr alice",
    "sign": "gatekeeper ca sign alice.csr",
    "p12": "gatekeeper ca p12 alice --compat",
    "server": "gatekeeper ca server localhost --dns localhost --ip 127.0.0.1",
    "renew": "gatekeeper ca renew alice",
    "revoke": "gatekeeper ca revoke alice --reason key-compromise",
    "crl": "gatekeeper ca crl --if-due",
    "rollover": "gatekeeper ca rollover",
    "retire": "gatekeeper ca retire",
    "list": "gatekeeper ca list --expiring 30d",
    "show": "gatekeeper ca show alice.p12",
}


def add_command(commands: Commands) -> None:
    """Add ``ca`` with its subcommands; each leaves ``run`` in the namespace, which returns the exit code."""
    common = _common()
    parser = commands.add_parser(
        "ca",
        help="the certificate authority: issue, sign, renew and revoke certificates",
        description="The certificate authority: from nothing to a certificate on a phone.",
        epilog=f"example: gatekeeper ca --dir ca issue alice\n\n{_PASSPHRASES}",
        parents=[common],
    )
    words = parser.add_commands()

    def add(word: str, summary: str) -> Parser:
        parser = words.add_parser(
            word,
            help=summary,
            description=f"{summary[:1].upper()}{summary[1:]}.",
            epilog=f"example: {_EXAMPLES[word]}\n\n{_PASSPHRASES}",
            parents=[common],
        )
        parser.set_defaults(run=_run, ca_command=word)
        return parser

    for add_word in (
        _init, _issue, _invite, _approve, _watch, _csr, _sign, _p12, _server, _renew, _revoke, _crl, _rollover, _retire,
        _list, _show,
    ):  # fmt: skip
        add_word(add)


# As in `gatekeeper.ca.revocation.RevocationReason`, which is not imported here.
REASONS = (
    "unspecified",
    "key-compromise",
    "affiliation-changed",
    "superseded",
    "cessation-of-operation",
    "privilege-withdrawn",
)

# As easy-rsa and mkcert make an authority.
_AUTHORITY_DAYS = 3650

_Add = Callable[[str, str], Parser]


def _run(args: argparse.Namespace) -> int:
    code: int = import_module(f"gatekeeper.cli.ca.{args.ca_command}").run(args)
    return code


def _common() -> Parser:
    """Options allowed before and after the command; SUPPRESS keeps the second parser from resetting them."""
    common = Parser(add_help=False)
    common.add_argument("--dir", type=Path, default=argparse.SUPPRESS, help="the authority's folder")
    common.add_argument(
        "--passphrase-file", type=Path, metavar="FILE", default=argparse.SUPPRESS, help="read the passphrase from FILE"
    )
    common.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON, for scripts")
    return common


def _init(add: _Add) -> None:
    parser = add("init", "create an authority, or adopt one that openssl made")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--cn", metavar="NAME", help='what the authority is called, such as "Home CA"')
    what.add_argument(
        "--adopt", nargs=2, type=Path, metavar=("CA.CRT", "CA.KEY"), help="take over this certificate and its key"
    )
    _add_days(parser, _AUTHORITY_DAYS)
    _add_key(parser)
    parser.add_argument(
        "--crl", type=Path, metavar="FILE", help="with --adopt: its last revocation list, to continue from"
    )
    parser.add_argument(
        "--crl-days",
        type=list_days,
        default=MAX,
        metavar="DAYS",
        help="how long a CRL is valid (max: as long as the authority)",
    )


def _issue(add: _Add) -> None:
    parser = add("issue", "issue key, certificate and .p12 bundle for a client")
    parser.add_argument("name", metavar="NAME", help="the person or the device")
    _add_days(parser)
    _add_key(parser)
    _add_grant(parser)
    _add_bundle(parser)


def _invite(add: _Add) -> None:
    parser = add("invite", "issue a certificate, and a link (QR code) to fetch it with")
    parser.add_argument("name", metavar="NAME", nargs="?", help="the person or the device")
    _add_link(parser)
    parser.add_argument(
        "--csr",
        action="store_true",
        help="issue no certificate yet: a computer generates its own key with gatekeeper enroll LINK",
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--list", action="store_true", help="list the invitations and their states")
    instead.add_argument(
        "--cancel", metavar="NAME|ID", help="cancel an invitation: delete its files, revoke its certificate"
    )
    _add_days(parser)
    _add_key(parser)
    _add_grant(parser)
    _add_password(parser)


def _approve(add: _Add) -> None:
    parser = add("approve", "sign the request that a computer sent to its invitation (ca invite --csr)")
    parser.add_argument("name", metavar="NAME", help="who was invited, or the id in ca invite --list")
    sure = parser.add_mutually_exclusive_group()
    sure.add_argument(
        "--fingerprint", metavar="SHA256", help="sign if the key has this fingerprint, as gatekeeper enroll prints it"
    )
    sure.add_argument("--yes", action="store_true", help="sign without confirmation, whoever sent it")
    parser.add_argument(
        "--name",
        dest="confirmed_name",
        metavar="NAME",
        help="with an id: the name that was invited; no other is signed",
    )
    parser.add_argument("--replace", action="store_true", help="revoke the certificates that this name has now")
    _add_folder(parser)
    _add_days(parser)
    _add_grant(parser)


def _watch(add: _Add) -> None:
    parser = add("watch", "sign the renewals of machines (enroll --renew, EST) that the policy allows")
    parser.add_argument("--once", action="store_true", help="check once and exit, for a timer")
    parser.add_argument("--interval", type=interval, default="10s", metavar="TIME", help="how often to check (10s)")
    parser.add_argument(
        "--at-most-every",
        type=interval,
        default="12h",
        metavar="TIME",
        help="leave a renewal of a younger certificate to ca approve (12h)",
    )
    parser.add_argument(
        "--trust-gate",
        action="store_true",
        help="sign a new key without a signature by the old one, trusting the gate about whose it is (EST)",
    )
    _add_folder(parser)


def _csr(add: _Add) -> None:
    parser = add("csr", "generate a key and a request (CSR), on the device that keeps the key")
    parser.add_argument("name", metavar="NAME", help="the person or the device")
    _add_key(parser)
    _add_grant(parser)
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="FOLDER", help="where to put NAME.key and NAME.csr (.)"
    )
    parser.add_argument("--no-passphrase", action="store_true", help="leave the key unencrypted, for a machine")


def _sign(add: _Add) -> None:
    parser = add("sign", "sign a request (CSR) that was made elsewhere")
    parser.add_argument("request", type=Path, metavar="FILE.csr", help="the request, PEM or DER")
    parser.add_argument("--name", metavar="NAME", help="what to call the files (the request's common name)")
    _add_days(parser)
    _add_grant(parser)
    parser.add_argument(
        "--as-requested", action="store_true", help="grant the whole subject and all names that the request asks for"
    )
    parser.add_argument("--replace", action="store_true", help="revoke the certificates that this name has now")
    _add_folder(parser)


def _p12(add: _Add) -> None:
    parser = add("p12", "write a client's .p12 bundle again")
    parser.add_argument("name", metavar="NAME", help="the person or the device")
    _add_bundle(parser)
    parser.add_argument("--key", type=Path, metavar="FILE", help="a key that is not in the authority's folder")
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="the certificate of that key")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="the authority's certificate, to be included")


def _server(add: _Add) -> None:
    parser = add("server", "issue key and certificate for a server that has no public certificate")
    parser.add_argument(
        "name", metavar="NAME", help="what to call the files, and the host if no --dns or --ip is given"
    )
    parser.add_argument(
        "--dns", action="append", default=[], metavar="HOST", help="a host name in the certificate (repeatable)"
    )
    parser.add_argument(
        "--ip", action="append", default=[], metavar="ADDRESS", help="an IP address in the certificate (repeatable)"
    )
    _add_days(parser)
    _add_key(parser)


def _renew(add: _Add) -> None:
    parser = add("renew", "renew the certificate of a client, a server, or (NAME ca) the authority")
    parser.add_argument("name", metavar="NAME", nargs="?", help="the client or the server, or ca for the authority")
    whose = parser.add_mutually_exclusive_group()
    whose.add_argument(
        "--expiring",
        type=span,
        metavar="30d",
        help="with --invite: every client whose certificate expires by then (12h, 30d, 2w, 1y)",
    )
    whose.add_argument(
        "--old-authority",
        action="store_true",
        help="with --invite: every client that has no certificate of the next authority yet (see ca rollover)",
    )
    parser.add_argument("--days", type=days, metavar="DAYS", help="how long it is valid (as long as the previous one)")
    parser.add_argument(
        "--new-key", nargs="?", const="rsa:4096", metavar="TYPE", help="for a new key, instead of the same one"
    )
    parser.add_argument(
        "--keep-old", action="store_true", help="do not revoke the previous one; it stays valid until it expires"
    )
    parser.add_argument(
        "--invite",
        action="store_true",
        help="have the device fetch it by a link or at /.gatekeeper/me; implies --keep-old",
    )
    # The same time for which visitors are warned (identity.expiry_warning) and then open /.gatekeeper/me.
    _add_link(parser, valid="14d")
    _add_bundle(parser)


def _revoke(add: _Add) -> None:
    parser = add("revoke", "revoke certificates")
    parser.add_argument("what", metavar="NAME|SERIAL|FILE", help="all certificates of a name, or one")
    parser.add_argument(
        "--reason",
        default="unspecified",
        choices=REASONS,
        type=word_of(REASONS),
        metavar="REASON",
        help=", ".join(REASONS),
    )
    parser.add_argument("--unlisted", action="store_true", help="also revoke a serial that is not in the index")
    _add_folder(parser)


def _crl(add: _Add) -> None:
    parser = add("crl", "sign the revocation list again, before it expires")
    parser.add_argument(
        "--days",
        type=list_days,
        metavar="DAYS",
        help="how long CRLs are valid from now on (max: as long as the authority)",
    )
    parser.add_argument(
        "--if-due", action="store_true", help="only if less than a third of its lifetime is left; for timers"
    )


def _rollover(add: _Add) -> None:
    parser = add("rollover", "create the next authority; this one stays trusted until ca retire")
    _add_days(parser, _AUTHORITY_DAYS)
    _add_key(parser)


def _retire(add: _Add) -> None:
    parser = add("retire", "end the old authority after a rollover, once every client has a certificate of the new one")
    parser.add_argument(
        "--force",
        action="store_true",
        help="even if that locks out clients that still have a certificate of the old one",
    )
    _add_folder(parser)


def _list(add: _Add) -> None:
    parser = add("list", "list the certificates that were issued")
    parser.add_argument(
        "--expiring", type=span, metavar="30d", help="only certificates that expire by then (12h, 30d, 2w, 1y)"
    )
    _add_folder(parser)


def _show(add: _Add) -> None:
    parser = add("show", "describe a certificate, request, CRL, .p12 or key, and say whether a gate admits it")
    parser.add_argument("what", metavar="NAME|SERIAL|FILE", help="a name or a serial of this authority, or any file")
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="the password of a .p12")


def _add_link(parser: Parser, *, valid: str = "24h") -> None:
    parser.add_argument(
        "--trust",
        action="append",
        default=[],
        metavar="HOST",
        help="the gate's certificate is this authority's: let the device trust it, for HOST alone (repeatable)",
    )
    parser.add_argument(
        "--valid", type=validity, default=valid, metavar="TIME", help=f"how long the link works ({valid})"
    )
    parser.add_argument("--url", metavar="URL", help="the gate's address, such as https://gate.example.com")
    _add_folder(parser)
    parser.add_argument("--qr", action="store_true", help="print the QR code even if the output is not a terminal")


def _add_folder(parser: Parser) -> None:
    parser.add_argument("--invitations", type=Path, metavar="FOLDER", help="the folder that the gate reads")
    parser.add_argument(
        "-c", "--config", type=Path, metavar="FILE", help="the gate's configuration, if it is on this machine"
    )


def _add_days(parser: Parser, default: int = 365) -> None:
    parser.add_argument("--days", type=days, default=default, metavar="DAYS", help=f"how long it is valid ({default})")


def _add_key(parser: Parser) -> None:
    kinds = "rsa:4096 (the default), rsa:3072, rsa:2048, ec:p256, ec:p384, ec:p521, ed25519, ml-dsa-65"
    parser.add_argument("--key", default="rsa:4096", metavar="TYPE", help=kinds)


def _add_grant(parser: Parser) -> None:
    for option, what in (
        ("email", "an e-mail address"),
        ("ou", "an organizational unit"),
        ("dns", "a host name"),
        ("uri", "a URI"),
    ):
        parser.add_argument(
            f"--{option}", action="append", default=[], metavar="TEXT", help=f"{what} in the certificate (repeatable)"
        )


def _add_bundle(parser: Parser) -> None:
    parser.add_argument("--compat", action="store_true", help="a .p12 for importers that know only 3DES and SHA-1")
    _add_password(parser)


def _add_password(parser: Parser) -> None:
    password = parser.add_mutually_exclusive_group()
    password.add_argument("--password-file", type=Path, metavar="FILE", help="take the .p12's password from FILE")
    password.add_argument("--ask-password", action="store_true", help="ask for the .p12's password")
