"""Chains that openssl makes, of many keys, signatures, lengths, constraints and policies: the gate admits the client
that ``openssl verify`` accepts, and nobody else.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from gatekeeper.ca.admission import admission_of, make_trust
from gatekeeper.gate.verdict import Policy
from gatekeeper.x509 import pem
from tests.tools import needs

CA = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
CLIENT = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n"
P256, RSA = "EC -pkeyopt ec_paramgen_curve:P-256", "RSA -pkeyopt rsa_keygen_bits:2048"
PSS = "RSA-PSS -pkeyopt rsa_keygen_bits:2048"
PSS_SIGNED = "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32"


@dataclass(frozen=True, slots=True)
class Link:
    """A certificate to make: its key, its extensions, and how the one above signs it."""

    extensions: str = CA
    key: str = P256
    signed: str = "-sha256"
    subject: str = ""


LEAF = Link(CLIENT)
ROOT = Link()


def below(*more: str) -> Link:
    return Link(CA + "\n".join(more) + "\n")


def key_of(kind: str) -> Link:
    return Link(CLIENT, kind)


def leaf(*more: str) -> Link:
    return Link(CLIENT + "\n".join(more) + "\n")


# From the root to the visitor.
CHAINS: dict[str, Sequence[Link]] = {
    "P-256": [ROOT, LEAF],
    "P-384": [ROOT, key_of("EC -pkeyopt ec_paramgen_curve:P-384")],
    "P-521": [ROOT, key_of("EC -pkeyopt ec_paramgen_curve:P-521")],
    "secp256k1": [ROOT, key_of("EC -pkeyopt ec_paramgen_curve:secp256k1")],
    "brainpool": [ROOT, key_of("EC -pkeyopt ec_paramgen_curve:brainpoolP256r1")],
    "P-224": [ROOT, key_of("EC -pkeyopt ec_paramgen_curve:P-224")],
    "Ed25519": [ROOT, key_of("ED25519")],
    "Ed448": [ROOT, key_of("ED448")],
    "X25519, which signs nothing": [ROOT, key_of("X25519")],
    "RSA of 2048 bits": [ROOT, key_of(RSA)],
    "RSA of 1024 bits": [ROOT, key_of("RSA -pkeyopt rsa_keygen_bits:1024")],
    "RSA-PSS key": [ROOT, key_of(PSS)],
    "root with Ed25519": [Link(key="ED25519", signed=""), Link(CLIENT, signed="")],
    "root with Ed448": [Link(key="ED448", signed=""), Link(CLIENT, signed="")],
    "root with RSA, SHA-512": [Link(key=RSA, signed="-sha512"), Link(CLIENT, signed="-sha512")],
    "root with RSA, PSS": [Link(key=RSA), Link(CLIENT, signed=PSS_SIGNED)],
    "root with RSA-PSS key": [Link(key=PSS, signed=PSS_SIGNED), Link(CLIENT, signed=PSS_SIGNED)],
    "root with RSA, SHA-1": [Link(key=RSA), Link(CLIENT, signed="-sha1")],
    "root signed with SHA-1": [Link(key=RSA, signed="-sha1"), LEAF],
    "root with RSA, MD5": [Link(key=RSA), Link(CLIENT, signed="-md5")],
    "root with RSA, SHA-224": [Link(key=RSA), Link(CLIENT, signed="-sha224")],
    "root with P-256, SHA3-256": [ROOT, Link(CLIENT, signed="-sha3-256")],
    "root with RSA of 1024 bits": [Link(key="RSA -pkeyopt rsa_keygen_bits:1024"), LEAF],
    "one between": [ROOT, below(), LEAF],
    "three between": [ROOT, below(), below(), below(), LEAF],
    "five between": [ROOT, *(below(),) * 5, LEAF],
    "six between": [ROOT, *(below(),) * 6, LEAF],
    "path length 0": [Link(CA.replace("CA:TRUE", "CA:TRUE,pathlen:0")), LEAF],
    "path length 0 with one between": [Link(CA.replace("CA:TRUE", "CA:TRUE,pathlen:0")), below(), LEAF],
    "one between that is no CA": [ROOT, Link(CLIENT), LEAF],
    "one between without keyCertSign": [ROOT, Link("basicConstraints=critical,CA:TRUE\nkeyUsage=cRLSign\n"), LEAF],
    "one between without extensions": [ROOT, Link(""), LEAF],
    "one between for clients": [ROOT, below("extendedKeyUsage=clientAuth"), LEAF],
    "one between for servers": [ROOT, below("extendedKeyUsage=serverAuth"), LEAF],
    "one between for any purpose": [ROOT, below("extendedKeyUsage=anyExtendedKeyUsage"), LEAF],
    "root for servers": [below("extendedKeyUsage=serverAuth"), LEAF],
    "names within constraints": [
        ROOT,
        below("nameConstraints=critical,permitted;email:example.com"),
        leaf("subjectAltName=email:alice@example.com"),
    ],
    "names outside constraints": [
        ROOT,
        below("nameConstraints=critical,permitted;email:example.com"),
        leaf("subjectAltName=email:alice@example.org"),
    ],
    "excluded names": [
        ROOT,
        below("nameConstraints=critical,excluded;DNS:example.com"),
        leaf("subjectAltName=DNS:a.example.com"),
    ],
    "constraints of a root": [
        below("nameConstraints=permitted;DNS:example.com"),
        leaf("subjectAltName=DNS:a.example.org"),
    ],
    "constrained addresses": [
        ROOT,
        below("nameConstraints=critical,permitted;IP:10.0.0.0/255.0.0.0"),
        leaf("subjectAltName=IP:192.0.2.1"),
    ],
    "a constraint that is not understood": [
        ROOT,
        below("nameConstraints=critical,permitted;otherName:1.2.3.4;UTF8:x"),
        leaf("subjectAltName=otherName:1.2.3.4;UTF8:y"),
    ],
    "a policy": [ROOT, below("certificatePolicies=1.2.3.4"), leaf("certificatePolicies=1.2.3.4")],
    "another policy": [ROOT, below("certificatePolicies=1.2.3.4"), leaf("certificatePolicies=1.2.3.5")],
    "a policy that is required and missing": [
        ROOT,
        below("certificatePolicies=1.2.3.4", "policyConstraints=critical,requireExplicitPolicy:0"),
        LEAF,
    ],
    "a policy that is required": [
        ROOT,
        below("certificatePolicies=1.2.3.4", "policyConstraints=critical,requireExplicitPolicy:0"),
        leaf("certificatePolicies=1.2.3.4"),
    ],
    "any policy inhibited": [
        ROOT,
        below("certificatePolicies=anyPolicy", "inhibitAnyPolicy=critical,0"),
        leaf("certificatePolicies=anyPolicy"),
    ],
    "200 alternative names": [ROOT, leaf("subjectAltName=" + ",".join(f"DNS:h{n}.example.com" for n in range(200)))],
    "an unknown critical extension": [ROOT, leaf("1.2.3.4=critical,DER:05:00")],
    "an unknown critical extension between": [ROOT, below("1.2.3.4=critical,DER:05:00"), LEAF],
    "for servers": [ROOT, Link(CLIENT.replace("clientAuth", "serverAuth"))],
    "for any purpose": [ROOT, Link(CLIENT.replace("clientAuth", "anyExtendedKeyUsage"))],
    "without extensions": [ROOT, Link("")],
    "for key agreement alone": [ROOT, Link(CLIENT.replace("digitalSignature", "keyAgreement"))],
    "for key encipherment alone": [ROOT, Link(CLIENT.replace("digitalSignature", "keyEncipherment"), RSA)],
    "an authority as a visitor": [ROOT, below()],
    "a proxy certificate": [ROOT, LEAF, Link("proxyCertInfo=critical,language:id-ppl-inheritAll\n")],
    "names in Cyrillic and Han": [ROOT, Link(CLIENT, subject="/O=ООО Ромашка/CN=山田")],
}
# What `openssl verify` accepts and the gate refuses: no client can sign a handshake with such a key (RFC 8446, 4.2.3).
STRICTER = {"secp256k1", "brainpool", "P-224", "X25519, which signs nothing"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a key of each kind that a chain needs, by its place in the chain."""
    needs("openssl")
    return tmp_path_factory.mktemp("chains")


def openssl(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, timeout=60)


def made(folder: Path, *arguments: str) -> None:
    done = openssl(folder, *arguments)
    assert done.returncode == 0, done.stderr


def chain(folder: Path, links: Sequence[Link]) -> list[bytes]:
    """The certificates in DER, from the root to the visitor; as files, 0.crt and so on."""
    for place, link in enumerate(links):
        name = f"{place} {link.key.replace('/', '')}.key"
        if not (folder / name).exists():
            kind, *options = link.key.split()
            made(folder, "genpkey", "-algorithm", kind, *options, "-out", name)
        (folder / f"{place}.key").write_bytes((folder / name).read_bytes())
        made(folder, "pkey", "-in", f"{place}.key", "-pubout", "-out", "public.pem")
        (folder / "extensions").write_text(link.extensions)
        # What signs nothing cannot sign a request: the root's key does, and the public one is put in its place.
        signs = f"{place}.key" if link.key != "X25519" else "0.key"
        subject = ["-subj", link.subject or f"/CN=link {place}", "-utf8", "-config", "/dev/null"]
        made(folder, "req", "-new", "-key", signs, *subject, "-out", "request.pem")
        signer = ["-CA", f"{place - 1}.crt", "-CAkey", f"{place - 1}.key"] if place else ["-signkey", "0.key"]
        made(folder, "x509", "-req", "-in", "request.pem", *signer, "-days", "30", "-extfile", "extensions",
             *([] if place == 0 else ["-force_pubkey", "public.pem"]), "-out", f"{place}.crt",
             *link.signed.split())  # fmt: skip
    files = ((folder / f"{place}.crt").read_bytes() for place in range(len(links)))
    return [pem.blocks(content, [b"CERTIFICATE"])[0] for content in files]


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_is_judged_as_openssl_judges_it(folder: Path, name: str) -> None:
    """At the gate's security level, for a client. Not compared: revocation, and how deep a chain may be."""
    links = CHAINS[name]
    root, *between, visitor = chain(folder, links)
    (folder / "between.pem").write_text("".join((folder / f"{n}.crt").read_text() for n in range(1, len(links) - 1)))
    untrusted = ["-untrusted", "between.pem"] if between else []
    last = f"{len(links) - 1}.crt"
    options = ["-auth_level", "2", "-purpose", "sslclient", "-CAfile", "0.crt", *untrusted]
    theirs = openssl(folder, "verify", *options, last).returncode == 0
    trust = make_trust(x509.load_der_x509_certificate(root), None, now=datetime.now(UTC))
    ours = admission_of(visitor, replace(trust, policy=Policy()), between[::-1])
    assert (ours.reason is None) is (theirs and name not in STRICTER), ours
    assert ours.reason is None or ours.detail


def test_what_is_stricter_is_accepted_by_openssl() -> None:
    """The names in the list are those of chains."""
    assert set(CHAINS) >= STRICTER
