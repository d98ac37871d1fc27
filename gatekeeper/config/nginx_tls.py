"""What a server of nginx says about TLS: versions, suites, groups; and what it says otherwise than the first one."""

from collections.abc import Iterator, Sequence

from gatekeeper.config.nginx_servers import Note, Server
from gatekeeper.config.nginx_values import first, values
from gatekeeper.settings.cipher_names import is_cipher, words

# nginx's default, which many configurations repeat. The gate's own list is stricter.
_OF_NGINX = "HIGH:!aNULL:!MD5"
# What nginx has for each server, and gatekeeper once; it is that of the first server.
_OF_THE_GATE = (
    "http2", "set_real_ip_from", "ssl_ciphers", "ssl_conf_command", "ssl_ecdh_curve", "ssl_ocsp",
    "ssl_protocols", "ssl_session_tickets", "ssl_trusted_certificate", "ssl_verify_depth",
)  # fmt: skip
_COMMANDS = {"ciphersuites": "ciphersuites", "groups": "groups", "curves": "groups"}


def tls_keys(server: Server, note: Note) -> Iterator[tuple[str, str]]:
    """Keys of ``[server]`` and their values."""
    protocols = values(server.get("ssl_protocols"))
    if protocols == ["TLSv1.3"]:
        yield "min_tls", "1.3"
    elif protocols and "TLSv1.3" not in protocols:
        yield "max_tls", "1.2"
    if protocols != ["TLSv1.3"] and (ciphers := _ciphers(server, note)):
        yield "ciphers", ciphers
    curves = first(server.get("ssl_ecdh_curve"))
    found = {"groups": curves.args[0]} if curves is not None and curves.args[0] != "auto" else {}
    for one in server.get("ssl_conf_command"):
        key = _COMMANDS.get(one.args[0].lower())
        if key is None:
            note(one, "only Ciphersuites, Groups and Curves are taken over")
        elif key == "groups" or not protocols or "TLSv1.3" in protocols:
            found[key] = one.args[-1]
    yield from found.items()


def tell_differences(servers: Sequence[Server], note: Note) -> None:
    """Note what the servers after the first have otherwise, and certificates beside the first one of a server."""
    for server in servers:
        for one in server.get("ssl_certificate")[1:]:
            note(one, "a further certificate for the same names, of another kind of key; the first one is taken over")
        for name in _OF_THE_GATE:
            own, taken = server.get(name), servers[0].get(name)
            if values(own) != values(taken):
                note(first(own) or server.block, f"{name} is that of the first server for the whole gate")


def _ciphers(server: Server, note: Note) -> str:
    """The list without the words that OpenSSL, and so nginx, would ignore."""
    one = first(server.get("ssl_ciphers"))
    if one is None or one.args[0] == _OF_NGINX:
        return ""
    kept = []
    for word in words(one.args[0]):
        if word.startswith("@SECLEVEL"):
            note(one, f"{word}: the security level stays 2, for visitors' certificates too")
        elif not is_cipher(word):
            note(one, f"{word}: this OpenSSL has no such suite")
        else:
            kept.append(word)
    return ":".join(kept)
