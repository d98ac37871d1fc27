"""TLS towards others: apps, OCSP responders, another gate."""

import ssl


def client_context(ca: str | None = None) -> ssl.SSLContext:
    """A context that verifies the server by the authorities in the file ``ca``, or else by the system's.

    OSError or ssl.SSLError if the file cannot be used. Unlike `ssl.create_default_context`, it does not write the keys
    of every connection to the file that ``$SSLKEYLOGFILE`` names: the environment is no way to the plaintext.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # As Python 3.13 does by default: an authority can be trusted without the root above it. Its VERIFY_X509_STRICT asks
    # for extensions that the certificates of many private authorities lack.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # On by default up to CPython 3.11.2 (Debian 12; issue 95494): what was cut off would be taken for whole.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    if ca is not None:
        context.load_verify_locations(ca)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context
