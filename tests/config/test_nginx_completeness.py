"""No directive of nginx is dropped in silence, wherever it stands: the translation changes, or a note names it."""

from pathlib import Path

import crossplane.analyzer as crossplane
import pytest

from gatekeeper.config.nginx import translate
from gatekeeper.config.nginx_directives import ALWAYS, TRANSLATED
from tests.config.translating import TLS

# Two servers; two locations of one app, one of a group, one behind TLS, one with files.
CONFIGURATION = """\
{main}
events {{ {events} }}
http {{
{http}
upstream group {{ server 10.0.0.1:80; server 10.0.0.2:80; {upstream} }}
server {{ {tls} ssl_verify_client on; server_name a.example.com;
{server}
location / {{ proxy_pass http://127.0.0.1:8000; {location} }}
location /b/ {{ proxy_pass http://127.0.0.1:8000; {second} }}
location /g/ {{ proxy_pass http://group; {grouped} }}
location /t/ {{ proxy_pass https://10.0.0.3; proxy_ssl_verify on; {behind_tls} }}
location /r/ {{ grpc_pass grpcs://10.0.0.4; grpc_ssl_verify on; {grpc} }}
location /f/ {{ root /srv; {files} }}
}}
server {{ {tls} ssl_verify_client on; server_name b.example.com;
{second_server}
location / {{ proxy_pass http://127.0.0.1:8000; {of_second} }}
}}
}}
"""
CONTEXTS = {
    "main": crossplane.NGX_MAIN_CONF,
    "events": crossplane.NGX_EVENT_CONF,
    "http": crossplane.NGX_HTTP_MAIN_CONF,
    "upstream": crossplane.NGX_HTTP_UPS_CONF,
    **dict.fromkeys(("server", "second_server"), crossplane.NGX_HTTP_SRV_CONF),
    **dict.fromkeys(
        ("location", "second", "grouped", "behind_tls", "grpc", "files", "of_second"), crossplane.NGX_HTTP_LOC_CONF
    ),
}
APPS = ("location", "second", "grouped", "behind_tls", "grpc", "of_second")
HTTP1 = ("location", "second", "grouped", "behind_tls", "of_second")
SERVERS = ("server", "second_server")
EVERYWHERE = ("http", *SERVERS, *APPS, "files")

# Every directive that is translated, with a value that differs from the one above, and where it has an effect in nginx.
# `proxy_…` has none where grpc_pass stands, and what a location has replaces what its server has.
WRITTEN: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "access_log": (("/var/log/own.log", "off"), EVERYWHERE),
    "add_header": (("X-A b", "X-A $b"), EVERYWHERE),
    "alias": (("/srv/x/",), ()),  # only in a location of its own
    "allow": (("10.0.0.0/8; deny all", "unix:; deny all"), EVERYWHERE),
    "client_body_timeout": (("17s", "170s"), ("server", "location", "second", "grouped", "of_second")),
    "client_header_timeout": (("17s",), ("http", *SERVERS)),
    "client_max_body_size": (("17m",), ("http", *SERVERS, *APPS)),
    "deny": (("all", "10.0.0.1"), EVERYWHERE),
    "grpc_connect_timeout": (("17s",), ("http", "server", "grpc")),
    "grpc_pass": (("grpc://10.0.0.5",), ()),
    "grpc_read_timeout": (("17s", "170s"), ("http", "server", "grpc")),
    "grpc_send_timeout": (("170s",), ("http", "server", "grpc")),
    "grpc_set_header": (("X-A $b", "Host a.internal"), ("http", "server", "grpc")),
    "grpc_ssl_certificate": (("c.pem",), ("http", "server", "grpc")),
    "grpc_ssl_certificate_key": (("c.key",), ("http", "server", "grpc")),
    "grpc_ssl_name": (("a.internal",), ("http", "server", "grpc")),
    "grpc_ssl_server_name": (("off",), ()),  # always on, as the documentation says
    "grpc_ssl_trusted_certificate": (("t.pem",), ("http", "server", "grpc")),
    "grpc_ssl_verify": (("off",), ()),
    "grpc_ssl_verify_depth": (("3",), ()),
    "http2": (("off",), ("http", *SERVERS)),
    "http2_max_concurrent_streams": (("17",), ("http", *SERVERS)),
    "if": (("($request_method = POST) { return 405; }",), (*SERVERS, *APPS, "files")),
    "keepalive_timeout": (("17s",), EVERYWHERE),
    "limit_req": (("zone=z",), EVERYWHERE),
    "limit_req_dry_run": (("on",), ()),  # without limit_req, nothing
    "limit_req_status": (("444",), ()),
    "limit_req_zone": (("$binary_remote_addr zone=z:10m rate=10r/s",), ()),
    "listen": (("8443 ssl", "443 ssl proxy_protocol", "[::]:443 ssl ipv6only=off", "443 quic"), SERVERS),
    "proxy_connect_timeout": (("17s",), ("http", *SERVERS, *HTTP1)),
    "proxy_hide_header": (("X-A",), ("http", *SERVERS, *HTTP1)),
    "proxy_pass": (("http://10.0.0.5",), ()),
    "proxy_read_timeout": (("17s", "170s"), ("http", *SERVERS, *HTTP1)),
    "proxy_request_buffering": (("on",), ("http", *SERVERS, *HTTP1)),
    "proxy_send_timeout": (("17s", "170s"), ("location", "second", "grouped", "behind_tls")),
    "proxy_set_header": (("X-A $b", "Host a.internal", "Host $proxy_host"), ("http", *SERVERS, *HTTP1)),
    "proxy_ssl_certificate": (("c.pem",), ("http", "server", "behind_tls")),
    "proxy_ssl_certificate_key": (("c.key",), ("http", "server", "behind_tls")),
    "proxy_ssl_name": (("a.internal",), ("http", "server", "behind_tls")),
    "proxy_ssl_server_name": (("off",), ()),
    "proxy_ssl_trusted_certificate": (("t.pem",), ("http", "server", "behind_tls")),
    "proxy_ssl_verify": (("off",), ()),
    "proxy_ssl_verify_depth": (("3",), ()),
    "root": (("/srv/x",), ()),  # only in a location of its own
    "server_name": (("c.example.com",), SERVERS),
    "set_real_ip_from": (("10.0.0.0/8",), EVERYWHERE),
    "ssl_certificate": (("c.pem",), SERVERS),
    "ssl_certificate_key": (("c.key",), ()),  # goes with its certificate
    "ssl_ciphers": (("ECDHE-RSA-AES256-GCM-SHA384",), ("http", *SERVERS)),
    "ssl_client_certificate": (("other.crt",), ()),
    "ssl_conf_command": (("Groups x25519", "Options -MiddleboxCompat"), ("http", *SERVERS)),
    "ssl_crl": (("ca.crl",), ("http", *SERVERS)),
    "ssl_ecdh_curve": (("X25519",), ("http", *SERVERS)),
    "ssl_ocsp": (("on",), ("http", *SERVERS)),
    "ssl_password_file": (("passphrase",), ("http", "server")),
    "ssl_protocols": (("TLSv1.3",), ("http", *SERVERS)),
    "ssl_session_tickets": (("on",), ("http", *SERVERS)),
    "ssl_trusted_certificate": (("t.crt",), ("http", *SERVERS)),
    "ssl_verify_client": (("off",), ()),
    "ssl_verify_depth": (("3",), ("http", *SERVERS)),
    "try_files": (("$uri /x.html", "$uri @app"), (*APPS, "files")),
    "user": (("www-data",), ("main",)),
    "worker_processes": (("3",), ("main",)),
}
# Directives that need no key, with a value for which that is not true.
UNUSUAL = {
    "index": "home.html",
    "proxy_http_version": "1.0",
    "proxy_pass_request_body": "off",
    "proxy_pass_request_headers": "off",
    "proxy_redirect": "http://a/ /b/",
}
MEMBERS = ("10.0.0.9:80 max_fails=3", "10.0.0.9:80 max_conns=5", "10.0.0.9:80 slow_start=9s", "10.0.0.9:80 backup")


def text(folder: Path, **inserted: str) -> str:
    source = folder / "nginx.conf"
    source.write_text(CONFIGURATION.format(tls=TLS, **dict.fromkeys(CONTEXTS, "") | inserted))
    return translate(source).text


def statement(name: str, value: str) -> str:
    return f"{name} {value}" if value.endswith("}") else f"{name} {value};"


def test_every_translated_directive_is_in_the_table() -> None:
    """A new one comes here."""
    assert set(WRITTEN) == TRANSLATED


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in WRITTEN for value in WRITTEN[name][0]])
def test_a_translated_directive_is_never_dropped(tmp_path: Path, name: str, value: str) -> None:
    """In any place where it has an effect in nginx, it changes a value or leads to a note."""
    plain = text(tmp_path)
    dropped = [where for where in WRITTEN[name][1] if text(tmp_path, **{where: statement(name, value)}) == plain]
    assert dropped == []


@pytest.mark.parametrize("where", CONTEXTS)
def test_every_other_directive_is_named(tmp_path: Path, where: str) -> None:
    """Those that crossplane knows for this place, which are all of nginx and of NGINX Plus."""
    there = [name for name, uses in crossplane.DIRECTIVES.items() if any(use & CONTEXTS[where] for use in uses)]
    others = sorted({*there} - ALWAYS - TRANSLATED)
    found = text(tmp_path, **{where: "\n".join(f"{name} on;" for name in others)})
    assert [name for name in others if f": {name} on: " not in found] == []


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_value_is_named(tmp_path: Path, name: str) -> None:
    """The directive needs no key as long as it has one of the usual values."""
    assert f": {name} {UNUSUAL[name]}: " in text(tmp_path, location=statement(name, UNUSUAL[name]))


@pytest.mark.parametrize("member", MEMBERS)
def test_every_option_of_a_member_is_named(tmp_path: Path, member: str) -> None:
    """Also where there is nothing to do about it."""
    assert f": server {member}: " in text(tmp_path, upstream=f"server {member};")
