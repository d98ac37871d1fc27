"""``gatekeeper check``: load everything that ``serve`` would load, and print a summary or the mistakes."""

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from gatekeeper.acme.report import doubts
from gatekeeper.admin.status import certificate_fields, crl_fields, protocols
from gatekeeper.admin.wording import pluralized
from gatekeeper.cli.configuration import add_config_option, naming_lines
from gatekeeper.cli.parser import WRONG_USAGE, Commands
from gatekeeper.cli.terminal import print_json, show, working
from gatekeeper.config.document import find
from gatekeeper.config.load import inspect
from gatekeeper.config.misdirected import misdirected
from gatekeeper.errors import ConfigurationError, Mistake, mistakes_of
from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.revocation import RevocationList
from gatekeeper.gate.routes import Route
from gatekeeper.process.privileges import account_of
from gatekeeper.process.worker import dry_run
from gatekeeper.proxy.snapshot import Snapshot
from gatekeeper.settings.addresses import DEFAULT_ADMIN, Address, ListenAddress
from gatekeeper.settings.tables import Settings
from gatekeeper.telemetry.access_log import fault_of
from gatekeeper.tls.context import ServerContext
from gatekeeper.tls.server_names import NamedCertificate


def add_command(commands: Commands) -> None:
    """Add ``check`` to the command line."""
    parser = commands.add_parser(
        "check",
        help="check the configuration",
        description="Load everything that serve would load, without opening a port; list every mistake, or print a "
        "summary. Files are checked even if other keys are wrong, unless a mistake makes that impossible.",
        epilog="example: gatekeeper check -c gatekeeper.toml",
    )
    add_config_option(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, including the mistakes")
    parser.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    try:
        path, settings, snapshot = _load(options)
    except ConfigurationError as error:
        if not options.json:
            raise
        print_json(_mistakes(error))
        return WRONG_USAGE
    now = time.time()
    if options.json:
        print_json(_as_json(path, settings, snapshot, now))
        return 0
    show(_summary(path, settings, snapshot, now))
    for warning in _warnings(path, settings, snapshot, now):
        show(Text(f"warning: {warning}", style="yellow"))
    show(Text("The configuration is right.", style="green"))
    return 0


def _load(options: argparse.Namespace) -> tuple[Path, Settings, Snapshot]:
    with working("Loading what the gate would load"):
        configuration, mistakes = inspect(find(options.config, os.environ))
        with naming_lines(configuration):
            return configuration.source.path, configuration.settings, _dry_run(configuration.settings, mistakes)


def _dry_run(settings: Settings, known: Sequence[Mistake]) -> Snapshot:
    """Like `dry_run`, but also checks the user and the log, which `serve` checks later. ConfigurationError with all
    mistakes.
    """
    beside = list(mistakes_of(lambda: account_of(settings.server)))
    if fault := fault_of(settings.log.access):
        beside.append(Mistake("log.access", f"{settings.log.access} cannot be written: {fault}"))
    try:
        snapshot = dry_run(settings, known)
    except ConfigurationError as error:
        raise ConfigurationError(*error.mistakes, *beside) from error
    if beside:
        raise ConfigurationError(*beside)
    return snapshot


def _mistakes(error: ConfigurationError) -> dict[str, Any]:
    return {
        "ok": False,
        "configuration": error.source or None,
        "mistakes": [{"key": one.key or None, "line": one.line, "message": one.message} for one in error.mistakes],
    }


def _as_json(path: Path, settings: Settings, snapshot: Snapshot, now: float) -> dict[str, Any]:
    """The content of `_summary`; certificates, CRLs, upstreams and warnings in the form of ``/status``."""
    return {
        "ok": True,
        "configuration": str(path),
        "listen": [f"https://{address}" for address in settings.server.listen],
        "protocols": protocols(settings),
        "redirect": [f"http://{address}" for address in settings.server.redirect],
        "admin": f"http://{settings.admin.listen}" if settings.admin.listen else None,
        "certificates": list(certificate_fields(snapshot, now)),
        "crls": list(crl_fields(snapshot, now)),
        "upstreams": [
            {"name": name, "places": [str(endpoint) for endpoint in upstream.endpoints]}
            for name, upstream in settings.every_upstream.items()
        ],
        "routes": [_route_fields(route) for route in snapshot.routes.all],
        "warnings": _warnings(path, settings, snapshot, now),
    }


def _warnings(path: Path, settings: Settings, snapshot: Snapshot, now: float) -> list[str]:
    """What `serve` warns of, and what can be told once only: in a container, for example, an admin listener on every
    address is as it should be.
    """
    exposed, misled = _exposed(settings.admin.listen), misdirected(settings, path)
    return [*snapshot.warnings(now), *exposed, *misled, *doubts(settings)]


def _exposed(admin: ListenAddress | None) -> Iterator[str]:
    """A warning about an admin listener on every address, or on a public one (RFC 6890). Not checked: what addresses a
    host name has.
    """
    try:
        address = ip_address(admin.host) if isinstance(admin, Address) else None
    except ValueError:
        return
    if address is not None and (address.is_unspecified or address.is_global):
        yield (
            f"admin.listen is {admin}: it has no TLS and asks for no certificate, so whoever reaches it reads /status "
            f"and /metrics; write {DEFAULT_ADMIN}, or let only your monitoring reach it (firewall, network policy)"
        )


def _route_fields(route: Route) -> dict[str, Any]:
    return {
        "route": route.text,
        "methods": sorted(method.decode() for method in route.methods),
        "upstream": route.upstream,
        "public": route.public,
        "allow": [rule.text for rule in route.allow],
        "deny": [rule.text for rule in route.deny],
    }


def _summary(path: Path, settings: Settings, snapshot: Snapshot, now: float) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("configuration", str(path))
    for address in settings.server.listen:
        table.add_row("listens on", f"https://{address}")
    for address in settings.server.redirect:
        table.add_row("redirects on", f"http://{address}")
    table.add_row("speaks", " and ".join(protocols(settings)))
    table.add_row("admin on", f"http://{settings.admin.listen}" if settings.admin.listen else "off")
    for named in snapshot.tls.names.all:
        table.add_row("certificate", certificate_line(named.certificate, now) + _whom_for(named))
    if settings.acme is not None:
        for order in settings.orders:
            table.add_row("ordered", f"{', '.join(order.names)} by {settings.acme.challenge}")
    for authority in snapshot.tls.authorities:
        table.add_row("trusted CA", certificate_line(authority, now) + _where_trusted(authority, snapshot.tls))
    for one in snapshot.policy.revocations.every if snapshot.policy.revocations else ():
        table.add_row("CRL", crl_line(one, now))
    for name, upstream in settings.every_upstream.items():
        endpoints = ", ".join(str(endpoint) for endpoint in upstream.endpoints)
        table.add_row("upstream", f"{name}: {endpoints}")
    for route in snapshot.routes.all if settings.routes else ():
        table.add_row("route", route_line(route))
    return table


def _whom_for(named: NamedCertificate) -> str:
    """The hosts and addresses that a server certificate carries; an ordered one's are those of the configuration."""
    names = (*named.names, *named.certificate.ips) if named.ordered is None else named.names
    return f" for {', '.join(names)}{'' if named.ask else ', asks no visitor for one'}" if names else ""


def _where_trusted(authority: Certificate, tls: ServerContext) -> str:
    """On which hosts certificates of an authority count, if some hosts have their own (``client_auth.hosts``)."""
    if tls.elsewhere is None:
        return ""
    some = [name for one in tls.hosts if authority in one.tls.authorities for name in one.names]
    if authority not in tls.elsewhere.authorities:
        return f", only on {', '.join(some)}"
    others = [name for one in tls.hosts for name in one.names if name not in some]
    return f", except on {', '.join(others)}" if others else ""


def route_line(route: Route) -> str:
    """A route in one line: ``routes[0] /admin/*: GET, to default, for 2 kinds of visitors``."""
    if route.public:
        whom = "for everybody"
    elif route.allow:
        whom = f"for {len(route.allow)} kinds of visitors" if len(route.allow) > 1 else "for one kind of visitor"
    else:
        whom = "for every verified visitor"
    methods = ", ".join(sorted(method.decode() for method in route.methods)) or "every method"
    denied = f", but for {len(route.deny)} under deny" if route.deny else ""
    where = f", from {', '.join(map(str, route.networks))}" if route.networks else ""
    return f"{route.text}: {methods}, to {route.upstream}, {whom}{where}{denied}"


def crl_line(crl: RevocationList, now: float) -> str:
    """A CRL in one line: ``CN=Home CA, 3 revoked, next update 2027-11-23 …``."""
    until = datetime.fromtimestamp(crl.next_update, UTC)
    days = int((crl.next_update - now) // 86400)
    left = "stale" if now >= crl.next_update else f"{pluralized(days, 'day')} left"
    return f"{crl.issuer[0]}, {len(crl.serials)} revoked, next update {until:%Y-%m-%d %H:%M} UTC ({left})"


def certificate_line(certificate: Certificate, now: float) -> str:
    """A certificate in one line: ``CN=Home CA, until 2027-11-23 (365 days left)``."""
    until = datetime.fromtimestamp(certificate.not_after, UTC)
    days = int((certificate.not_after - now) // 86400)
    left = "has expired" if days < 0 else f"{pluralized(days, 'day')} left"
    names = ", ".join((*certificate.dns_names, *certificate.ips))
    return f"{certificate.subject or names}, until {until:%Y-%m-%d} ({left})"
