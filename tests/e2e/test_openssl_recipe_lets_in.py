"""The recipe's own openssl commands, one by one, make certificates that are let in, in PEM and in a bundle."""

import subprocess
from pathlib import Path

import pytest
from cryptography import x509

from tests.app import App
from tests.gate_process import PATIENCE, Gate
from tests.tools import needs

PASSPHRASE = "correct horse"


def openssl(folder: Path, *arguments: str, says: str = "") -> None:
    """One command as the recipe writes it; ``says`` is what a person would type."""
    done = subprocess.run(
        ["openssl", *arguments], cwd=folder, input=says, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr


def answers(common_name: str) -> str:
    """What a person types when `openssl req` asks: country, state, city, organization, unit, name, e-mail."""
    return f"DE\nBerlin\nBerlin\nHome\nLab\n{common_name}\n\n"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that the recipe makes, in one folder; keys of 2048 bits, because 4096 take seconds to make."""
    needs("openssl")
    folder = tmp_path_factory.mktemp("recipe")
    (folder / "pass").write_text(f"{PASSPHRASE}\n" * 2)  # openssl reads the second line where -passout names it too
    out, typed = ("-passout", "file:pass"), ("-passin", "file:pass")
    openssl(folder, "genrsa", "-aes256", *out, "-out", "ca.key", "2048")
    openssl(
        folder, "req", "-new", "-x509", "-days", "365", "-key", "ca.key", *typed, "-out", "ca.crt", says=answers("CA")
    )
    openssl(folder, "genrsa", "-aes256", *out, "-out", "user.key", "2048")
    openssl(folder, "req", "-new", "-key", "user.key", *typed, "-out", "user.csr", says=answers("laptop") + "\n\n")
    sign = ("x509", "-req", "-days", "365", "-CA", "ca.crt", "-CAkey", "ca.key", *typed)
    openssl(folder, *sign, "-in", "user.csr", "-set_serial", "01", "-out", "user.crt")
    bundle = ("pkcs12", "-export", "-out", "user.pfx", "-inkey", "user.key", "-in", "user.crt", "-certfile", "ca.crt")
    openssl(folder, *bundle, *typed, *out)
    blank = answers(".") + "\n\n"
    openssl(folder, "req", "-new", "-key", "user.key", *typed, "-out", "blank.csr", says=blank)
    openssl(folder, *sign, "-in", "blank.csr", "-set_serial", "02", "-out", "blank.crt")
    return folder


def curl(gate: Gate, folder: Path, *options: str) -> str:
    command = ["curl", "--silent", "--show-error", "--cacert", "server-ca.crt", *options, f"{gate.address}/hello"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_certificates_of_the_recipe_are_let_in(recipe: Path, folder: Path, app: App) -> None:
    """PEM with an encrypted key, and the .pfx; `x509 -req` makes X.509 v1 without any extension."""
    needs("curl")
    certificate = x509.load_pem_x509_certificate((recipe / "user.crt").read_bytes())
    assert certificate.version is x509.Version.v1
    (recipe / "server-ca.crt").write_bytes((folder / "ca.crt").read_bytes())
    (folder / "ca.crt").write_bytes((recipe / "ca.crt").read_bytes())
    with Gate(folder, app.url) as gate:
        pem = ("--cert", f"user.crt:{PASSPHRASE}", "--key", "user.key")
        assert curl(gate, recipe, *pem) == "GET /hello: 0 bytes\n"
        assert curl(gate, recipe, "--cert-type", "P12", "--cert", f"user.pfx:{PASSPHRASE}") == "GET /hello: 0 bytes\n"
        assert app.asked[-1].header("X-SSL-Client-S-DN") == "CN=laptop,OU=Lab,O=Home,L=Berlin,ST=Berlin,C=DE"
        assert app.asked[-1].header("X-SSL-Client-Serial") == "01"
        assert "no_certificate" in curl(gate, recipe)
        blank = ("--cert", f"blank.crt:{PASSPHRASE}", "--key", "user.key")
        assert "blank_name" in curl(gate, recipe, *blank)
    assert len(app.asked) == 2


def test_an_encrypted_server_key_is_taken(recipe: Path, folder: Path, app: App) -> None:
    """`genrsa -aes256` asks for a passphrase, so ordinary server keys may have one too."""
    needs("curl")
    (recipe / "server-ca.crt").write_bytes((folder / "ca.crt").read_bytes())
    openssl(recipe, "pkey", "-aes256", "-in", str(folder / "server.key"), "-passout", "file:pass", "-out", "server.key")
    (folder / "server.key").write_bytes((recipe / "server.key").read_bytes())
    with Gate(folder, app.url, server=f'key_passphrase_file = "{recipe / "pass"}"') as gate:
        assert "no_certificate" in curl(gate, recipe)
