"""The systems whose headers the presets imitate, as processes; and the certificates that all of them are shown."""

import os
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.client import HTTPException, HTTPSConnection
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from tests.app import App, Asked
from tests.certificates import CLIENT, DAY, NOW, Holder, as_v1, make, make_authority, make_server
from tests.gate_process import PATIENCE, Gate, until
from tests.tools import program

CN, O, OU = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME  # noqa: E741
Part = tuple[x509.ObjectIdentifier, str] | tuple[x509.ObjectIdentifier, str, _ASN1Type]


def subject(*parts: Part) -> x509.Name:
    return x509.Name([x509.NameAttribute(*part) for part in parts])


# Go cannot read it, so neither Traefik nor Caddy lets it in.
UNIVERSAL = "UniversalString"
# What makes names hard to write: characters that separate, quote, escape and end them, other alphabets and encodings.
SUBJECTS: Mapping[str, x509.Name] = {
    "plain": subject((NameOID.COUNTRY_NAME, "DE"), (O, "Example Ltd"), (OU, "ops"), (CN, "alice")),
    "every part": subject(
        (NameOID.DOMAIN_COMPONENT, "com"),
        (NameOID.DOMAIN_COMPONENT, "example"),
        (NameOID.COUNTRY_NAME, "DE"),
        (NameOID.STATE_OR_PROVINCE_NAME, "Bayern"),
        (NameOID.LOCALITY_NAME, "München"),
        (O, "Example Ltd"),
        (O, "Second Ltd"),
        (OU, "ops"),
        (NameOID.SERIAL_NUMBER, "4711"),
        (NameOID.EMAIL_ADDRESS, "alice@example.com"),
        (NameOID.USER_ID, "u1"),
        (CN, "alice"),
    ),
    "other alphabets": subject((O, "株式会社"), (OU, "Größe"), (CN, "Zoë Müller 山田 😀")),
    "commas and quotes": subject((O, "Example, Inc."), (OU, '"ops"; drop=1'), (CN, 'alice, the "boss" <a+b=c> \\ #;')),
    "spaces and a hash": subject((OU, "#1"), (CN, " alice ")),
    "percent": subject((OU, "50%"), (CN, "100%25 %zz %2c")),
    "several units": subject((OU, "ops"), (OU, "dev, test"), (OU, "ops"), (CN, "alice")),
    "8 KiB": subject(*((OU, f"unit {number:03} " + "x" * 55) for number in range(130)), (CN, "alice")),
    "other encodings": subject(
        (O, "Zoë", _ASN1Type.BMPString), (OU, "printable", _ASN1Type.PrintableString), (CN, "al")
    ),
    # T61String in ASCII: the gate refuses other letters in it, which are in ISO 8859-1 or not, nobody knows.
    "older encodings": subject((O, "Home", _ASN1Type.T61String), (OU, "1 2", _ASN1Type.NumericString), (CN, "al")),
    UNIVERSAL: subject((O, "Zoë 😀", _ASN1Type.UniversalString), (CN, "al")),
    "attributes that few have": subject(
        (x509.ObjectIdentifier("2.5.4.51"), "house, 1"),
        (NameOID.ORGANIZATION_IDENTIFIER, "VATDE-123"),
        (NameOID.JURISDICTION_COUNTRY_NAME, "DE"),
        (NameOID.DN_QUALIFIER, "q"),
        (NameOID.PSEUDONYM, "p"),
        (NameOID.GIVEN_NAME, "Al"),
        (CN, "alice"),
    ),
    "nothing in some": subject((O, ""), (OU, ""), (OU, "ops"), (CN, "alice")),
    "signs in a row": subject((OU, ',+"\\<>;='), (OU, "##"), (OU, "  "), (CN, "\\,\\")),
    "an attribute without a name": subject((x509.ObjectIdentifier("1.3.6.1.4.1.55555.1.2"), "what"), (CN, "alice")),
    "two in one": x509.Name(
        [x509.RelativeDistinguishedName([x509.NameAttribute(CN, "alice"), x509.NameAttribute(OU, "ops")])]
    ),
}
ALTERNATIVES = x509.SubjectAlternativeName(
    [
        x509.DNSName("laptop.example.com"),
        x509.DNSName("phone.example.com"),
        x509.RFC822Name("alice@example.com"),
        x509.IPAddress(ip_address("192.0.2.1")),
        x509.IPAddress(ip_address("2001:db8::1")),
        x509.UniformResourceIdentifier("spiffe://example.com/alice?x=1"),
    ]
)


# RFC 5280, 4.1.2.5: no end at all.
FOREVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


class Cast:
    """An authority, an intermediate one below it, a server, and holders of all the subjects; as files in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = home = make_authority('Home CA, "Größe" #1')
        between = make_authority("Between CA", home)
        (folder / "ca.crt").write_bytes(home.certificate_pem)
        server = make_server("localhost", home)
        server.write(folder, "server")
        (folder / "server.pem").write_bytes(server.certificate_pem + server.key_pem())
        self._write("v1", as_v1(make(SUBJECTS["plain"], home), home))
        for name, one in SUBJECTS.items():
            extensions = [(ALTERNATIVES, False), (x509.ExtendedKeyUsage([CLIENT]), False)]
            self._write(name, make(one, home, extensions=extensions, starts=NOW - 3 * DAY, ends=NOW + 100 * DAY))
        plain = SUBJECTS["plain"]
        purpose = (x509.ExtendedKeyUsage([CLIENT]), False)
        self._write("serial 1", make(plain, home, serial=1, extensions=[purpose]))
        self._write("serial of 20 bytes", make(plain, home, serial=(1 << 159) - 1, extensions=[purpose]))
        self._write("until 9999", make(plain, home, ends=FOREVER, extensions=[purpose]))
        self._write("RSA", make(plain, home, key=rsa.generate_private_key(65537, 2048), extensions=[purpose]))
        self._write("Ed25519", make(plain, home, key=ed25519.Ed25519PrivateKey.generate(), extensions=[purpose]))
        many = [x509.DNSName(f"host-{number}.example.com") for number in range(200)]
        self._write("200 names", make(plain, home, extensions=[(x509.SubjectAlternativeName(many), False), purpose]))
        self._write("below", make(SUBJECTS["plain"], between, chain=(between.certificate,)))
        self._write(
            "below with its root", make(SUBJECTS["plain"], between, chain=(between.certificate, home.certificate))
        )

    def _write(self, name: str, holder: Holder) -> None:
        holder.write(self.folder, f"visitor {name}")

    def context(self, name: str) -> ssl.SSLContext:
        """A client that sends exactly the chain in its file: one that trusted the authority would add it by itself."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        # Level 0, so that it shows certificates that the server has to find too weak.
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.load_cert_chain(self.folder / f"visitor {name}.crt", self.folder / f"visitor {name}.key")
        return context


KINDS = ("v1", "serial 1", "serial of 20 bytes", "until 9999", "RSA", "Ed25519", "200 names")
VISITORS_OF_GO = (*KINDS, *(name for name in SUBJECTS if name != UNIVERSAL), "below", "below with its root")
VISITORS = (*VISITORS_OF_GO, UNIVERSAL)

IDENTITY = '[identity]\nheaders = ["nginx", "rfc9440", "remote-user", "xfcc", "traefik"]\nexpiry_warning = "off"\n'


@contextmanager
def gate(cast: Cast, app: App) -> Iterator[int]:
    """The port of a gate that sends every preset."""
    with Gate(cast.folder, app.url, tables=IDENTITY) as one:
        yield one.port


@contextmanager
def original(command: Sequence[str | Path], port: int, cast: Cast) -> Iterator[int]:
    """A proxy that answers; it ends with the block. Traefik listens before it has read what it is to do."""
    folder = cast.folder
    executable = program(str(command[0]))
    assert executable is not None
    log = folder / f"{Path(executable).name}.log"
    with log.open("wb") as output:
        environ = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        process = subprocess.Popen([executable, *command[1:]], stdout=output, stderr=output, cwd=folder, env=environ)
    try:
        until(lambda: process.poll() is not None or _answers(cast, port))
        assert process.poll() is None, log.read_text()
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _answers(cast: Cast, port: int) -> bool:
    with suppress(OSError, HTTPException):
        return status(cast, port, "plain") == 200
    return False


def status(cast: Cast, port: int, visitor: str) -> int:
    """The status that a visitor gets for /; an error of TLS or of the connection if it gets none."""
    connection = HTTPSConnection("localhost", port, context=cast.context(visitor), timeout=PATIENCE)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def asked(cast: Cast, app: App, port: int, visitor: str) -> Asked:
    """What reaches the app when this visitor asks for something."""
    before = len(app.asked)
    assert status(cast, port, visitor) == 200
    assert len(app.asked) == before + 1
    return app.asked[-1]
