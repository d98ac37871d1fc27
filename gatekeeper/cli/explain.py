"""``gatekeeper explain``: how the gate would answer a certificate and a request, and which check decided."""

import argparse
import asyncio
import re
import time
from base64 import b64decode
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from textwrap import wrap
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.bundle import is_bundle, read_bundle
from gatekeeper.cli.check import certificate_line
from gatekeeper.cli.configuration import add_config_option, load_configuration, naming_lines, needed_by
from gatekeeper.cli.parser import Commands
from gatekeeper.cli.passphrases import open_password
from gatekeeper.cli.terminal import print_json, working
from gatekeeper.errors import BindingError, MessageError, UsageError
from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.decision import ELSEWHERE, Authorizer, Decision, Denied, Forward, asked_from
from gatekeeper.gate.routes import MAINTENANCE, LocalRoute, Route, StaticDocument
from gatekeeper.gate.verdict import Admit, Peer, Reason, Refuse, Verdict, confirm
from gatekeeper.proxy.forwarding import address_headers, visitor_headers, whole_head
from gatekeeper.proxy.ocsp import ask_once
from gatekeeper.proxy.snapshot import Snapshot, build_snapshot
from gatekeeper.proxy.upstream.pool import authority, host_for
from gatekeeper.settings.files import FROM_COMMAND_LINE, UnreadableFileError
from gatekeeper.tls.context import Mode
from gatekeeper.tls.handshake_keys import unusable_in_handshakes
from gatekeeper.wire.preflight import read_preflight
from gatekeeper.wire.request import RequestHead
from gatekeeper.wire.rewriting import Rewriting
from gatekeeper.x509.certificate import parse_certificate

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_URL = re.compile(r"(?:https://([^/?#]+))?(/[^#]*)?")
# A chain of certificates is a few KiB; a longer file is another one, or a device.
_LARGEST = 1 << 20
_WIDTH = 80
_LABEL = 13

# The check behind each reason.
_CHECKS = {
    Reason.NO_CERTIFICATE: "a certificate is sent",
    Reason.EXPIRED: "dates",
    Reason.NOT_YET_VALID: "dates",
    Reason.REVOKED: "revocation",
    Reason.UNTRUSTED_ISSUER: "chain to a trusted authority (OpenSSL)",
    Reason.WRONG_PURPOSE: "purpose (OpenSSL)",
    Reason.BLANK_NAME: "common name",
    Reason.NOT_ALLOWED: "rules of the route",
    Reason.REVOCATION_UNKNOWN: "revocation",
    Reason.INVALID_CERTIFICATE: "validity of chain and names",
}


def add_command(commands: Commands) -> None:
    """Add ``explain`` to the command line."""
    parser = commands.add_parser(
        "explain",
        help="show how the gate would answer a request with a certificate, and why",
        description="Judge a certificate and a request with the same code as serve, without a running gate: "
        "verdict, reason, route, rule, and the headers that the app would get. Exit 0 if the request would be "
        "forwarded, 1 if not. The visitor is assumed to hold the certificate's key. With client_auth.ocsp, the "
        "responder is queried.",
        epilog="example: gatekeeper explain --cert alice.crt GET https://app.example.com/admin/",
    )
    add_config_option(parser)
    parser.add_argument(
        "--cert",
        type=Path,
        metavar="FILE",
        help="the certificate: PEM with its chain, DER or a .p12; without it, none is sent",
    )
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="the password of a .p12")
    parser.add_argument(
        "-H", "--header", action="append", default=[], metavar="LINE", help='a header of the request: "Name: value"'
    )
    parser.add_argument(
        "--from",
        dest="address",
        type=_address,
        default="127.0.0.1",
        metavar="ADDRESS",
        help="where the client connects from: an IP address, or unix",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("method", metavar="METHOD", help="GET, POST …")
    parser.add_argument("url", metavar="URL", help="https://host/path, or a path alone")
    parser.set_defaults(run=_explain)


@dataclass(frozen=True, slots=True)
class Explanation:
    """The result. ``certificate`` is the client's, None if none was sent or it cannot be read.

    ``status`` is the gate's own answer; None if the request would be forwarded, or the handshake would end in a TLS
    alert (``in_handshake``).
    """

    request: str
    certificate: Certificate | None
    status: int | None
    reason: str = ""
    detail: str = ""
    check: str = ""
    route: str = ""
    rule: str = ""
    upstream: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    response_headers: tuple[tuple[str, str], ...] = ()
    in_handshake: bool = False

    @property
    def verdict(self) -> str:
        """ "admitted" if the request reaches an upstream or a public resource of the gate itself."""
        return "refused" if self.in_handshake or self.status not in (None, 200, 301, 308) else "admitted"


def _address(text: str) -> str:
    try:
        return text if text == "unix" else str(ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IP address") from None


def _explain(options: argparse.Namespace) -> int:
    configuration = load_configuration(options, "explain")
    now = time.time()
    with needed_by("explain"), naming_lines(configuration), working("Loading what the gate would load"):
        snapshot = build_snapshot(configuration.settings, {}, now)
    peer = _peer(snapshot, options) if options.cert is not None else Peer()
    explanation = explain(snapshot, peer, options.method, options.url, options.header, options.address, now)
    if options.json:
        print_json(_as_json(explanation))
    else:
        print(_as_text(explanation, now))
    return 0 if explanation.verdict == "admitted" else 1


def explain(
    snapshot: Snapshot, peer: Peer, method: str, url: str, header: list[str], address: str, now: float
) -> Explanation:
    """Do what the server does, in the same order: judge the certificate, read the head, decide."""
    verdict = _verdict(snapshot, peer, now)
    certificate = verdict.identity.certificate if isinstance(verdict, Admit) else verdict.certificate
    request = f"{method} {url}"
    if certificate is not None and (why := unusable_in_handshakes(parse_certificate(certificate.der).spki)):
        detail = f"No handshake can be done with its key: {why}."
        return Explanation(request, certificate, None, detail=detail, check="key (TLS)", in_handshake=True)
    if isinstance(verdict, Refuse) and peer.leaf is not None and snapshot.refuses_in_handshake:
        check = _CHECKS[verdict.reason]
        return Explanation(request, certificate, None, verdict.reason, verdict.detail, check, in_handshake=True)
    try:
        head = _head(snapshot, method, url, header)
    except MessageError as error:
        return Explanation(request, certificate, error.status, detail=error.detail, check="syntax of the request")
    authorizer = Authorizer(verdict, snapshot.routes, snapshot.maintenance)
    authorizer = snapshot.authorizer_on(head.block.host, peer, authorizer, now)
    decision = authorizer.decide(method.encode("ascii"), head.block.host, head.target, read_preflight(head))
    return _told(snapshot, request, certificate, head, asked_from(decision, address), address, now)


def _verdict(snapshot: Snapshot, peer: Peer, now: float) -> Verdict:
    verdict, policy = snapshot.judge(peer, now), snapshot.policy.ocsp
    if policy is None or isinstance(verdict, Refuse):
        return verdict
    return confirm(verdict, asyncio.run(ask_once(peer, policy.responder)), policy)


def _told(
    snapshot: Snapshot,
    request: str,
    certificate: Certificate | None,
    head: RequestHead,
    decision: Decision,
    address: str,
    now: float,
) -> Explanation:
    if isinstance(decision, Denied):
        refusal = decision.refusal
        return Explanation(
            request,
            certificate,
            403,
            refusal.reason,
            refusal.detail,
            check=_CHECKS[refusal.reason],
            route=decision.route.text if decision.route else "",
            rule=_rule(decision),
        )
    if isinstance(decision, StaticDocument):
        return Explanation(request, certificate, 200, detail="The gate itself serves this to everyone.")
    if isinstance(decision, LocalRoute):
        return Explanation(
            request, certificate, 200, detail="The gate itself answers here; the request reaches no app."
        )
    if not isinstance(decision, Forward):
        check = "maintenance" if decision is MAINTENANCE else "routes"
        return Explanation(request, certificate, decision.status, detail=decision.detail, check=check)
    if decision.route.lacks_slash:
        status = 301 if head.method in (b"GET", b"HEAD") else 308
        detail = "The gate redirects to the path with a slash at its end."
        return Explanation(request, certificate, status, detail=detail, route=_route(decision.route))
    sent, returned = _headers(snapshot, head, decision, address, now)
    return Explanation(
        request,
        certificate,
        None,
        route=_route(decision.route),
        rule=_rule(decision),
        upstream=_upstream(snapshot, decision.upstream),
        headers=sent,
        response_headers=returned,
    )


def _route(route: Route) -> str:
    return f"{route.text} (public)" if route.public else route.text


def _rule(decision: Forward | Denied) -> str:
    if decision.rule is not None:
        return decision.rule.text
    if isinstance(decision, Denied) and decision.refusal.detail == ELSEWHERE:
        return "allow_from"
    return "none under allow fits" if isinstance(decision, Denied) and decision.route is not None else ""


def _upstream(snapshot: Snapshot, name: str) -> str:
    endpoints = ", ".join(str(endpoint) for endpoint in snapshot.settings.every_upstream[name].endpoints)
    return f"{name} ({endpoints})"


Lines = tuple[tuple[str, str], ...]


def _headers(snapshot: Snapshot, head: RequestHead, decision: Forward, address: str, now: float) -> tuple[Lines, Lines]:
    """The headers that the app gets, except X-Request-Id, which differs each time; and those added to the response."""
    trusted = snapshot.trusts(address)
    headers, returned = address_headers(address, trusted=trusted), b""
    if decision.identity is not None:
        lines = snapshot.identity.lines(decision.identity, now)
        headers, returned = headers + lines.request, lines.response
    upstream = snapshot.settings.every_upstream[decision.upstream]
    app = authority(upstream.endpoints[0])
    own_host = host_for(upstream)
    headers = visitor_headers(headers, head.block, address if trusted else None, snapshot.trusts, own_host or app)
    files = upstream.endpoints[0].scheme == "static"
    if own_host or decision.route.prefix or files:
        head = Rewriting(decision.route.prefix, own_host, app, files=files).request(head)
    sent = _pairs(whole_head(head, headers, "").partition(b"\r\n")[2])
    return tuple(pair for pair in sent if pair[0] != "X-Request-Id"), _pairs(returned)


def _pairs(lines: bytes) -> Lines:
    split = (line.partition(": ") for line in lines.decode("utf-8", "replace").split("\r\n") if line)
    return tuple((name, value) for name, _, value in split)


def _head(snapshot: Snapshot, method: str, url: str, header: list[str]) -> RequestHead:
    match = _URL.fullmatch(url)
    if match is None or not url:
        raise UsageError(f'{url!r} is neither an https:// URL nor a path such as "/admin"')
    host, target = match[1] or "localhost", match[2] or "/"
    lines = [f"Host: {host}", *header]
    try:
        block = "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n"
        return snapshot.reader.read(f"{method} {target} HTTP/1.1".encode("ascii"), block, cache=False)
    except UnicodeEncodeError as error:
        raise UsageError(f"{error.object!r} holds characters that HTTP cannot carry; percent-encode them") from None


def _peer(snapshot: Snapshot, options: argparse.Namespace) -> Peer:
    """The result of a handshake with this certificate. BindingError if OpenSSL cannot be asked."""
    path = options.cert
    leaf, *chain = _certificates(path, options.password_file)
    try:
        return snapshot.tls.verify(leaf, chain)
    except BindingError:
        if snapshot.tls.mode is Mode.ALERTS_ONLY:
            raise
        raise UsageError(f"{path} holds a certificate that OpenSSL cannot read") from None


def _certificates(path: Path, password_file: Path | None) -> list[bytes]:
    """The certificates in the file as DER, unchecked: the gate judges them. May ask for a .p12's password."""
    try:
        content = FROM_COMMAND_LINE.read(path, _LARGEST)
    except UnreadableFileError as error:
        raise UsageError(f"{path} {error}") from None
    if is_bundle(content):
        opened = read_bundle(content, open_password(password_file, str(path)), str(path))
        if opened.certificate is None:
            raise UsageError(f"{path} holds no certificate that belongs to its key")
        return [one.public_bytes(Encoding.DER) for one in (opened.certificate, *opened.others)]
    try:
        found = [b64decode(block) for block in _PEM.findall(content)]
    except ValueError:
        raise UsageError(f"{path} holds a certificate whose base64 is broken") from None
    if not found and content[:1] != b"\x30":
        raise UsageError(f"{path} holds no certificate, neither PEM nor DER")
    return found or [content]


def _as_json(explanation: Explanation) -> dict[str, Any]:
    certificate = explanation.certificate
    return {
        "request": explanation.request,
        "verdict": explanation.verdict,
        "status": explanation.status,
        "in_handshake": explanation.in_handshake,
        "reason": explanation.reason or None,
        "detail": explanation.detail or None,
        "check": explanation.check or None,
        "route": explanation.route or None,
        "rule": explanation.rule or None,
        "upstream": explanation.upstream or None,
        "headers": [list(pair) for pair in explanation.headers],
        "response_headers": [list(pair) for pair in explanation.response_headers],
        "certificate": certificate
        and {
            "subject": certificate.subject,
            "issuer": certificate.issuer,
            "serial": certificate.serial,
            "sha256": certificate.sha256,
            "spki_sha256": certificate.spki_sha256,
            "unreadable": list(certificate.undecoded),
        },
    }


def _as_text(explanation: Explanation, now: float) -> str:
    certificate = explanation.certificate
    status = ", TLS alert" if explanation.in_handshake else f", {explanation.status}" if explanation.status else ""
    reason = f" {explanation.reason}" if explanation.reason else ""
    rows = [
        ("request", explanation.request),
        ("certificate", certificate_line(certificate, now) if certificate else "none"),
        ("unreadable", _unreadable(certificate)),
        ("verdict", explanation.verdict + status + reason),
        ("because", explanation.detail),
        ("check", explanation.check),
        ("route", explanation.route),
        ("rule", explanation.rule),
        ("upstream", explanation.upstream),
    ]
    lines = [line for label, value in rows if value for line in _row(label, value)]
    for title, headers in (("the app gets", explanation.headers), ("the visitor gets", explanation.response_headers)):
        lines += [title + ":"] if headers else []
        lines += [_cut(f"  {name}: {value}") for name, value in headers]
    return "\n".join(lines)


def _unreadable(certificate: Certificate | None) -> str:
    if certificate is None or not certificate.undecoded:
        return ""
    return f"{', '.join(certificate.undecoded)}: matches no rule, and is in no header but X-SSL-Client-S-DN"


def _row(label: str, value: str) -> list[str]:
    indent = " " * _LABEL
    return wrap(value, _WIDTH, initial_indent=f"{label:<{_LABEL}}", subsequent_indent=indent, break_on_hyphens=False)


def _cut(line: str) -> str:
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"
