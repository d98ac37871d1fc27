"""What ``gatekeeper check`` says of routes."""

import json
import os
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509

from gatekeeper.cli import main
from gatekeeper.cli.check import route_line
from gatekeeper.gate.routes import compile_route
from gatekeeper.settings.access import RouteSettings
from tests.certificates import make, make_authority, make_server, named
from tests.gate.lists import make_crl, pem


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({}, "routes[0] /*: every method, to default, for every verified visitor"),
        (
            {"path": "/hook", "methods": ["POST"], "public": True, "upstream": "ci"},
            "routes[0] /hook: POST, to ci, for everybody",
        ),
        (
            {"path": "/admin/*", "methods": ["GET"], "allow": [{"ou": "ops"}], "deny": [{"cn": "mallory"}]},
            "routes[0] /admin/*: GET, HEAD, to default, for one kind of visitor, but for 1 under deny",
        ),
        (
            {"allow": [{"ou": "ops"}, {"cn": "alice"}]},
            "routes[0] /*: every method, to default, for 2 kinds of visitors",
        ),
    ],
)
def test_a_route_is_told_in_a_line(settings: dict[str, object], line: str) -> None:
    """Which requests, where to, and above all for whom."""
    assert route_line(compile_route(RouteSettings.model_validate(settings), "routes[0]")) == line


EVERYTHING_WRONG = """
[server]
listen = "127.0.0.1:0"
certificate = "no.crt"
key = "no.key"

[client_auth]
ca = "no-ca.crt"
crl = ["no.crl", "http://pki.example.com/ca.crl"]
crl_folder = "no-lists"

[upstream]
url = "https://127.0.0.1:8000"
ca = "no-app.crt"

[invitations]
folder = "nowhere"

[refusal]
template = "no.html"

[identity]
jwt = { key = "no-jwt.pem", audience = "x" }

[maintenance]
file = "neither/closed"
"""
WRONG_KEYS = [
    *("server.certificate", "server.key", "client_auth.ca", "client_auth.crl[0]", "client_auth.crl_folder"),
    *("upstream.ca", "invitations.folder", "refusal.template", "identity.jwt.key", "maintenance.file"),
]


def test_every_file_that_is_wrong_is_named_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each by itself would do; together, none hides another, and each is told once, in the order of the file."""
    path = tmp_path / "gatekeeper.toml"
    path.write_text(EVERYTHING_WRONG)
    assert main(["check", "--json", "-c", str(path)]) == 2
    found = json.loads(capsys.readouterr().out)["mistakes"]
    assert [one["key"] for one in found] == WRONG_KEYS
    assert sorted(one["line"] for one in found) == [one["line"] for one in found]


CONTRADICTING = """
[server]
listen = "127.0.0.1:0"
certificate = "{server}"
key = "no.key"
min_tls = "1.3"
max_tls = "1.2"
user = "nobody-of-this-name"
groups = ["no-group"]

[client_auth]
ca = "{ca}"
crl = "{server}"

[upstream]
url = "static:no-folder"

[[routes]]
path = "/*"
upstream = "nowhere"

[[routes]]
path = "/admin/*"
upstream = "default"

[identity]
jwt = {{ key = ["no-jwt.pem", "{server}"], audience = "x" }}

[log]
access = "nowhere/access.log"
"""
CONTRADICTING_KEYS = [
    *("server.key", "server.max_tls", "server.user", "server.groups", "client_auth.crl[0]", "upstream.url"),
    *("routes[0].upstream", "routes[1]", "identity.jwt.key", "identity.jwt.key", "log.access"),
]


def test_settings_that_contradict_each_other_hide_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The server's key is wrong as well, but not the authorities: the list is compared with them."""
    authority = make_authority()
    ca, _ = authority.write(tmp_path, "ca")
    server, _ = make_server("gate.example.com", authority).write(tmp_path, "server")
    path = tmp_path / "gatekeeper.toml"
    path.write_text(CONTRADICTING.format(ca=ca, server=server))
    assert main(["check", "--json", "-c", str(path)]) == 2
    found = json.loads(capsys.readouterr().out)["mistakes"]
    assert [one["key"] for one in found] == CONTRADICTING_KEYS
    assert all(one["line"] for one in found)


MISTYPED = """
[server]
certificate = "no.crt"
key = "no.key"
min_tls = "1.4"

[client_auth]
crl = ["no.crl"]

[upstream]
url = "https://127.0.0.1:8000"
ca = "no-app.crt"
max_conections = 3

[refusal]
template = "no.html"
contact = "${NOBODY_SETS_THIS}"

[log]
acess = "off"
"""
MISTYPED_KEYS = [
    *("server.certificate", "server.key", "server.min_tls", "client_auth.ca", "client_auth.crl[0]", "upstream.ca"),
    *("upstream.max_conections", "refusal.template", "refusal.contact", "log.acess"),
]


def test_keys_and_values_that_are_wrong_hide_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt key, a value out of range, a missing key and an unset variable, each beside a file that is missing."""
    path = tmp_path / "gatekeeper.toml"
    path.write_text(MISTYPED)
    assert main(["check", "--json", "-c", str(path)]) == 2
    found = json.loads(capsys.readouterr().out)["mistakes"]
    assert sorted(one["key"] for one in found) == sorted(MISTYPED_KEYS)


def configured(folder: Path, client_auth: str) -> Path:
    """A gate with the certificate server.crt; ``client_auth`` is what follows its [client_auth]."""
    path = folder / "gatekeeper.toml"
    path.write_text(f'[server]\ncertificate = "server.crt"\nkey = "server.key"\n[client_auth]\n{client_auth}')
    return path


def test_a_list_is_not_compared_with_authorities_that_are_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only whether it can be read is checked; who should have signed it is not known yet."""
    authority = make_authority()
    (tmp_path / "ca.crl").write_bytes(pem(make_crl(issuer=authority)))
    make_server("gate.example.com", authority).write(tmp_path, "server")
    path = configured(tmp_path, 'crl = "ca.crl"\n[upstream]\nurl = "http://127.0.0.1:8000"\n')
    assert main(["check", "--json", "-c", str(path)]) == 2
    assert [one["key"] for one in json.loads(capsys.readouterr().out)["mistakes"]] == ["client_auth.ca"]


def test_authorities_of_single_hosts_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where each counts; and a rule that certificates of both could match is warned of."""
    home = make_authority("Home CA")
    (tmp_path / "home.crt").write_bytes(home.certificate_pem)
    (tmp_path / "partners.crt").write_bytes(make_authority("Partner CA").certificate_pem)
    make_server("gate.example.com", home).write(tmp_path, "server")
    path = configured(
        tmp_path,
        'ca = "home.crt"\n'
        '[[client_auth.hosts]]\nhosts = "a.example.com"\nca = "partners.crt"\n'
        '[[client_auth.hosts]]\nhosts = "b.example.com"\nca = ["home.crt", "partners.crt"]\n'
        '[upstream]\nurl = "http://127.0.0.1:8000"\n'
        '[[routes]]\npath = "/admin/*"\nallow = [{ ou = "ops" }]\n',
    )
    assert main(["check", "-c", str(path)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "days left), except on a.example.com" in printed
    assert "days left), only on a.example.com, b.example.com" in printed
    assert 'routes[0] /admin/*, allow[0]: ou = "ops" names no issuer' in printed


def test_the_server_certificates_names_and_addresses_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All for which clients accept it."""
    home = make_authority("Home CA")
    (tmp_path / "home.crt").write_bytes(home.certificate_pem)
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1")), x509.IPAddress(ip_address("::1"))]
    extensions = [(x509.SubjectAlternativeName(names), False)]
    make(named("gate"), home, extensions=extensions).write(tmp_path, "server")
    path = configured(
        tmp_path,
        'ca = "home.crt"\n[upstream]\nurl = "http://127.0.0.1:8000"\n',
    )
    assert main(["check", "-c", str(path)]) == 0
    assert "days left) for localhost, 127.0.0.1, ::1 " in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("listen", "exposed"),
    [
        ("0.0.0.0:9000", True),
        ("[::]:9000", True),
        ("203.0.114.7:9000", True),
        ("[2a00::7]:9000", True),
        ("127.0.0.1:9000", False),
        ("[::1]:9000", False),
        ("192.168.0.7:9000", False),
        ("localhost:9000", False),
        ("unix:/run/gatekeeper/admin.sock", False),
        ("off", False),
    ],
)
def test_an_admin_listener_that_the_network_can_reach_is_warned_of(
    listen: str, exposed: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is plain HTTP, and asks nobody for a certificate. An address of one's own network may be meant so."""
    home = make_authority("Home CA")
    home.write(tmp_path, "home")
    make_server("gate.example.com", home).write(tmp_path, "server")
    path = configured(
        tmp_path,
        f'ca = "home.crt"\n[upstream]\nurl = "http://127.0.0.1:8000"\n[admin]\nlisten = "{listen}"\n',
    )
    assert main(["check", "-c", str(path)]) == 0
    told = f"warning: admin.listen is {listen}: it has no TLS and asks for no certificate"
    assert (told in " ".join(capsys.readouterr().out.split())) is exposed


def test_an_upstream_that_is_the_gate_itself_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And the configuration in a published folder."""
    home = make_authority("Home CA")
    home.write(tmp_path, "home")
    make_server("gate.example.com", home).write(tmp_path, "server")
    path = configured(
        tmp_path,
        'ca = "home.crt"\n[upstream]\nurl = "https://127.0.0.1:8443"\n[upstreams.site]\nurl = "static:."\n',
    )
    assert main(["check", "--json", "-c", str(path)]) == 0
    loop, published = json.loads(capsys.readouterr().out)["warnings"]
    assert loop.startswith(
        "upstream is https://127.0.0.1:8443, where the gate itself listens (server.listen, 0.0.0.0:8443)"
    )
    assert published.startswith(f"upstreams.site is static:{tmp_path}, so visitors can read {tmp_path}/server.key, ")


PIPES = """
[server]
listen = "127.0.0.1:0"
certificate = "{pipe}"
key = "{pipe}"
key_passphrase_file = "{pipe}"

[client_auth]
ca = "{pipe}"
crl = "{pipe}"

[upstream]
url = "https://127.0.0.1:8000"
ca = "{pipe}"

[upstreams.other]
url = "https://127.0.0.1:8000"
certificate = "{pipe}"
key = "{pipe}"

[identity]
jwt = {{ key = "{pipe}", audience = "x" }}

[refusal]
template = "{pipe}"
"""


def test_no_pipe_keeps_check_waiting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """fifo(7): one without a writer would block whoever opens it, for ever."""
    pipe, path = tmp_path / "pipe", tmp_path / "gatekeeper.toml"
    os.mkfifo(pipe)
    assert main(["check", "--json", "-c", str(pipe)]) == 2
    assert "is a pipe into which nobody writes" in json.loads(capsys.readouterr().out)["mistakes"][0]["message"]
    path.write_text(PIPES.format(pipe=pipe))
    assert main(["check", "--json", "-c", str(path)]) == 2
    found = json.loads(capsys.readouterr().out)["mistakes"]
    assert {one["key"] for one in found} >= {
        *("server.certificate", "server.key", "server.key_passphrase_file", "client_auth.ca", "client_auth.crl[0]"),
        *("upstream.ca", "upstreams.other.certificate", "identity.jwt.key", "refusal.template"),
    }
    assert all("is a pipe into which nobody writes" in one["message"] for one in found)
