"""Authorities in forms that few programs write: what OpenSSL trusts loads and is trusted, and nothing else is."""

import subprocess
from pathlib import Path

import pytest

from gatekeeper.errors import ConfigurationError
from gatekeeper.x509 import pem
from tests.certificates import Holder, make_authority, make_server, new_key
from tests.der import ALICE, BASIC, CN, TRUE, USAGE, attribute, bits, certificate, extension, name, number, seq, tlv
from tests.oddities import SUBJECTS as FIRST_SUBJECTS
from tests.tls.scene import Scene
from tests.tools import needs
from tests.variations import EXTENSIONS, SUBJECTS, dates

KEY, OTHER = new_key(), new_key()
BOB = name(attribute(CN, b"bob"))
ITSELF = Holder(KEY, make_authority("Home CA").certificate)
IS_CA = extension(BASIC, seq(TRUE), TRUE)
SIGNS = (IS_CA, extension(USAGE, bits(b"\x06", 1), TRUE))


def cases() -> dict[str, tuple[bytes, bytes]]:
    """An authority, and a visitor's certificate that it signed."""

    def one(subject: bytes = ALICE, **parts: object) -> tuple[bytes, bytes]:
        parts = {"extensions": SIGNS, "names_issuer": subject} | parts
        above = certificate(ITSELF, KEY, subject=subject, **parts)  # type: ignore[arg-type]
        return above, certificate(ITSELF, OTHER, names_issuer=subject, subject=BOB)

    subjects = {**FIRST_SUBJECTS, **SUBJECTS}
    found = {f"subject: {kind}": one(subject) for kind, subject in subjects.items() if "unknown" not in kind}
    found |= {
        f"extension: {kind}": one(extensions=(IS_CA, *more)) for kind, more in EXTENSIONS.items() if "BER" not in kind
    }
    found |= {f"alone: {kind}": one(extensions=more) for kind, more in EXTENSIONS.items() if "," not in kind}
    found |= {f"dates: {kind}": one(dates=value) for kind, value in dates().items()}
    found |= {f"version {value}": one(version=tlv(0xA0, number(value)), extensions=SIGNS) for value in (-1, 0, 1, 2, 3)}
    found |= {f"serial {value}": one(serial=number(value)) for value in (-5, 0, 1 << 300)}
    return found | {
        "v1 without extensions": one(version=b"", extensions=()),
        "v3 without extensions": one(extensions=()),
        "v1 that another one signed": one(version=b"", extensions=(), names_issuer=seq()),
        "basic constraints with something behind": one(extensions=(extension(BASIC, seq(TRUE) + b"\x05\x00"),)),
        "cA TRUE as 01": one(extensions=(extension(BASIC, seq(b"\x01\x01\x01")),)),
        "cA FALSE": one(extensions=(extension(BASIC, seq(b"\x01\x01\x00")),)),
        "no cRLSign": one(extensions=(IS_CA, extension(USAGE, bits(b"\x04", 2)))),
    }


CASES = cases()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("odd"), make_authority("Server CA"), make_server("localhost"))


def openssl_trusts(folder: Path, authority: bytes, visitor: bytes) -> bool:
    for file, der in (("ca", authority), ("visitor", visitor)):
        (folder / f"{file}.pem").write_bytes(pem.encode(b"CERTIFICATE", der))
    words = ["openssl", "verify", "-partial_chain", "-trusted_first", "-purpose", "sslclient", "-auth_level", "2"]
    done = subprocess.run(
        [*words, "-CAfile", folder / "ca.pem", folder / "visitor.pem"], capture_output=True, check=False, timeout=60
    )
    return done.returncode == 0


def gate_trusts(scene: Scene, authority: bytes, visitor: bytes) -> bool:
    """Loads as a file does, and verifies as a handshake does."""
    (scene.folder / "bundle.pem").write_bytes(pem.encode(b"CERTIFICATE", authority))

    class Written(Holder):
        @property
        def certificate_pem(self) -> bytes:
            return pem.encode(b"CERTIFICATE", authority)

    try:
        gate = scene.gate(Written(KEY, ITSELF.certificate))
    except ConfigurationError:
        return False
    return not gate.verify(visitor).errors


@pytest.mark.parametrize("kind", CASES)
def test_who_is_trusted(scene: Scene, tmp_path: Path, kind: str) -> None:
    """One that OpenSSL trusts must not keep the gate from starting; one that it does not trust is named at the start,
    or its visitors are refused."""
    needs("openssl")
    authority, visitor = CASES[kind]
    assert gate_trusts(scene, authority, visitor) == openssl_trusts(tmp_path, authority, visitor)
