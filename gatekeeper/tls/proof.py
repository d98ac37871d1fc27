"""The start-up proof: handshakes in memory that show that bad certificates are seen, and nothing but bad ones.

CPython does not promise what `gatekeeper.tls.openssl` relies on. So before the first visitor is served, the same code
judges a good certificate, one from another authority and none, over each TLS version, and must be right each time.
"""

import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache

from gatekeeper.errors import BindingError, StartError, TLSError
from gatekeeper.gate.certificate import read_certificate
from gatekeeper.gate.verdict import Peer
from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.context import VERSIONS, ServerContext, new_ssl_context
from gatekeeper.tls.memory_file import as_file
from gatekeeper.tls.openssl import OpenSSL, load_libssl
from gatekeeper.tls.proof_certificates import ProofCertificates, make_proof_certificates
from gatekeeper.tls.server_names import NamedCertificate, ServerNames

_FLIGHTS = 4  # a full TLS 1.2 handshake takes two from each side, and one more moves the last bytes


@cache
def load_and_prove(load: Callable[[], OpenSSL] = load_libssl) -> OpenSSL:
    """The binding of this process, proved once. BindingError if there is none or it cannot be relied on."""
    openssl = load()
    prove(openssl, _given.pop() if _given else None)
    return openssl


_given: list[ProofCertificates] = []


def give_certificates(certificates: ProofCertificates) -> None:
    """What `load_and_prove` is to use in this process, which then need not load what makes certificates."""
    _given.append(certificates)


def prove(openssl: OpenSSL, certificates: ProofCertificates | None = None) -> None:
    """Three handshakes over each TLS version; BindingError unless each gives the answer that it must."""
    certificates = certificates or make_proof_certificates()
    context = _server_context(openssl, certificates)
    visitors = {"a good": certificates.good, "a foreign": certificates.foreign, "no": None}
    for version in VERSIONS.values():
        for kind, visitor in visitors.items():
            peer = _peer(context, version, visitor)
            if _kind(peer) != kind:
                raise BindingError(f"the start-up proof failed: over {version.name}, {kind} certificate is misjudged")


def prove_service(context: ServerContext) -> None:
    """One handshake of a client without certificate with the context that visitors are to get; StartError if it fails.

    A gate that cannot complete a handshake must not replace one that can. The client takes every suite that OpenSSL
    has; which ones a visitor has is not known.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    client.set_ciphers("ALL:@SECLEVEL=0")
    if context.openssl is not None:  # what is configured need not be among what OpenSSL's clients offer by themselves
        replace(context.suites, ciphers=()).choose(client, context.openssl)
    server = TLSConnection(context)
    try:
        _shake_hands(server, client)
    except (TLSError, ssl.SSLError) as error:
        raise StartError(f"no handshake with this configuration can be completed: {error}") from error
    if not server.established:
        raise StartError("no handshake with this configuration can be completed")


def _kind(peer: Peer) -> str:
    if peer.leaf is None:
        return "no"
    return "a foreign" if peer.errors else "a good"


def _server_context(openssl: OpenSSL, certificates: ProofCertificates) -> ServerContext:
    context = new_ssl_context()
    context.load_verify_locations(cadata=certificates.trusted.decode())
    with as_file(certificates.authority) as path:
        context.load_cert_chain(path)
    openssl.complete_every_handshake(context)
    certificate = read_certificate(ssl.PEM_cert_to_DER_cert(certificates.trusted.decode()))
    names = ServerNames((NamedCertificate("", context, certificate),))
    return ServerContext(context, openssl, names, authorities=(certificate,))


def _peer(context: ServerContext, version: ssl.TLSVersion, visitor: bytes | None) -> Peer:
    """What the server learns of the visitor. One whose handshake fails is a peer without certificate."""
    server = TLSConnection(context)
    with suppress(TLSError):
        _shake_hands(server, _client_context(version, visitor))
    return server.peer


def _shake_hands(server: TLSConnection, client_context: ssl.SSLContext) -> None:
    """TLSError or ssl.SSLError if one side finds fault with the other."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(incoming, outgoing)
    for _ in range(_FLIGHTS):
        with suppress(ssl.SSLWantReadError):
            client.do_handshake()
        server.receive(outgoing.read())
        incoming.write(server.pending_output())


def _client_context(version: ssl.TLSVersion, visitor: bytes | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # it is the server that is put to the proof
    context.minimum_version = context.maximum_version = version
    if visitor:
        with as_file(visitor) as path:
            context.load_cert_chain(path)
    return context
