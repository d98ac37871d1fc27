"""Headers that nginx adds to requests: which of them the gate sends anyway, and which ``identity.custom`` can send."""

import re
from collections.abc import Collection, Iterable, Iterator

from gatekeeper.config.nginx_servers import HOSTS, Note
from gatekeeper.config.nginx_values import Directive
from gatekeeper.settings.addresses import parse_host
from gatekeeper.wire.foreign import folded
from gatekeeper.wire.headers import is_left_to_custom, is_of_the_request, is_reserved

# What the gate sends under the same name and with the same value, or what has no use behind it. Without its braces a
# variable is the same: ``${host}`` is ``$host``.
SENT_ANYWAY = {
    "connection": {"", "close", "keep-alive", "upgrade", "$connection_upgrade", "$http_connection"},
    "host": set(HOSTS),
    "upgrade": {"$http_upgrade"},
    "x-forwarded-for": {"$proxy_add_x_forwarded_for", "$remote_addr", "$proxy_protocol_addr"},
    "x-forwarded-host": {"$host", "$http_host"},
    "x-forwarded-proto": {"$scheme", "https"},
    "x-real-ip": {"$remote_addr", "$proxy_protocol_addr"},
    "x-request-id": {"$request_id"},
    "x-ssl-client-escaped-cert": {"$ssl_client_escaped_cert"},
    "x-ssl-client-fingerprint": {"$ssl_client_fingerprint"},
    "x-ssl-client-i-dn": {"$ssl_client_i_dn"},
    "x-ssl-client-s-dn": {"$ssl_client_s_dn"},
    "x-ssl-client-serial": {"$ssl_client_serial"},
    "x-ssl-client-v-end": {"$ssl_client_v_end"},
    "x-ssl-client-v-start": {"$ssl_client_v_start"},
    "x-ssl-client-verify": {"$ssl_client_verify", "SUCCESS"},
}
# Variables of ngx_http_ssl_module with a placeholder, and how it differs. Both write a serial number in the same way.
_PLACEHOLDERS = {
    "$ssl_client_s_dn": ("{dn}", "{dn} holds letters beyond ASCII as they are, which nginx writes as \\C3\\AB"),
    "$ssl_client_serial": ("{serial}", ""),
    "$ssl_client_v_end": ("{not_after}", "{not_after} is written as 2027-08-15T19:00:00Z"),
    "$ssl_client_verify": ("SUCCESS", "nobody else is let in; on a public route, the header is missing, not NONE"),
}
_ELSEWHERE = {
    "$ssl_client_cert": "the app gets the certificate in X-SSL-Client-Escaped-Cert",
    "$ssl_client_escaped_cert": "the app gets it in X-SSL-Client-Escaped-Cert",
    "$ssl_client_fingerprint": "the app gets it in X-SSL-Client-Fingerprint; identity.custom has {sha256}",
    "$ssl_client_i_dn": "the app gets it in X-SSL-Client-I-DN; identity.custom has {issuer}, the common name",
    "$ssl_client_raw_cert": "the app gets the certificate in X-SSL-Client-Escaped-Cert",
    "$ssl_client_v_start": "the app gets it in X-SSL-Client-V-Start",
}
_OTHER = (
    "see identity.headers and identity.custom for what the app can be told: "
    "{cn}, {ou}, {email} and others are what a map takes out of $ssl_client_s_dn"
)


def request_headers(directives: Iterable[Directive], note: Note) -> dict[str, str]:
    """``identity.custom`` for all ``proxy_set_header`` and ``grpc_set_header``; ``note`` is called for each that is
    neither in it nor in `SENT_ANYWAY`, and for each whose value looks different here.
    """
    found: dict[str, str] = {}
    for one, name, value in _settings(directives):
        lower = name.lower()
        if value in SENT_ANYWAY.get(lower, ()):
            continue
        template, difference = _PLACEHOLDERS.get(value, ("", ""))
        taken = next((other for other in found if other.lower() == lower), None)
        if lower == "host":
            _note_host(one, value, note)
        elif value == "":
            note(one, "removed for every app, by the gate itself or identity.strip, unless it describes the request")
        elif not template:
            note(one, _ELSEWHERE.get(value, _OTHER))
        elif not _is_possible(lower):
            note(one, "cannot be a name in identity.custom; choose another, and tell the app")
        elif taken is not None and found[taken] != template:
            note(one, "identity.custom has one value for each name")
        else:
            found.setdefault(taken or name, template)
            if difference:
                note(one, f"is in identity.custom, but {difference}")
    return found


def stripped_headers(directives: Iterable[Directive], custom: Collection[str]) -> list[str]:
    """``identity.strip``: the headers that nginx replaces or removes, and the gate does not. The app may believe them,
    so no visitor may send one. Not those that describe a request and nobody's identity, such as Accept-Encoding.
    """
    sent = {folded(name.encode()) for name in (*SENT_ANYWAY, *custom)}
    found: dict[bytes, str] = {}
    for _, name, value in _settings(directives):
        own = f"$http_{name.lower().replace('-', '_')}"
        if value == own or re.fullmatch(r"[A-Za-z0-9!#$%&'+.^`|~-]{1,128}", name, re.ASCII) is None:
            continue
        plain = folded(name.encode())
        if plain not in sent and not is_of_the_request(plain) and not is_reserved(name.lower().encode()):
            found.setdefault(plain, name)
    return list(found.values())


def _settings(directives: Iterable[Directive]) -> Iterator[tuple[Directive, str, str]]:
    """Each header with its value, in which no variable has braces."""
    for one in directives:
        if one.name in ("proxy_set_header", "grpc_set_header") and one.args:
            value = one.args[1] if len(one.args) > 1 else ""
            yield one, one.args[0], value.replace("${", "$").replace("}", "") if "${" in value else value


def _note_host(one: Directive, value: str, note: Note) -> None:
    """Other values of Host than names, which are ``upstream.host``."""
    try:
        parse_host("$" if "$" in value else value)
    except ValueError:
        note(one, "the app gets Host as the visitor sent it; see upstream.host")


def _is_possible(name: str) -> bool:
    plain = folded(name.encode("utf-8", "replace"))
    return "_" not in name and name.isascii() and is_left_to_custom(plain) and not is_of_the_request(plain)
