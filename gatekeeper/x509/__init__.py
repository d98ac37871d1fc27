"""Certificates, names, revocation lists and signatures as bytes, read as leniently as OpenSSL reads them.

OpenSSL decides whether a certificate is valid. Whatever it accepts must be readable here, even with malformed
extensions that are not used. `cryptography` parses every extension and name strictly or rejects the whole; so it
verifies signatures and creates certificates, but does not read those of peers.

Glossary: an *element* is one tag, length and content (X.690, 8.1). A *value* that cannot be decoded by the rules of its
string type is None: it matches no rule and is sent in no header.

der, pem, times
    elements of DER and BER; PEM blocks; dates.
certificate, extensions, names, request
    the parts of a certificate; its extensions; distinguished names; the parts of a certificate request.
crl, ocsp
    the parts of a CRL; OCSP requests and responses.
signatures
    which key has signed what.
"""
