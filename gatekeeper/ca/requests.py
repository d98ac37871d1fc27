"""Certificate signing requests (PKCS #10, RFC 2986): made here, or taken from elsewhere and judged."""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

from gatekeeper.ca.keys import PrivateKey, signature_hash
from gatekeeper.ca.subject import Subject
from gatekeeper.errors import AuthorityError
from gatekeeper.gate.keys import request_weakness

# RFC 5280, appendix A: ub-common-name.
MAXIMUM_COMMON_NAME = 64

# What *cryptography* raises for names and extensions that it does not understand: text that is not in the alphabet
# it claims, a number for a name, the same extension twice.
UNREADABLE = (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)

# The same, and what it raises for a version, a key or an attribute that it does not know.
STRICT_ERRORS = (*UNREADABLE, KeyError, IndexError, UnsupportedAlgorithm, x509.InvalidVersion)

# The kinds of alternative names that are taken over when the operator grants what a request asks for.
_GRANTABLE = (x509.RFC822Name, x509.DNSName, x509.UniformResourceIdentifier, x509.IPAddress)


def make_request(key: PrivateKey, subject: Subject) -> x509.CertificateSigningRequest:
    """A request for ``subject``, signed with its own key."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject.name)
    if subject.alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(subject.alternatives), critical=False)
    return builder.sign(key, signature_hash(key))


def read_request(content: bytes, source: str) -> x509.CertificateSigningRequest:
    """Read a request, PEM or DER; AuthorityError if it is none, or not to be read whole.

    Nothing is judged: that is `check_request`.
    """
    read = x509.load_pem_x509_csr if b"-----BEGIN" in content else x509.load_der_x509_csr
    try:
        request = read(content)
    except (ValueError, x509.InvalidVersion) as error:
        raise AuthorityError(f"{source} holds no certificate signing request (CSR)") from error
    try:
        # Both are parsed only when they are asked for.
        list(request.subject), list(request.extensions)
    except UNREADABLE as error:
        raise AuthorityError(f"{source} is refused: its names or extensions cannot be read") from error
    return request


def check_request(request: x509.CertificateSigningRequest, source: str) -> str:
    """Give back the common name of a request that may be signed; AuthorityError says why another may not.

    Checked: strength of hash and key, the signature (whoever asks holds the key), exactly one common name, which is
    not blank, printable and not too long. Not checked: who sent it. That is the operator's part.
    """
    check_strength(request, source)
    names = [str(attribute.value) for attribute in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if not any(name.strip() for name in names):
        raise AuthorityError(
            f"{source} has no common name (CN), or a blank one, and a gate would refuse its certificate; "
            'make it again with one: openssl req -new -key user.key -subj "/CN=alice" -out user.csr'
        )
    if len(names) > 1:
        raise AuthorityError(f"{source} has {len(names)} common names (CN); a gate lets in certificates with one")
    return check_common_name(names[0])


def check_strength(request: x509.CertificateSigningRequest, source: str) -> None:
    """AuthorityError for a request whose key or signature is too weak, or whose signature is not by its key."""
    if weakness := request_weakness(request):
        raise AuthorityError(f"{source} is refused: {weakness}; make a new key and a new request")


def check_common_name(name: str) -> str:
    """Give ``name`` back if it can be a common name that a gate lets in; AuthorityError says why not."""
    if not name.strip():
        raise AuthorityError("a blank name is refused: a gate would not let such a certificate in")
    if not name.isprintable():
        raise AuthorityError(f"the name {name!r} holds characters that cannot be printed")
    if len(name) > MAXIMUM_COMMON_NAME:
        raise AuthorityError(f"the name has {len(name)} characters; a common name has at most {MAXIMUM_COMMON_NAME}")
    return name


def requested_subject(request: x509.CertificateSigningRequest) -> Subject:
    """What the request asks to be called: its subject, and its e-mail, DNS, URI and IP names.

    Other extensions, above all basicConstraints (CA:TRUE) and key usages, are never taken from a request.
    """
    return Subject(request.subject, tuple(name for name in _alternatives(request) if isinstance(name, _GRANTABLE)))


def _alternatives(request: x509.CertificateSigningRequest) -> x509.SubjectAlternativeName | tuple[()]:
    try:
        return request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
