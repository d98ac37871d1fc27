"""Enrollment over Secure Transport (RFC 7030): what devices renew their certificates by, and the authorities they get.

``POST /.well-known/est/simplereenroll`` does the same as `renewal`. First certificates are not issued by EST, so
``simpleenroll``, ``csrattrs`` and the rest are not supported: 404, as 4.5.2 requires for ``csrattrs``.
"""

import base64
import binascii

from cryptography import x509

from gatekeeper.gate.verdict import Identity
from gatekeeper.invitations.renewal import SignedRenewal
from gatekeeper.invitations.request import read_csr
from gatekeeper.local.enrolment import RETRY_SECONDS
from gatekeeper.local.renewal import issued_chain, malformed, submit
from gatekeeper.local.request import Reply, Request, failure

_COMMON = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))
# RFC 8951, 3.1: bodies are base64 with or without this header; clients written to RFC 7030 require it.
_BASE64 = (("Content-Transfer-Encoding", "base64"), *_COMMON)
_TYPE = "application/pkcs7-mime"
# RFC 7030, 4.2.3.
_CERTS_ONLY = "application/pkcs7-mime; smime-type=certs-only"


def authorities(request: Request) -> Reply:
    """``cacerts`` (4.1), for anybody: all authorities whose clients are admitted, during a rollover both."""
    if request.method not in (b"GET", b"HEAD"):
        return failure(request, 405, "The authorities can only be fetched.", extra=(("Allow", "GET, HEAD"),))
    trusted = [x509.load_der_x509_certificate(one.der) for one in request.authorities]
    return Reply(200, (("Content-Type", _TYPE), *_BASE64), _certs_only(trusted))


def renew(request: Request, identity: Identity) -> Reply:
    """``simplereenroll`` (4.2.2): the certificate without its chain, 202 until it is signed, or an error."""
    if request.method != b"POST":
        return failure(request, 405, "A renewal is requested by POST.", extra=(("Allow", "POST"),))
    try:
        # With line ends or without (RFC 8951, 3.1).
        asked = read_csr(base64.b64decode(b"".join(request.body.split()), validate=True))
    except binascii.Error:
        return malformed(request, ValueError("the request must be PKCS #10 in base64"))
    except ValueError as error:
        return malformed(request, error)
    done = submit(request, identity, SignedRenewal(asked))
    if isinstance(done, Reply):
        return done
    chain = issued_chain(request, done)
    if chain is None:
        text = b"The request waits to be signed; ask again with the same one.\n"
        headers = (("Content-Type", "text/plain"), ("Retry-After", str(RETRY_SECONDS)), *_COMMON)
        return Reply(202, headers, text)
    # RFC 7030, 4.2.3: only the certificate that was issued.
    return Reply(200, (("Content-Type", _CERTS_ONLY), *_BASE64), _certs_only([x509.load_pem_x509_certificate(chain)]))


def _certs_only(certificates: list[x509.Certificate]) -> bytes:
    """A degenerate SignedData (RFC 5652, 5.1), in base64 on one line.

    RFC 4648, 3.1: no line ends unless a specification asks for them; strongSwan 5.9.8 reads none.
    """
    from cryptography.hazmat.primitives.serialization import (  # brings Python's e-mail parser: a megabyte
        Encoding,
        pkcs7,
    )

    return base64.b64encode(pkcs7.serialize_certificates(certificates, Encoding.DER))
