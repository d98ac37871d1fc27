"""Certificates made by strangers to cost a gate as much memory or time as their bytes can."""

from collections.abc import Callable
from dataclasses import replace

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.certificates import DAY, NOW, Holder, make, make_authority, named, new_key
from tests.der import tlv

STRANGER, KEY = make_authority("Other CA"), new_key()
ALTERNATIVE_NAMES, PURPOSES = "2.5.29.17", "2.5.29.37"
Make = Callable[[int], Holder]


def extended(oid: str, items: list[bytes]) -> Holder:
    value = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), tlv(0x30, b"".join(items)))
    return make(named("mallory"), STRANGER, key=KEY, extensions=[(value, False)])


def of_names(count: int) -> Holder:
    """Empty DNS names, of two bytes each."""
    return extended(ALTERNATIVE_NAMES, [b"\x82\x00"] * count)


def of_short_names(count: int) -> Holder:
    """Different DNS names of two letters: each becomes a string of its own."""
    return extended(ALTERNATIVE_NAMES, [b"\x82\x02%02x" % (number % 256) for number in range(count)])


def of_purposes(count: int) -> Holder:
    """Different OIDs of two bytes."""
    return extended(PURPOSES, [bytes((6, 2, 0x2A + number // 120, number % 120)) for number in range(count)])


def of_attributes(count: int) -> Holder:
    return make(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a")] * count), STRANGER, key=KEY)


def of_extensions(count: int) -> Holder:
    unknown = (x509.UnrecognizedExtension(x509.ObjectIdentifier(f"1.2.3.{number}"), b"") for number in range(count))
    return make(named("mallory"), STRANGER, key=KEY, extensions=[(one, False) for one in unknown])


def of_certificates(count: int) -> Holder:
    """A small one, and copies of it behind it."""
    small = make(x509.Name([]), STRANGER, key=KEY)
    return replace(small, chain=(small.certificate,) * (count - 1))


def of_large_keys(count: int) -> Holder:
    """Signed, as they say, by RSA keys of 16,384 bits with the largest exponent that OpenSSL takes: 6 ms to verify."""
    modulus, exponent = (1 << 16_383) + 12_345, (1 << 64) - 1
    large = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    chain = tuple(_forged(number, large) for number in range(1, count))
    return Holder(KEY, _forged(0, KEY.public_key()), chain)


def _forged(number: int, key: object) -> x509.Certificate:
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(number + up))]) for up in (0, 1)]
    builder = x509.CertificateBuilder(names[1], names[0], key, number + 1, NOW - DAY, NOW + DAY)  # type: ignore[arg-type]
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    signed = builder.add_extension(constraints, critical=True).sign(_SMALL, hashes.SHA256()).tbs_certificate_bytes
    algorithm = tlv(0x30, bytes.fromhex("06092a864886f70d01010b0500"))  # sha256WithRSAEncryption
    return x509.load_der_x509_certificate(tlv(0x30, signed + algorithm + tlv(3, b"\x00" + b"\x01" * 2048)))


_SMALL = rsa.generate_private_key(65537, 2048)


def size_of(holder: Holder) -> int:
    """Of the certificate list, as SSL_CTX_set_max_cert_list(3) counts it, with its lengths and extensions."""
    return sum(len(one.public_bytes(Encoding.DER)) + 5 for one in (holder.certificate, *holder.chain)) + 8


def largest(make: Make, size: int) -> Holder:
    """With about as much as fits into ``size`` bytes. Signatures by elliptic curves differ in length."""
    few, more = 2, 12
    each = (size_of(make(more)) - size_of(make(few))) / (more - few)
    count = int((size - size_of(make(few))) / each) + few
    while size_of(holder := make(count)) > size:
        count -= max(1, count // 100)
    return holder


EVERY_KIND = [of_names, of_short_names, of_purposes, of_attributes, of_extensions, of_certificates, of_large_keys]
