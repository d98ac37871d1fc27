"""Certificate signing requests (PKCS #10, RFC 2986): created here, or read and checked."""

import warnings
from collections.abc import Iterator
from ipaddress import ip_address
from itertools import groupby, starmap

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from gatekeeper.ca.keys import PrivateKey, signature_hash
from gatekeeper.ca.subject import Subject
from gatekeeper.errors import AuthorityError
from gatekeeper.gate.keys import public_key_of, request_weakness
from gatekeeper.x509 import request as x509_request
from gatekeeper.x509.certificate import SUBJECT_ALTERNATIVE_NAME
from gatekeeper.x509.der import dotted
from gatekeeper.x509.extensions import NO_NAMES, AlternativeNames, alternative_names, read
from gatekeeper.x509.names import CN, Attribute, text_of
from gatekeeper.x509.request import RawRequest

# RFC 5280, appendix A: ub-common-name.
MAXIMUM_COMMON_NAME = 64

# What *cryptography* raises for names, extensions, versions, keys and attributes that it cannot parse, such as text
# outside its string type's alphabet or a repeated extension.
STRICT_ERRORS = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


def make_request(key: PrivateKey, subject: Subject) -> x509.CertificateSigningRequest:
    """A request for ``subject``, signed with its own key."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject.name)
    if subject.alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(subject.alternatives), critical=False)
    return builder.sign(key, signature_hash(key))


def read_request(content: bytes, source: str) -> RawRequest:
    """Read a request, PEM or DER, as leniently as OpenSSL; AuthorityError if it is none.

    Not checked: whether it may be signed, see `check_request`.
    """
    try:
        return x509_request.read_request(content)
    except ValueError as error:
        raise AuthorityError(f"{source} holds no certificate signing request (CSR): {error}") from error


def check_request(request: RawRequest, source: str) -> str:
    """Return the common name of a request that may be signed; AuthorityError says why it may not.

    Checked: strength of key and hash, the signature (which proves that the sender holds the key), and exactly one
    common name, which is printable, not blank and not too long. Not checked: who sent it, which is up to the operator.
    """
    check_strength(request, source)
    names = [text_of(one.tag, one.value) for one in request.subject if one.oid == CN]
    if None in names:
        raise AuthorityError(
            f"{source} is refused: the bytes of its common name (CN) are no valid form of their string type, so nobody "
            "can say who is meant; make it again"
        )
    if not any(name and name.strip() for name in names):
        raise AuthorityError(
            f"{source} has no common name (CN), or a blank one, and a gate would refuse its certificate; "
            'make it again with one: openssl req -new -key user.key -subj "/CN=alice" -out user.csr'
        )
    if len(names) > 1:
        raise AuthorityError(f"{source} has {len(names)} common names (CN); a gate admits certificates with one")
    return check_common_name(names[0] or "")


def check_strength(request: RawRequest, source: str) -> CertificatePublicKeyTypes:
    """The key of a request; AuthorityError if key or signature is weak, or the key did not sign the request."""
    if weakness := request_weakness(request):
        raise AuthorityError(f"{source} is refused: {weakness}; make a new key and a new request")
    key = public_key_of(request)
    if key is None:
        raise AssertionError("a key that cannot be read is a weakness")
    return key


def check_common_name(name: str) -> str:
    """Return ``name`` if it can be a common name that a gate admits; AuthorityError says why not."""
    if not name.strip():
        raise AuthorityError("a blank name is refused: a gate would not admit such a certificate")
    if not name.isprintable():
        raise AuthorityError(f"the name {name!r} holds characters that cannot be printed")
    if len(name) > MAXIMUM_COMMON_NAME:
        raise AuthorityError(f"the name has {len(name)} characters; a common name has at most {MAXIMUM_COMMON_NAME}")
    return name


def requested_subject(request: RawRequest) -> Subject:
    """The subject and the e-mail, DNS, URI and IP names that a request asks for, as far as they can be read.

    Other extensions, above all basicConstraints (CA:TRUE) and key usages, are never taken from a request.
    """
    read = ((one, text_of(one.tag, one.value)) for one in request.subject)
    parts = groupby(((one, text) for one, text in read if text is not None), key=lambda pair: pair[0].rdn)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about unusual countries and long names
        name = x509.Name([x509.RelativeDistinguishedName(list(starmap(_attribute, part))) for _, part in parts])
        return Subject(name, tuple(_general_names(_alternatives(request))))


def grantable_subject(request: RawRequest, source: str) -> Subject:
    """All names that a request asks for.

    AuthorityError if one cannot be read, or cannot be part of a certificate that every program can read.
    """
    unreadable = [one.short_name for one in request.subject if text_of(one.tag, one.value) is None]
    alternatives = _alternatives(request)
    if request.extensions is None or alternatives.undecoded:
        unreadable.append("the alternative names")
    if unreadable:
        raise AuthorityError(
            f"{source} asks for names that cannot be read: {', '.join(unreadable)}; sign it without --as-requested, "
            "and grant what it needs by --ou, --email, --dns, --uri"
        )
    wanted = requested_subject(request)
    try:
        for attribute in wanted.name:
            x509.NameAttribute(attribute.oid, attribute.value)
    except ValueError as error:
        raise AuthorityError(f"{source} asks for what cannot stand in a certificate: {error}") from error
    return wanted


def _attribute(one: Attribute, text: str) -> x509.NameAttribute:  # type: ignore[type-arg]
    return x509.NameAttribute(x509.ObjectIdentifier(dotted(one.oid)), text, _validate=False)


def _alternatives(request: RawRequest) -> AlternativeNames:
    extension = (request.extensions or {}).get(SUBJECT_ALTERNATIVE_NAME)
    if extension is None:
        return NO_NAMES
    return read(alternative_names, extension.value) or AlternativeNames(undecoded=1)


def _general_names(found: AlternativeNames) -> Iterator[x509.GeneralName]:
    """The names of the types that are taken over when the operator grants what a request asks for."""
    yield from map(x509.RFC822Name, found.emails)
    yield from map(x509.DNSName, found.dns_names)
    yield from map(x509.UniformResourceIdentifier, found.uris)
    yield from (x509.IPAddress(ip_address(ip)) for ip in found.ips)
