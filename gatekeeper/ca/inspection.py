"""What a file contains, in plain words: a certificate, a request, a CRL, a bundle or a key."""

import re
import shlex
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from gatekeeper.ca.admission import Admission, Trust, admission, admission_of
from gatekeeper.ca.bundle import is_bundle, read_bundle
from gatekeeper.ca.keys import describe_key, key_is_encrypted
from gatekeeper.ca.names import check_name, printable
from gatekeeper.ca.requests import STRICT_ERRORS, check_request, requested_subject
from gatekeeper.ca.revocation import read_crl_number
from gatekeeper.errors import AuthorityError, BindingError
from gatekeeper.gate.certificate import read_certificate, serial_hex
from gatekeeper.gate.names import rfc2253
from gatekeeper.gate.revocation import read_lists
from gatekeeper.x509 import names
from gatekeeper.x509.certificate import parse_certificate
from gatekeeper.x509.pem import CERTIFICATE_LABELS, blocks
from gatekeeper.x509.request import RawRequest, parse_request, read_request
from gatekeeper.x509.signatures import ML_DSA, SIGNING_NO_HASH, algorithm_name, digest_of

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)

# How many entries of a CRL, or names of a certificate, are listed.
_FEW = 20

# What protects a bundle, by the object identifiers in it: PBES2 (RFC 8018), and two of PKCS #12's own.
_PROFILES = (
    (bytes.fromhex("2a864886f70d010c0106"), "RC2 with 40 bits: no protection; bundle it anew"),
    (bytes.fromhex("2a864886f70d010c0103"), "3DES (the --compat form, for old importers)"),
    (bytes.fromhex("2a864886f70d01050d"), "AES (the modern form; old importers call its password wrong)"),
)

_PURPOSES = {
    ExtendedKeyUsageOID.CLIENT_AUTH: "signing in as a client",
    ExtendedKeyUsageOID.SERVER_AUTH: "being a server",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "e-mail",
    ExtendedKeyUsageOID.CODE_SIGNING: "signing programs",
    ExtendedKeyUsageOID.OCSP_SIGNING: "answering for revocations",
    ExtendedKeyUsageOID.TIME_STAMPING: "time stamps",
}

_KINDS_OF_NAMES: tuple[tuple[type[x509.GeneralName], str], ...] = (
    (x509.RFC822Name, "e-mail"),
    (x509.DNSName, "host"),
    (x509.UniformResourceIdentifier, "URI"),
    (x509.IPAddress, "address"),
)


@dataclass(frozen=True, slots=True)
class Inspection:
    """One object found in a file: what it is, its contents, and what a gate would make of it.

    ``facts`` are pairs of label and value. ``judged`` is the gate's decision about a certificate, None for other
    objects and where no authority is at hand; ``remark`` is one sentence about anything else that matters.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    judged: Admission | None = None
    remark: str = ""


def inspect_file(
    content: bytes, source: str, *, trust: Trust | None, ask_password: Callable[[], str], now: datetime
) -> tuple[Inspection, ...]:
    """Describe every object in a file, at least one; AuthorityError if nothing in it can be read.

    ``ask_password`` is called if the file is a ``.p12``.
    """
    with warnings.catch_warnings():
        # `cryptography` warns about unusual countries, long names and serial numbers, which do not matter here.
        warnings.simplefilter("ignore")
        return _inspect(content, source, trust, ask_password, now)


def _inspect(
    content: bytes, source: str, trust: Trust | None, ask_password: Callable[[], str], now: datetime
) -> tuple[Inspection, ...]:
    blocks = list(_BLOCK.finditer(content))
    if blocks:
        sent = _certificates(content)
        return tuple(_inspect_block(block[1].decode(), block[0], source, trust, sent, now) for block in blocks)
    if is_bundle(content):
        return tuple(_inspect_bundle(content, source, trust, ask_password(), now))
    readers: tuple[Callable[[], Inspection], ...] = (
        lambda: _inspect_der(content, trust, now),
        lambda: inspect_crl(x509.load_der_x509_crl(content), trust, now),
        lambda: inspect_request(parse_request(content), source),
    )
    for reader in readers:
        with suppress(*STRICT_ERRORS):
            return (reader(),)
    raise AuthorityError(f"{source} is neither a certificate nor a request, revocation list, .p12 or key")


def _certificates(content: bytes) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(content)
    except STRICT_ERRORS:  # none, or a damaged one, which is reported where its block is described
        return ()


def _inspect_der(der: bytes, trust: Trust | None, now: datetime, sent: Sequence[x509.Certificate] = ()) -> Inspection:
    """Describe a certificate; one that `cryptography` rejects is read with the gate's own, more lenient parser."""
    try:
        return inspect_certificate(x509.load_der_x509_certificate(der), trust, now, sent)
    except STRICT_ERRORS:
        read = read_certificate(der)
    starts, ends = (datetime.fromtimestamp(moment, UTC) for moment in (read.not_before, read.not_after))
    also = (("e-mail", read.emails), ("host", read.dns_names), ("URI", read.uris), ("address", read.ips))
    facts = [
        ("Subject", read.subject or "(empty)"),
        ("Issuer", read.issuer or "(empty)"),
        ("Serial", read.serial),
        ("Valid", _span(starts, ends, now)),
        *(("Name", f"{printable(value)} ({kind})") for kind, values in also for value in values[:_FEW]),
        *((("Unreadable", ", ".join(read.undecoded)),) if read.undecoded else ()),
        ("SHA-256", read.sha256),
    ]
    remark = "Strict programs cannot read this certificate; OpenSSL, nginx and the gate can."
    try:
        judged = admission_of(der, trust, [one.public_bytes(Encoding.DER) for one in sent]) if trust else None
    except BindingError as error:
        judged, remark = None, f"{remark} Whether the gate admits it cannot be checked here: {error}."
    return Inspection("A certificate in an unusual form", tuple(facts), judged, remark=remark)


def inspect_certificate(
    certificate: x509.Certificate, trust: Trust | None, now: datetime, sent: Sequence[x509.Certificate] = ()
) -> Inspection:
    """Describe a certificate; with ``trust``, also whether a gate would admit a client that sends it with the ``sent``
    ones.
    """
    raw = parse_certificate(certificate.public_bytes(Encoding.DER))
    facts = [
        ("Subject", rfc2253(certificate.subject) or "(empty)"),
        ("Issuer", rfc2253(certificate.issuer) or "(empty)"),
        ("Serial", serial_hex(certificate.serial_number)),
        ("Valid", _span(certificate.not_valid_before_utc, certificate.not_valid_after_utc, now)),
        ("Purpose", _purpose(certificate)),
        *_names(certificate),
        ("Key", _key(raw.spki)),
        ("Signature", _signature(raw.algorithm)),
        ("SHA-256", certificate.fingerprint(hashes.SHA256()).hex()),
    ]
    if certificate.version is x509.Version.v1:
        facts.insert(4, ("Version", "1: the old form without extensions; taken, but made anew it says what it is for"))
    if trust is not None and certificate == trust.authority:
        remark = "This is the authority itself: the gate trusts what it signs."
        return Inspection("The certificate of this authority", tuple(facts), remark=remark)
    title = "The certificate of an authority (CA)" if _is_authority(certificate) else "A certificate"
    try:
        return Inspection(title, tuple(facts), admission(certificate, trust, sent) if trust else None)
    except BindingError as error:
        return Inspection(title, tuple(facts), remark=f"Whether the gate admits it cannot be checked here: {error}.")


def inspect_request(request: RawRequest, source: str) -> Inspection:
    """Describe a request, and whether `gatekeeper ca sign` would sign it."""
    wanted = requested_subject(request)
    facts = [("Subject", names.rfc2253(request.subject) or "(empty)")]
    if wanted.alternatives:
        facts.append(("Asks for", _list_names(wanted.alternatives)))
    facts.append(("Key", _key(request.spki)))
    facts.append(("Signature", _signature(request.algorithm)))
    return Inspection("A certificate signing request (CSR)", tuple(facts), remark=_signing(request, source))


def _signing(request: RawRequest, source: str) -> str:
    try:
        name = check_request(request, source)
    except AuthorityError as error:
        return f"It would not be signed: {error}."
    try:
        check_name(name)
    except AuthorityError as error:
        return f"It can be signed, but {error}: gatekeeper ca sign {shlex.quote(source)} --name NAME"
    return f"It can be signed: gatekeeper ca sign {shlex.quote(source)}"


def inspect_crl(crl: x509.CertificateRevocationList, trust: Trust | None, now: datetime) -> Inspection:
    """Describe a CRL; with ``trust``, also whether a gate would accept it."""
    following = crl.next_update_utc
    facts = [
        ("Issuer", rfc2253(crl.issuer)),
        ("Made", f"{crl.last_update_utc:%Y-%m-%d %H:%M} UTC"),
        ("Next due", f"{following:%Y-%m-%d %H:%M} UTC ({_distance(following, now)})" if following else "never"),
        ("Number", str(read_crl_number(crl) or "none")),
        ("Revoked", str(len(crl)) + (f", the first {_FEW} of which are" if len(crl) > _FEW else "")),
        *(
            ("", f"{serial_hex(one.serial_number)} since {one.revocation_date_utc:%Y-%m-%d}")
            for one in islice(crl, _FEW)
        ),
    ]
    remark = ""
    if following is not None and following <= now:
        remark = "It is overdue, and a gate that uses it admits nobody. Sign it again: gatekeeper ca crl"
    if trust is not None and (problem := _not_taken(crl, trust)):
        remark = f"A gate that trusts this authority does not take it: {problem}."
    return Inspection("A revocation list (CRL)", tuple(facts), remark=remark)


def _not_taken(crl: x509.CertificateRevocationList, trust: Trust) -> str:
    try:
        read_lists(crl.public_bytes(Encoding.DER), trust.tls.authorities)
    except ValueError as error:
        return str(error)
    return ""


def _inspect_block(
    label: str, pem: bytes, source: str, trust: Trust | None, sent: Sequence[x509.Certificate], now: datetime
) -> Inspection:
    try:
        match label:
            case "CERTIFICATE" | "X509 CERTIFICATE":
                return _inspect_der(blocks(pem, CERTIFICATE_LABELS)[0], trust, now, sent)
            case "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST":
                return inspect_request(read_request(pem), source)
            case "X509 CRL":
                return inspect_crl(x509.load_pem_x509_crl(pem), trust, now)
            case _ if label.endswith("PRIVATE KEY"):
                return _inspect_key(pem)
    except STRICT_ERRORS as error:
        raise AuthorityError(f"{source}: the {label} in it is damaged, or its names cannot be read") from error
    return Inspection(f"A block called {label}", (), remark="It is of no use to a gate.")


def _inspect_key(pem: bytes) -> Inspection:
    if key_is_encrypted(pem):
        facts = (("Protection", "encrypted under a passphrase"),)
        return Inspection("A private key", facts, remark="It never leaves the device that it belongs to.")
    try:
        kind = describe_key(load_pem_private_key(pem, None))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        kind = "unknown"
    return Inspection(
        "A private key",
        (("Kind", kind), ("Protection", "none: whoever reads this file has the key")),
        remark="Encrypt it, unless a server must start with it: openssl pkey -aes256 -in FILE -out FILE.new",
    )


def _inspect_bundle(
    content: bytes, source: str, trust: Trust | None, password: str, now: datetime
) -> Iterator[Inspection]:
    opened = read_bundle(content, password, source)
    protection = next((words for oid, words in _PROFILES if oid in content), "unknown")
    if opened.certificate and opened.key:
        fits = opened.certificate.public_key() == opened.key.public_key()
        remark = "" if fits else "Its key does not belong to its certificate; bundle it anew."
    else:
        remark = "A browser needs a key and its certificate together, and one of them is missing; bundle it anew."
    facts = (
        ("Protection", protection),
        ("Private key", describe_key(opened.key) if opened.key else "none"),
        ("Certificates", str(len(opened.others) + (opened.certificate is not None))),
    )
    yield Inspection("A bundle of key and certificates (PKCS #12)", facts, remark=remark)
    for certificate in filter(None, (opened.certificate, *opened.others)):
        yield inspect_certificate(certificate, trust, now, opened.others)


def _span(start: datetime, end: datetime, now: datetime) -> str:
    span = f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
    if now < start:
        return f"{span} (begins {_distance(start, now)})"
    return f"{span} (ended {_distance(end, now)})" if now > end else f"{span} (ends {_distance(end, now)})"


def _distance(moment: datetime, now: datetime) -> str:
    gap = abs(moment - now)
    amount, unit = (gap.days, "day") if gap >= timedelta(days=2) else (gap // timedelta(hours=1), "hour")
    if amount == 0:
        amount, unit = gap // timedelta(minutes=1), "minute"
    words = f"{amount} {unit}{'' if amount == 1 else 's'}"
    return f"{words} ago" if moment < now else f"in {words}"


def _purpose(certificate: x509.Certificate) -> str:
    if _is_authority(certificate):
        return "signing other certificates"
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return "any (it does not say)"
    return ", ".join(_PURPOSES.get(oid, oid.dotted_string) for oid in usage)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _names(certificate: x509.Certificate) -> list[tuple[str, str]]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [("Also named", _list_names(tuple(found)))]


def _list_names(found: tuple[x509.GeneralName, ...]) -> str:
    words = (
        (next((word for kind, word in _KINDS_OF_NAMES if isinstance(name, kind)), "other"), name) for name in found
    )
    shown = [printable(f"{word} {name.value}") for word, name in islice(words, _FEW)]
    return ", ".join(shown) + (f" and {len(found) - _FEW} more" if len(found) > _FEW else "")


def _key(spki: bytes) -> str:
    try:
        return describe_key(load_der_public_key(spki))
    except (ValueError, UnsupportedAlgorithm):
        return "of a kind that is not known here"


def _signature(algorithm: bytes) -> str:
    try:
        digest, name = digest_of(algorithm), algorithm_name(algorithm)
    except ValueError:
        return "of a kind that is not known here"
    if digest is not None:
        return f"made with {digest.name.upper().replace('SHA', 'SHA-', 1)}"
    if name in ML_DSA:
        return "ML-DSA"
    return "EdDSA" if name in SIGNING_NO_HASH else f"{name}, not known here"
