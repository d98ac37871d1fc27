"""Keys of files to write that name a file which the gate needs."""

import os
from pathlib import Path

import pytest

from tests.configurations import MINIMAL, loaded, mistakes

EVERYTHING = """\
[server]
certificate = "server.crt"
key = "server.key"
key_passphrase_file = "server.pass"
certificates = [{ certificate = "sni.crt", key = "sni.key" }, { domains = "b.example.com" }]
redirect = "unix:redirect.sock"
[client_auth]
ca = ["folder/a.crt", "b.crt"]
crl = ["a.crl", "http://pki.example.com/b.crl"]
crl_folder = "crls"
hosts = [{ hosts = "c.example.com", ca = "host.crt" }]
[upstream]
url = "https://127.0.0.1:8000"
ca = "app-ca.crt"
certificate = "app.crt"
key = "app.key"
[upstreams.api]
url = "https://127.0.0.1:8001"
ca = "api-ca.crt"
[identity.jwt]
key = "jwt.key"
audience = "app"
[refusal]
template = "page.html"
[invitations]
folder = "invitations"
[acme]
domains = "a.example.com"
accept_terms = true
folder = "acme"
challenge = "tls-alpn-01"
ca = "directory.crt"
eab = { key_id = "kid", hmac_key_file = "eab.key" }
"""
NEEDED = {
    "server.crt": "server.certificate",
    "server.key": "server.key",
    "server.pass": "server.key_passphrase_file",
    "sni.crt": "server.certificates[0].certificate",
    "sni.key": "server.certificates[0].key",
    "folder/a.crt": "client_auth.ca[0]",
    "b.crt": "client_auth.ca[1]",
    "a.crl": "client_auth.crl[0]",
    "host.crt": "client_auth.hosts[0].ca",
    "app-ca.crt": "upstream.ca",
    "app.crt": "upstream.certificate",
    "app.key": "upstream.key",
    "api-ca.crt": "upstreams.api.ca",
    "jwt.key": "identity.jwt.key",
    "page.html": "refusal.template",
    "directory.crt": "acme.ca",
    "eab.key": "acme.eab.hmac_key_file",
    "gatekeeper.toml": "the configuration itself",
    "folder/ca.key": "the authority's ca.key beside client_auth.ca",
    "folder/index.json": "the authority's index.json beside client_auth.ca",
}
INSIDE = {
    "acme/accounts/0123.json": "acme.folder",
    "acme/certificate.pem": "acme.folder",
    "crls/pki.example.com-0123.crl": "client_auth.crl_folder",
    "invitations/0123/invitation.json": "invitations.folder",
}
LOG = ('[log]\naccess = "{}"\n', "log.access", "access lines would be appended to it")
MAINTENANCE = ('[maintenance]\nfile = "{}"\n', "maintenance.file", "`gatekeeper maintenance off` would remove it")
ADMIN = ('[admin]\nlisten = "unix:{}"\n', "admin.listen", "it cannot be a socket too")


def told(folder: Path, text: str) -> list[str]:
    """The mistakes without their lines, and with paths relative to the folder."""
    found = mistakes(folder, text)
    return [one.partition(": ")[2].replace(f"{folder}/", "") for one in found]


@pytest.mark.parametrize("needed", NEEDED)
@pytest.mark.parametrize(("table", "key", "outcome"), [LOG, MAINTENANCE, ADMIN])
def test_what_is_written_is_no_file_that_is_read(
    tmp_path: Path, table: str, key: str, outcome: str, needed: str
) -> None:
    """Each line would go into a key or an authority, and destroy it; and each would be a change to reload for."""
    text = EVERYTHING + table.format(needed)
    assert told(tmp_path, text) == [f"{key}: {needed} is {NEEDED[needed]}; {outcome}"]


@pytest.mark.parametrize("inside", INSIDE)
@pytest.mark.parametrize(("table", "key"), [LOG[:2], MAINTENANCE[:2]])
def test_what_is_written_is_not_among_the_gates_own_files(tmp_path: Path, table: str, key: str, inside: str) -> None:
    """Account keys, certificates, fetched lists, invitations: their names are chosen at run time."""
    assert told(tmp_path, EVERYTHING + table.format(inside)) == [
        f"{key}: {inside} is in {INSIDE[inside]}, where only the gate's own files may be"
    ]


def test_files_beside_them_are_right(tmp_path: Path) -> None:
    """In the same folders as certificates and configuration, and with the beginning of a folder's name."""
    tables = "".join(table.format(f"{name}s/crls-{name}") for name, (table, *_) in
                     {"log": LOG, "maintenance": MAINTENANCE, "admin": ADMIN}.items())  # fmt: skip
    assert loaded(tmp_path, EVERYTHING + tables)
    assert loaded(tmp_path, EVERYTHING + LOG[0].format("crls.log"))


def test_what_is_written_is_written_once(tmp_path: Path) -> None:
    """A log that is there would close all apps; and neither is a socket."""
    tables = "".join(table.format("one") for table, *_ in (LOG, MAINTENANCE, ADMIN))
    assert told(tmp_path, EVERYTHING + tables) == [
        "maintenance.file: one is log.access; `gatekeeper maintenance off` would remove it",
        "admin.listen: one is log.access; it cannot be a socket too",
        "admin.listen: one is maintenance.file; it cannot be a socket too",
    ]


def symbolic(there: Path, link: Path) -> None:
    link.symlink_to(there)


def symbolic_folder(there: Path, link: Path) -> None:
    link.parent.rmdir()
    link.parent.symlink_to(there.parent)
    there.rename(there.with_name(link.name))
    there.symlink_to(there.with_name(link.name))


@pytest.mark.parametrize("make", [symbolic, os.link, symbolic_folder])
def test_another_name_is_no_other_file(tmp_path: Path, make: object) -> None:
    """Symbolic and hard links, and links on the way."""
    (tmp_path / "client-ca.crt").write_text("certificate")
    (tmp_path / "logs").mkdir()
    make(tmp_path / "client-ca.crt", tmp_path / "logs" / "access.log")  # type: ignore[operator]
    assert told(tmp_path, MINIMAL + LOG[0].format("logs/access.log")) == [
        "log.access: logs/access.log is client_auth.ca; access lines would be appended to it"
    ]


def test_a_link_to_a_file_that_does_not_exist_yet(tmp_path: Path) -> None:
    """The gate would create it, and so prevent the certificate from being put there."""
    (tmp_path / "access.log").symlink_to("privkey.pem")
    assert told(tmp_path, MINIMAL + LOG[0].format("logs/../access.log")) == [
        "log.access: logs/../access.log is server.key; access lines would be appended to it"
    ]


def test_a_device_is_read_and_written(tmp_path: Path) -> None:
    """A configuration on standard input, and the log on the same terminal; an empty template."""
    text = MINIMAL + '[refusal]\ntemplate = "/dev/null"\n' + LOG[0].format("/dev/null")
    assert loaded(tmp_path, text)


def test_an_ordered_certificate_replaces_nothing(tmp_path: Path) -> None:
    """An upstream may be shown the certificate that the gate ordered; an authority would be replaced by it."""
    shown = EVERYTHING.replace('"app.crt"', '"acme/certificate.pem"').replace('"app.key"', '"acme/certificate.pem"')
    assert loaded(tmp_path, shown)
    assert told(tmp_path, EVERYTHING.replace('"app-ca.crt"', '"acme/certificate-b.example.com.pem"')) == [
        "upstream.ca: acme/certificate-b.example.com.pem is where [acme] writes a certificate; it would be replaced"
    ]


def test_it_is_said_together_with_other_mistakes(tmp_path: Path) -> None:
    """All at once, in the order of the file."""
    assert mistakes(tmp_path, MINIMAL + LOG[0].format("privkey.pem") + 'level = "loud"\n') == [
        f"line 9: log.access: {tmp_path}/privkey.pem is server.key; access lines would be appended to it",
        'line 10: log.level: should be "debug", "info", "warning" or "error"; got "loud"',
    ]
