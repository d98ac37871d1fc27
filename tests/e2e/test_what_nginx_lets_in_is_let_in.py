"""Certificates as people bring them, odd ones and all: the same verdict as nginx, and the same identity headers."""

import base64
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gatekeeper.ca.admission import make_trust
from gatekeeper.errors import BindingError
from tests.app import App, Asked
from tests.certificates import NOW, Holder, make_authority, make_client, make_server, new_key
from tests.der import certificate, oid, seq, spki, tlv
from tests.e2e.originals import Cast, gate, original, status
from tests.e2e.test_identity_is_what_nginx_sends import CONFIGURATION, NAMES
from tests.oddities import NOT_EVEN_SENT, oddities
from tests.ports import free_port
from tests.tools import needs
from tests.variations import variations

HOME, KEY = make_authority("Home CA"), new_key()
ODD = oddities(HOME, KEY)
VARIED = variations(HOME, KEY)
# docs/certificates.md, "Stricter than nginx": no common name, control characters or invisible ones in a name.
STRICTER = {
    *("subject: NUL in T61String", "subject: no attributes at all", "subject: only empty parts"),
    *("subject: a soft hyphen", "subject: a byte order mark in BMPString", "subject: a byte order mark in UTF8String"),
}
# nginx breaks the line of a serial number there, and then the app refuses the request.
NGINX_FAILS = {"frame: a serial of 36 octets", "frame: a serial of 200 octets"}
YEAR_0 = "dates: begins: year 0"
KEYS = {
    "RSA of 2048 bits": rsa.generate_private_key(65537, 2048),
    "RSA of 1024 bits": rsa.generate_private_key(65537, 1024),
    "RSA with an exponent of 3": rsa.generate_private_key(3, 2048),
    "DSA": dsa.generate_private_key(2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    "Ed448": ed448.Ed448PrivateKey.generate(),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "P-521": ec.generate_private_key(ec.SECP521R1()),
    "secp256k1": ec.generate_private_key(ec.SECP256K1()),
    "brainpool": ec.generate_private_key(ec.BrainpoolP256R1()),
}


@dataclass(frozen=True, slots=True)
class Stage:
    folder: Path
    cast: Cast
    app: App
    ours: int
    theirs: int

    def write(self, name: str, der: bytes, key: object = KEY) -> str:
        """The visitor as files; its name for `ask`."""
        name = name.replace("/", "-")
        text = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"
        (self.folder / f"visitor {name}.crt").write_bytes(text)
        (self.folder / f"visitor {name}.key").write_bytes(Holder(key, HOME.certificate).key_pem())  # type: ignore[arg-type]
        return name

    def ask(self, port: int, visitor: str) -> tuple[bool, Asked | None]:
        """Whether the visitor is let in, and what the app then hears of it. A handshake that fails lets nobody in."""
        before = len(self.app.asked)
        try:
            admitted = status(self.cast, port, visitor) == 200
        except (ssl.SSLError, ConnectionError):
            admitted = False
        heard = self.app.asked[before:]
        assert len(heard) == admitted
        return admitted, heard[0] if heard else None


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    needs("nginx")
    folder: Path = tmp_path_factory.mktemp("odd")
    cast, port = Cast(folder), free_port()
    (folder / "ca.crt").write_bytes(HOME.certificate_pem)
    make_server("localhost", HOME).write(folder, "server")
    make_client("plain", HOME).write(folder, "visitor plain")
    with App() as app, gate(cast, app) as ours:
        headers = " ".join(f"proxy_set_header {name} {value};" for name, value in NAMES.items())
        (folder / "nginx.conf").write_text(CONFIGURATION.format(port=port, app=app.url, headers=headers))
        with original(["nginx", "-p", folder, "-c", "nginx.conf"], port, cast) as theirs:
            yield Stage(folder, cast, app, ours, theirs)


def judged_alike(stage: Stage, visitor: str) -> bool:
    theirs, ours = stage.ask(stage.theirs, visitor), stage.ask(stage.ours, visitor)
    assert ours[0] == theirs[0]
    if theirs[1] is not None and ours[1] is not None:
        assert {name: ours[1].header(name) for name in NAMES} == {name: theirs[1].header(name) for name in NAMES}
    return ours[0]


@pytest.mark.parametrize("kind", [kind for kind in ODD if kind not in NOT_EVEN_SENT])
def test_an_odd_certificate(stage: Stage, kind: str) -> None:
    """200 where nginx says 200, with every header the same; refused where nginx refuses."""
    judged_alike(stage, stage.write(kind, ODD[kind]))


@pytest.mark.parametrize("kind", VARIED)
def test_a_varied_certificate(stage: Stage, kind: str) -> None:
    """The same; what a client with OpenSSL cannot send is refused when another one sends it."""
    visitor, unsent = stage.write(kind, VARIED[kind]), ""
    try:
        stage.cast.context(visitor)
    except ssl.SSLError as error:
        unsent = str(error.reason)
    if unsent:
        # A key that is no key: what the certificate says of it is not looked at before somebody signs with it.
        assert unsent in ("KEY_VALUES_MISMATCH", "X509_LIB") or not verified(VARIED[kind])
        return
    if kind in STRICTER | NGINX_FAILS:
        assert (stage.ask(stage.theirs, visitor)[0], stage.ask(stage.ours, visitor)[0]) == (
            kind in STRICTER,
            kind in NGINX_FAILS,
        )
    elif kind == YEAR_0:
        assert stage.ask(stage.ours, visitor)[0]
    else:
        judged_alike(stage, visitor)


def verified(der: bytes) -> bool:
    try:
        return not make_trust(HOME.certificate, None, now=NOW).tls.verify(der).errors
    except BindingError:
        return False


@pytest.mark.parametrize("kind", sorted(NOT_EVEN_SENT))
def test_what_openssl_does_not_take_in_hand(stage: Stage, kind: str) -> None:
    """What a client with OpenSSL cannot even send: should that change, it is to be judged like the others."""
    with pytest.raises(ssl.SSLError):
        stage.cast.context(stage.write(kind, ODD[kind]))


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_of_every_kind(stage: Stage, kind: str) -> None:
    """Which keys can sign a handshake is OpenSSL's business alone."""
    key = KEYS[kind]
    judged_alike(stage, stage.write(f"key {kind}", certificate(HOME, key), key))  # type: ignore[arg-type]


ELLIPTIC, P256 = "1.2.840.10045.2.1", "1.2.840.10045.3.1.7"
RSA = "1.2.840.113549.1.1.1"


def spellings() -> dict[str, tuple[bytes, object]]:
    """Public keys in other words than the usual."""
    compressed = KEY.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    hybrid = bytearray(KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
    hybrid[0] = 6 | hybrid[-1] & 1
    curve = seq(oid(ELLIPTIC), oid(P256))
    rsa_key = KEYS["RSA of 2048 bits"]
    null = tlv(0x05)
    ordinary = spki(rsa_key)  # type: ignore[arg-type]
    assert seq(oid(RSA), null) in ordinary
    bits_of = ordinary[ordinary.index(seq(oid(RSA), null)) + len(seq(oid(RSA), null)) :]
    return {
        "a compressed point": (seq(curve, tlv(0x03, b"\0", compressed)), KEY),
        "a hybrid point": (seq(curve, tlv(0x03, b"\0", bytes(hybrid))), KEY),
        "RSA without NULL": (seq(seq(oid(RSA)), bits_of), rsa_key),
    }


@pytest.mark.parametrize("kind", spellings())
def test_a_key_in_other_words(stage: Stage, kind: str) -> None:
    """Points that are compressed, parameters that are missing."""
    public_key, key = spellings()[kind]
    judged_alike(stage, stage.write(f"spelling {kind}", certificate(HOME, KEY, public_key=public_key), key))


def test_a_key_for_pss_alone(stage: Stage) -> None:
    """RFC 4055, 1.2; no library in Python makes one."""
    needs("openssl")
    openssl = ["openssl", "genpkey", "-algorithm", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"]
    key = subprocess.run(openssl, capture_output=True, check=True).stdout
    public = subprocess.run(
        ["openssl", "pkey", "-pubout", "-outform", "DER"], input=key, capture_output=True, check=True
    )
    name = stage.write("PSS", certificate(HOME, KEY, public_key=public.stdout))
    (stage.folder / f"visitor {name}.key").write_bytes(key)
    assert judged_alike(stage, name)
