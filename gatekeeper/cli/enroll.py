"""``gatekeeper enroll``: a certificate for a computer that keeps its key, and the next one when it is time."""

import argparse
from pathlib import Path

from gatekeeper.cli.parser import Commands
from gatekeeper.errors import UsageError
from gatekeeper.settings.units import parse_duration

_EPILOG = """\
example: gatekeeper enroll - --out /etc/backup

Whoever has the link can ask in your name, and others can see arguments in the
list of processes: with - it is read from standard input. Interrupted, run it
again: it goes on with the key that is there.

to renew: gatekeeper enroll --renew https://gate.example.com --out /etc/backup

Renewed when less than a third of its life is left: NAME.key and NAME.crt are
replaced by a new key and its certificate, once it has been signed
(gatekeeper ca watch)."""


def add_command(commands: Commands) -> None:
    """Add ``enroll`` to the command line."""
    parser = commands.add_parser(
        "enroll",
        help="generate a key here, and obtain a certificate for it through a link",
        description="Generate a key here, send a request through the link, wait, and fetch the certificate.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "link", metavar="LINK", help="the link, or - to read it from standard input; with --renew the gate's address"
    )
    parser.add_argument("--renew", action="store_true", help="renew the certificate in --out if it is due")
    parser.add_argument(
        "--daemon", action="store_true", help="with --renew: keep running, and renew whenever it is due"
    )
    parser.add_argument("--force", action="store_true", help="with --renew: even if it is not due yet")
    parser.add_argument("--name", metavar="NAME", help="with --renew: which certificate, if --out holds several")
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where NAME.key and NAME.crt go (.)")
    parser.add_argument(
        "--key", default="ec:p256", metavar="TYPE", help="ec:p256 (the default), ec:p384, ec:p521, ed25519 or rsa:4096"
    )
    parser.add_argument(
        "--cacert", type=Path, metavar="FILE", help="the authorities of the gate's server certificate (the system's)"
    )
    parser.add_argument("--timeout", type=_wait, default="24h", metavar="TIME", help="how long to wait (24h)")
    parser.add_argument(
        "--json", action="store_true", help="print JSON, for scripts; one line when it starts to wait, one at the end"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if args.renew:
        from gatekeeper.cli.renewing import renew

        return renew(args)
    if args.daemon or args.force or args.name:
        raise UsageError("--daemon, --force and --name go with --renew")
    from gatekeeper.cli.enrolling import enroll

    return enroll(args)


def _wait(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"a time such as 24h, 90m or 7d, not {text!r}") from None
