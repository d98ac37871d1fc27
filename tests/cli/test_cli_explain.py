"""``gatekeeper explain`` for people and programs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gatekeeper.ca.bundle import make_bundle
from gatekeeper.cli import main
from tests.certificates import CLIENT, DAY, NOW, Holder, make, make_authority, make_client, make_server, new_key
from tests.der import CN, OU, T61, attribute, certificate, name

CONFIGURATION = """\
[server]
certificate = "server.crt"
key = "server.key"
[client_auth]
ca = "ca.crt"
[upstream]
url = "http://127.0.0.1:8000"
[admin]
listen = "off"
[[routes]]
path = "/hook"
public = true
[[routes]]
path = "/admin/*"
deny = [{ cn = "mallory" }]
allow = [{ ou = "ops" }]
[[routes]]
path = "/*"
"""
Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def authority() -> Holder:
    return make_authority("Home CA")


@pytest.fixture
def run(authority: Holder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run it; exit code and standard output, or what went to standard error instead."""
    monkeypatch.chdir(tmp_path)
    make_server("localhost", authority).write(tmp_path, "server")
    (tmp_path / "ca.crt").write_bytes(authority.certificate_pem)
    (tmp_path / "gatekeeper.toml").write_text(CONFIGURATION)
    make_client("alice", authority).write(tmp_path, "alice")
    make_client("mallory", authority).write(tmp_path, "mallory")
    make_client("old", authority, starts=NOW - 9 * DAY, ends=NOW - DAY).write(tmp_path, "expired")

    def run(*words: str) -> tuple[int, str]:
        code = main(["explain", *words])
        out, error = capsys.readouterr()
        assert bool(out) != bool(error)
        return code, out or error

    return run


def rows(text: str) -> dict[str, str]:
    return {line[:13].strip(): line[13:] for line in text.splitlines() if line[:1] not in (" ", "t")}


def test_whoever_is_let_through(run: Run) -> None:
    """Verdict, route, upstream, and what the app gets; exit 0."""
    code, text = run("--cert", "alice.crt", "GET", "https://app.example.com/x")
    assert code == 0
    said = rows(text)
    assert said["verdict"] == "admitted"
    assert said["route"] == "routes[2] /*"
    assert said["upstream"] == "default (http://127.0.0.1:8000)"
    assert "rule" not in said
    assert "  Host: app.example.com\n" in text
    assert "  X-SSL-Client-S-DN: CN=alice\n" in text


def test_whoever_is_not_allowed(run: Run) -> None:
    """Reason, check, route, and the rule that decided; exit 1."""
    code, text = run("--cert", "alice.crt", "GET", "/admin/")
    assert code == 1
    said = rows(text)
    assert said["verdict"] == "refused, 403 not_allowed"
    assert (said["check"], said["route"]) == ("rules of the route", "routes[1] /admin/*")
    assert said["rule"] == "none under allow fits"
    assert rows(run("--cert", "mallory.crt", "GET", "/admin/")[1])["rule"] == 'deny[0]: cn = "mallory"'


def test_while_maintenance_is_on(run: Run, tmp_path: Path) -> None:
    """What the gate would answer now, and why."""
    (tmp_path / "gatekeeper.toml").write_text(CONFIGURATION + '[maintenance]\nfile = "closed"\n')
    (tmp_path / "closed").touch()
    code, text = run("--cert", "alice.crt", "GET", "https://app.example.com/x")
    assert code == 1
    assert "503" in text
    assert rows(text)["check"] == "maintenance"


def test_a_certificate_that_is_not_good(run: Run) -> None:
    """The check that found it; no route is named, because none was asked."""
    code, text = run("--cert", "expired.crt", "GET", "/admin/")
    assert code == 1
    said = rows(text)
    assert (said["verdict"], said["check"]) == ("refused, 403 expired", "dates")
    assert "route" not in said


def test_nobody_on_a_public_route(run: Run) -> None:
    """Without --cert, none is sent."""
    code, text = run("POST", "/hook")
    assert code == 0
    assert rows(text)["certificate"] == "none"
    assert rows(text)["route"] == "routes[0] /hook (public)"
    assert "X-SSL" not in text


@pytest.mark.parametrize(
    ("words", "status"),
    [(("GET", "/x/../admin"), 400), (("G ET", "/"), 400), (("TRACE", "/"), 501), (("-H", "Host: b", "GET", "/"), 400)],
)
def test_requests_that_are_refused_for_themselves(run: Run, words: tuple[str, ...], status: int) -> None:
    """By the reader or by the routes, with the status that a client would get."""
    code, text = run("--cert", "alice.crt", "--json", *words)
    assert code == 1
    assert json.loads(text)["status"] == status


@pytest.mark.parametrize(
    ("words", "known"),
    [
        (("GET", "/admin/"), "status reason detail check"),  # no certificate: no route is asked
        (("--cert", "alice.crt", "GET", "/x/../admin"), "status detail check certificate"),
        (("--cert", "alice.crt", "G ET", "/"), "status detail check certificate"),
        (("--cert", "mallory.crt", "GET", "/admin/"), "status reason detail check certificate route rule"),
        (("--cert", "alice.crt", "GET", "/x"), "certificate route upstream"),
    ],
)
def test_what_there_is_nothing_to_say_about_is_null(run: Run, words: tuple[str, ...], known: str) -> None:
    """As docs/routes.md has it, for scripts."""
    said = json.loads(run("--json", *words)[1])
    always = {"request", "verdict", "in_handshake", "headers", "response_headers"}
    assert {key for key, value in said.items() if value is not None} == {*known.split()} | always


def test_it_reads_well_on_80_columns(run: Run, authority: Holder, tmp_path: Path) -> None:
    """Long names are wrapped, long headers cut; JSON has all of it."""
    units = [
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"unit {number} of a large company")
        for number in range(30)
    ]
    subject = x509.Name([*units, x509.NameAttribute(NameOID.COMMON_NAME, "Zoë")])
    make(subject, authority, extensions=[(x509.ExtendedKeyUsage([CLIENT]), False)]).write(tmp_path, "large")
    code, text = run("--cert", "large.crt", "GET", "/x")
    assert code == 0
    assert max(map(len, text.splitlines())) <= 80
    whole: dict[str, Any] = json.loads(run("--cert", "large.crt", "--json", "GET", "/x")[1])
    headers = dict(whole["headers"])
    assert headers["X-SSL-Client-S-DN"] == whole["certificate"]["subject"]
    assert headers["X-SSL-Client-S-DN"].count("OU=") == 30


def test_der_and_chains(run: Run, authority: Holder, tmp_path: Path) -> None:
    """A DER file is one certificate, a PEM file may bring the chain; an intermediate that is missing is missed."""
    between = make_authority("Between CA", authority)
    below = make_client("bob", between, chain=(between.certificate,))
    below.write(tmp_path, "below")
    (tmp_path / "below.der").write_bytes(below.certificate.public_bytes(Encoding.DER))
    assert run("--cert", "below.crt", "GET", "/x")[0] == 0
    code, text = run("--cert", "below.der", "GET", "/x")
    assert (code, rows(text)["verdict"]) == (1, "refused, 403 untrusted_issuer")


def test_a_certificate_that_the_gate_cannot_read(run: Run, tmp_path: Path) -> None:
    """One that begins at no moment, which OpenSSL reads: the gate refuses it, and that is said."""
    der = x509.load_pem_x509_certificate((tmp_path / "alice.crt").read_bytes()).public_bytes(Encoding.DER)
    at = der.index(b"\x30\x1e\x17\x0d") + 6  # the validity; two octets alone may be part of the serial number
    (tmp_path / "odd.der").write_bytes(der[:at] + b"99" + der[at + 2 :])
    code, text = run("--cert", "odd.der", "GET", "/")
    assert (code, rows(text)["verdict"]) == (1, "refused, 403 invalid_certificate")
    assert rows(text)["because"] == "The certificate cannot be parsed: a time of day is out of range."


def test_a_refusal_in_the_handshake(run: Run, tmp_path: Path) -> None:
    """No request is read then, not even one that is public; whoever has no certificate goes on."""
    path = tmp_path / "gatekeeper.toml"
    path.write_text(path.read_text().replace('ca = "ca.crt"', 'ca = "ca.crt"\non_refusal = "handshake"'))
    code, text = run("--cert", "expired.crt", "POST", "/hook")
    assert (code, rows(text)["verdict"]) == (1, "refused, TLS alert expired")
    said = json.loads(run("--cert", "expired.crt", "--json", "POST", "/hook")[1])
    assert (said["verdict"], said["status"], said["in_handshake"]) == ("refused", None, True)
    assert run("POST", "/hook")[0] == 0
    assert rows(run("--cert", "alice.crt", "GET", "/admin/")[1])["verdict"] == "refused, 403 not_allowed"


def test_an_authority_below_another_cannot_pass_for_one_that_a_rule_names(
    run: Run, authority: Holder, tmp_path: Path
) -> None:
    """Two are trusted; the second signs a third with the first one's common name. A rule that denies takes it at its
    word.
    """
    partner = make_authority("Partner CA")
    posing = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "x"), x509.NameAttribute(NameOID.COMMON_NAME, "Home CA")]
    )
    posing_ca = make(posing, partner, extensions=[(x509.BasicConstraints(ca=True, path_length=None), True)])
    make_client("alice", posing_ca, chain=(posing_ca.certificate,)).write(tmp_path, "posing")
    (tmp_path / "ca.crt").write_bytes(authority.certificate_pem + partner.certificate_pem)
    rule, path = '[{ cn = "alice", issuer = "Home CA" }]', tmp_path / "gatekeeper.toml"
    path.write_text(CONFIGURATION.partition("[[routes]]")[0] + f"[[routes]]\nallow = {rule}\n")
    assert run("--cert", "alice.crt", "GET", "/")[0] == 0
    code, text = run("--cert", "posing.crt", "GET", "/")
    assert (code, rows(text)["verdict"]) == (1, "refused, 403 not_allowed")
    path.write_text(path.read_text().replace("allow", "deny"))
    assert rows(run("--cert", "posing.crt", "GET", "/")[1])["rule"] == 'deny[0]: cn = "alice", issuer = "Home CA"'


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--cert", "nothing.crt", "GET", "/"), "nothing.crt does not exist"),
        (("--cert", "alice.key", "GET", "/"), "alice.key holds no certificate, neither PEM nor DER"),
        (("--cert", "broken.pem", "GET", "/"), "broken.pem holds a certificate whose base64 is broken"),
        (("--cert", "short.der", "GET", "/"), "short.der holds a certificate that OpenSSL cannot read"),
        (("GET", "http://x/"), "'http://x/' is neither an https:// URL nor a path"),
        (("GET", "x"), "'x' is neither an https:// URL nor a path"),
        (("GET", ""), "'' is neither an https:// URL nor a path"),
        (("--from", "nas.lan", "GET", "/x"), "'nas.lan' is not an IP address"),
        (("GET", "/ä"), "holds characters that HTTP cannot carry"),
    ],
)
def test_wrong_usage(run: Run, tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    """Exit 2 and one line."""
    (tmp_path / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n")
    (tmp_path / "short.der").write_bytes(b"\x30\x03\x02\x01\x05")
    code, text = run(*words)
    assert code == 2
    assert sentence in text
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("wrong", ['"nothing.crt"', "7"], ids=["a file", "a value"])
def test_mistakes_in_the_configuration(run: Run, tmp_path: Path, wrong: str) -> None:
    """Exit 2 with the line, as for serve; and why nothing is explained."""
    (tmp_path / "gatekeeper.toml").write_text(CONFIGURATION.replace('"ca.crt"', wrong))
    code, text = run("GET", "/")
    assert code == 2
    first, last = text.splitlines()
    assert "line 5: client_auth.ca: " in first
    assert last == "gatekeeper: explain needs a configuration that loads; gatekeeper check lists all its mistakes"


def test_a_trusted_proxy(run: Run, tmp_path: Path) -> None:
    """--from says who connects, and so whether what the request says of others is believed."""
    configuration = CONFIGURATION.replace("[client_auth]", 'trusted_proxies = ["10.0.0.0/8"]\n[client_auth]')
    (tmp_path / "gatekeeper.toml").write_text(configuration)
    claims = ("-H", "X-Forwarded-For: 192.0.2.1", "--cert", "alice.crt", "--json", "GET", "/x")
    for address, told in (("10.1.1.1", "192.0.2.1, 10.1.1.1"), ("127.0.0.1", "127.0.0.1")):
        headers = dict(json.loads(run("--from", address, *claims)[1])["headers"])
        assert headers["X-Forwarded-For"] == told


def test_a_bundle_is_explained(run: Run, authority: Holder, tmp_path: Path) -> None:
    """A .p12 as people have it: the certificate that belongs to its key, with the others sent along."""
    between = make_authority("Between CA", authority)
    below = make_client("below", between)
    octets = make_bundle(below.key, below.certificate, (between.certificate,), "secret", friendly_name="below")
    (tmp_path / "below.p12").write_bytes(octets)
    (tmp_path / "password").write_text("secret\n")
    code, text = run("--cert", "below.p12", "--password-file", "password", "GET", "/x")
    assert (code, rows(text)["verdict"]) == (0, "admitted")
    (tmp_path / "password").write_text("guess\n")
    code, text = run("--cert", "below.p12", "--password-file", "password", "GET", "/x")
    assert "wrong password" in text


def test_a_key_that_no_handshake_can_use(run: Run, authority: Holder, tmp_path: Path) -> None:
    """OpenSSL calls the certificate good, and nobody can ever show it: "admitted" would be wrong."""
    key = ec.generate_private_key(ec.SECP256K1())
    make_client("alice", authority, key=key).write(tmp_path, "odd")
    code, text = run("--cert", "odd.crt", "GET", "/x")
    assert code == 1
    said = rows(text)
    assert (said["verdict"], said["check"]) == ("refused, TLS alert", "key (TLS)")
    assert "P-256, P-384 and P-521" in " ".join(text.split())


def test_what_cannot_be_decoded_is_named(run: Run, authority: Holder, tmp_path: Path) -> None:
    """It matches no rule, which is a riddle unless it is said."""
    subject = name(attribute(OU, b"\xff\xfe", T61), attribute(CN, b"alice"))
    (tmp_path / "odd.crt").write_bytes(certificate(authority, new_key(), subject=subject))
    code, text = run("--cert", "odd.crt", "GET", "/x")
    assert code == 0
    assert not rows(text).get("unreadable")
    subject = name(attribute(OU, b"caf\xc3\xa9", T61), attribute(CN, b"alice"))
    (tmp_path / "odd.crt").write_bytes(certificate(authority, new_key(), subject=subject))
    code, text = run("--cert", "odd.crt", "GET", "/x")
    assert rows(text)["unreadable"].startswith("OU: matches no rule")
    assert json.loads(run("--cert", "odd.crt", "--json", "GET", "/x")[1])["certificate"]["unreadable"] == ["OU"]


def test_the_headers_are_those_that_the_app_gets(run: Run, tmp_path: Path) -> None:
    """Its own Host and the prefix that the route takes away, where they are configured."""
    configuration = CONFIGURATION.replace("[admin]", 'host = "inside.example"\n[admin]')
    configuration = configuration.replace('path = "/*"', 'path = "/photos/*"\nstrip_prefix = true')
    (tmp_path / "gatekeeper.toml").write_text(configuration)
    words = ("--cert", "alice.crt", "--json", "GET", "https://app.example.com/photos/a")
    headers = dict(json.loads(run(*words)[1])["headers"])
    assert headers["Host"] == "inside.example"
    assert headers["X-Forwarded-Host"] == "app.example.com"
    assert headers["X-Forwarded-Prefix"] == "/photos"


@pytest.mark.parametrize(("method", "status"), [("GET", 301), ("POST", 308)])
def test_the_prefix_alone_is_redirected(run: Run, tmp_path: Path, method: str, status: int) -> None:
    """No app gets it, and nobody is refused."""
    configuration = CONFIGURATION.replace('path = "/*"', 'path = "/photos/*"\nstrip_prefix = true')
    (tmp_path / "gatekeeper.toml").write_text(configuration)
    code, text = run("--cert", "alice.crt", "--json", method, "/photos")
    told = json.loads(text)
    assert (code, told["verdict"], told["status"], told["upstream"]) == (0, "admitted", status, None)


def test_the_headers_that_a_folder_gets(run: Run, tmp_path: Path) -> None:
    """A server of files is told nothing that it does not act on."""
    configuration = CONFIGURATION.replace("http://127.0.0.1:8000", "static:.")
    (tmp_path / "gatekeeper.toml").write_text(configuration)
    words = ("--cert", "alice.crt", "--json", "-H", "Cookie: a", "-H", "Range: bytes=0-1", "GET", "/x")
    headers = dict(json.loads(run(*words)[1])["headers"])
    assert headers["Range"] == "bytes=0-1"
    assert "Cookie" not in headers
