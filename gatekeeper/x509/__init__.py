"""Certificates, names, revocation lists and signatures as bytes, read as leniently as OpenSSL reads them.

OpenSSL decides whether a certificate is good. What it accepts must be readable here, whatever stands in an extension
that nobody asks for. `cryptography` parses every extension and every name strictly or nothing at all; so it verifies
signatures and makes certificates, but does not read a peer's.

Glossary: an *element* is one tag, length and content (X.690, 8.1). A *value* that cannot be decoded by the rules of its
string type is None: it matches no rule and stands in no header.
"""
