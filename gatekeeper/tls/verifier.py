"""Verifies client certificates by OpenSSL, in the middle of a handshake or without one, and collects what is wrong."""

import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from gatekeeper.errors import BindingError
from gatekeeper.gate.verdict import Peer, VerifyError
from gatekeeper.tls.libssl import CertificateCallback, IssuedCallback, LibSSL, VerifyCallback, check_layout

V_OK = 0  # X509_V_OK
_V_UNSPECIFIED = 1  # X509_V_ERR_UNSPECIFIED
# X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, its variant _LOCALLY, _DEPTH_ZERO_SELF_SIGNED_CERT, _SELF_SIGNED_CERT_IN_CHAIN
# and _UNABLE_TO_VERIFY_LEAF_SIGNATURE: told before any signature is verified.
_NO_PATH = frozenset({2, 20, 18, 19, 21})
# X509_V_ERR_AKID_SKID_MISMATCH, X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH
_OTHER_IDENTIFIER = frozenset({30, 31})

_Result = TypeVar("_Result")

Refuse = Callable[[Peer], int]
"""Asked in the middle of a handshake about a certificate whose key nobody has proved to hold yet: 0 lets it go on, an
X509_V_ERR number ends it with the alert that OpenSSL sends for it (ssl_x509err2alert)."""


Recall = Callable[[tuple[bytes, ...]], bool]
"""Asked in the middle of a handshake whether nothing was wrong with exactly these certificates (DER, as they were sent,
leaf first) when they were verified last, on a context that trusts the same authorities."""


@dataclass(slots=True)
class Verification:
    """Where a verification collects what is wrong, and who may end it.

    ``refused`` is whether ``refuse`` did. ``recall`` may make the verification superfluous. ``authorities`` (DER) are
    those whose signatures decide, see `Verifier.verify_by_keys`.
    """

    found: list[VerifyError] | None = None
    refuse: Refuse | None = None
    recall: Recall | None = None
    authorities: frozenset[bytes] = frozenset()
    refused: bool = False


class _Running(threading.local):
    """The verification that runs in this thread; one that collects nothing while none runs."""

    def __init__(self) -> None:
        self.now = Verification()


class Verifier:
    """The verification of certificates, as the base of `openssl.OpenSSL`, which sets the callbacks on contexts."""

    def __init__(self, path: str | None) -> None:
        self._libssl = libssl = LibSSL(path)
        self._call = libssl.call
        self._running = _Running()
        self._callback = VerifyCallback(self._on_verify)
        self._certificate_callback = CertificateCallback(self._on_certificates)
        self._issued_callback = IssuedCallback(self._on_issued)

    def verify(self, context: ssl.SSLContext, leaf: bytes, chain: Sequence[bytes]) -> Peer:
        """What a handshake on ``context`` would find out about a client that shows ``leaf`` and sends ``chain`` along.

        All certificates are DER. The steps are those of OpenSSL's own ssl_verify_cert_chain, on the same authorities,
        with the same parameters and the same callback, so that both judge alike. Not checked: that somebody holds the
        key. BindingError if OpenSSL cannot read one of the certificates.
        """
        return self._verify(context, context, leaf, chain)

    def verify_by_keys(
        self,
        context: ssl.SSLContext,
        trusting: ssl.SSLContext,
        authorities: frozenset[bytes],
        leaf: bytes,
        chain: Sequence[bytes],
    ) -> Peer:
        """As `verify`, with the issuer of a certificate found by its key where OpenSSL goes by names and identifiers.

        ``trusting`` is a context that `choose_issuers_by_key` was called for, and that trusts the ``authorities``
        (DER). RFC 5280, 4.2.1.1: the authority key identifier is a means to find the issuer; 6.1, which says what
        makes a path valid, does not ask for it.
        """
        return self._verify(context, trusting, leaf, chain, authorities)

    def choose_issuers_by_key(self, trusting: ssl.SSLContext) -> None:
        """Have `verify_by_keys` asked which authority signed a certificate (X509_STORE_set_check_issued(3)).

        Not for handshakes: each asks once more for each authority of a name.
        """
        store = self._call["SSL_CTX_get_cert_store"](self._libssl.context_pointer(trusting))
        self._call["X509_STORE_set_check_issued"](store, self._issued_callback)

    def _verify(
        self,
        context: ssl.SSLContext,
        trusting: ssl.SSLContext,
        leaf: bytes,
        chain: Sequence[bytes],
        authorities: frozenset[bytes] = frozenset(),
    ) -> Peer:
        connection = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
        check_layout(connection)
        found: list[VerifyError] = []
        with ExitStack() as stack:
            certificates = [stack.enter_context(self._libssl.certificate(der)) for der in (leaf, *chain)]
            sent = stack.enter_context(self._libssl.stack_of(certificates))
            trusted = self._call["SSL_CTX_get_cert_store"](self._libssl.context_pointer(trusting))
            store = stack.enter_context(self._verification(connection, trusted, certificates[0], sent))
            verification = Verification(found, authorities=authorities)
            vouched = self._during(verification, lambda: self._call["X509_verify_cert"](store))
            result = self._call["X509_STORE_CTX_get_error"](store)
            path = self._libssl.ders(self._call["X509_STORE_CTX_get0_chain"](store))
            self._call["ERR_clear_error"]()
        if result == V_OK and (vouched != 1 or path[:1] != [leaf]):
            result = _V_UNSPECIFIED
        if result != V_OK and all(error.code != result for error in found):
            found.append(VerifyError(result, 0, self._libssl.words(result)))
        return Peer(leaf, sent=tuple(chain), verified=() if found else tuple(path[1:]), errors=tuple(found))

    def _during(self, verification: Verification, work: Callable[[], _Result]) -> _Result:
        """``work()``, with its callbacks collecting there. ``refuse`` may verify in the middle of a handshake, so what
        was before is put back.
        """
        running = self._running
        before, running.now = running.now, verification
        try:
            return work()
        finally:
            running.now = before

    @contextmanager
    def _verification(self, connection: ssl.SSLObject, authorities: int, leaf: int, sent: int) -> Iterator[int]:
        """An ``X509_STORE_CTX *`` set up as for this connection, with the ``X509_STORE *`` of these authorities."""
        call, pointer = self._call, self._libssl.connection_pointer(connection)
        store = call["X509_STORE_CTX_new"]()
        try:
            if not (store and authorities and call["X509_STORE_CTX_init"](store, authorities, leaf, sent)):
                raise BindingError("OpenSSL cannot begin to verify a certificate")
            parameters = call["X509_STORE_CTX_get0_param"](store)
            call["X509_VERIFY_PARAM_set_auth_level"](parameters, call["SSL_get_security_level"](pointer))
            purpose = call["X509_STORE_CTX_set_default"](store, b"ssl_client")
            if not (purpose and call["X509_VERIFY_PARAM_set1"](parameters, call["SSL_get0_param"](pointer))):
                raise BindingError("OpenSSL cannot be told how to verify a certificate")
            call["X509_STORE_CTX_set_verify_cb"](store, self._callback)
            yield store
        finally:
            call["X509_STORE_CTX_free"](store)

    def _on_certificates(self, store: int, _argument: int | None) -> int:
        """The callback that verifies in OpenSSL's place (SSL_CTX_set_cert_verify_callback(3)): 1 lets the handshake go
        on, with what X509_STORE_CTX_get_error(3) says as its result; 0 ends it.

        It verifies as OpenSSL would have. Only so may `_on_verify` stop the verification and not the handshake. What is
        recalled needs no verification: a sixth of the gate's part of a handshake. That the visitor holds the key, it
        has to prove to OpenSSL each time, after this.
        """
        try:
            recall = self._running.now.recall
            if recall is not None and recall(self._sent(store)):
                self._call["X509_STORE_CTX_set_error"](store, V_OK)
                return 1
            vouched = self._call["X509_verify_cert"](store)
            self._call["ERR_clear_error"]()
            if vouched != 1 and self._call["X509_STORE_CTX_get_error"](store) == V_OK:
                self._call["X509_STORE_CTX_set_error"](store, _V_UNSPECIFIED)
            return int(not self._running.now.refused)
        except BaseException:
            return 0

    def _sent(self, store: int) -> tuple[bytes, ...]:
        """All certificates that the visitor sent, its own first."""
        return tuple(self._libssl.ders(self._call["X509_STORE_CTX_get0_untrusted"](store)))

    def _on_verify(self, ok: int, store: int) -> int:
        """The verify callback (SSL_CTX_set_verify(3)): remember what is wrong, go on.

        Not where no path leads to a trusted authority: what strangers have signed proves nothing, and with the keys
        that they choose each signature takes up to 6 ms to verify.

        What failed before it is called stays in the thread's error queue: a signature that does not fit, an extension
        that cannot be read. SSL_get_error(3), asked about this connection or any other of the thread, would find it
        and call a mere "want read" fatal. So the queue is emptied. An exception must not reach ctypes: it would return
        an undefined number.
        """
        try:
            found = self._running.now.found
            if not ok and found is not None:
                code = self._call["X509_STORE_CTX_get_error"](store)
                depth = self._call["X509_STORE_CTX_get_error_depth"](store)
                found.append(VerifyError(code, depth, self._libssl.words(code)))
            self._call["ERR_clear_error"]()
            if self._running.now.refuse is not None and not self._may_go_on(self._running.now.refuse, ok, store):
                self._running.now.refused = True
                return 0
            return int(bool(ok) or self._call["X509_STORE_CTX_get_error"](store) not in _NO_PATH)
        except BaseException:
            self._running.now.refused = True
            return 0

    def _on_issued(self, _store: int, subject: int, issuer: int) -> int:
        """The check_issued callback (X509_STORE_CTX_verify_fn(3)): whether ``issuer`` can have signed ``subject``.

        Only keys of authorities are tried: with those that a visitor sends along, each handshake could cost hundreds of
        signatures. That the key may sign certificates is checked later, as for any path.
        """
        call = self._call
        try:
            code = call["X509_check_issued"](issuer, subject)
            if self._libssl.der(issuer) not in self._running.now.authorities:
                return int(code == V_OK)
            fits = code == V_OK or code in _OTHER_IDENTIFIER
            return int(fits and call["X509_verify"](subject, call["X509_get0_pubkey"](issuer)) == 1)
        except BaseException:
            return 0
        finally:
            call["ERR_clear_error"]()

    def _may_go_on(self, refuse: Refuse, ok: int, store: int) -> bool:
        """OpenSSL goes from the authority down to the leaf, so if all is well with that, nothing was wrong above."""
        if ok and self._call["X509_STORE_CTX_get_error_depth"](store) > 0:
            return True
        leaf = self._libssl.der(self._call["X509_STORE_CTX_get0_cert"](store))
        errors = tuple(self._running.now.found or ())
        path = () if errors else tuple(self._libssl.ders(self._call["X509_STORE_CTX_get0_chain"](store))[1:])
        sent = self._libssl.ders(self._call["X509_STORE_CTX_get0_untrusted"](store)) if errors else []
        code = refuse(Peer(leaf, sent=tuple(one for one in sent if one != leaf), verified=path, errors=errors))
        if code and ok:
            self._call["X509_STORE_CTX_set_error"](store, code)
        return not code
