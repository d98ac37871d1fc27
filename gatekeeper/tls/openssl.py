"""What `ssl` cannot do with OpenSSL, by its C functions. No file but this and `libssl`, which declares them, knows C.

CPython's ``ssl`` has no verify callback, so with a bad client certificate the handshake ends in an alert. This file
sets the callback on the libssl that ``_ssl`` itself is linked with. An address is used only after a proof that it is
the right one; where the proof fails, `BindingError` is raised and the caller goes on without this file.
"""

import _ssl
import ctypes
import ssl
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache

from gatekeeper.errors import BindingError
from gatekeeper.gate.verdict import Peer, VerifyError
from gatekeeper.tls.libssl import (
    GROUP_NAME,
    NEW_TICKET,
    CertificateCallback,
    HelloCallback,
    InfoCallback,
    IssuedCallback,
    LibSSL,
    VerifyCallback,
    check_layout,
)

_HELLO_SUCCESS = 1  # SSL_CLIENT_HELLO_SUCCESS
_EXT_ALPN = 16  # TLSEXT_TYPE_application_layer_protocol_negotiation (openssl/tls1.h)
_VERIFY_NONE = 0x00  # SSL_VERIFY_NONE: ask for none
_VERIFY_PEER = 0x01  # SSL_VERIFY_PEER: ask for a certificate, take none as an answer
_CTRL_MODE = 33  # openssl/ssl.h
_MODE_NO_AUTO_CHAIN = 0x08
_CTRL_SET_SESS_CACHE_MODE = 44
_SESS_CACHE_OFF = 0x00
_CTRL_SET_MAX_CERT_LIST = 51
_CTRL_SET_TICKET_KEYS = 59
_OP_NO_TICKET = ssl.OP_NO_TICKET
_TLS13 = ssl.TLSVersion.TLSv1_3
# SSL_CB_ACCEPT_EXIT: the state machine has run; SSL_CB_READ_ALERT, SSL_CB_WRITE_ALERT.
_MESSAGE_ENDS = frozenset({0x2002, 0x4004, 0x4008})
_GET_GROUP = 134  # SSL_CTRL_GET_NEGOTIATED_GROUP
_V_OK = 0  # X509_V_OK
_V_UNSPECIFIED = 1  # X509_V_ERR_UNSPECIFIED
# X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, its variant _LOCALLY, _DEPTH_ZERO_SELF_SIGNED_CERT, _SELF_SIGNED_CERT_IN_CHAIN
# and _UNABLE_TO_VERIFY_LEAF_SIGNATURE: told before any signature is verified.
_NO_PATH = frozenset({2, 20, 18, 19, 21})
# X509_V_ERR_AKID_SKID_MISMATCH, X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH
_OTHER_IDENTIFIER = frozenset({30, 31})

Refuse = Callable[[Peer], int]
"""Asked in the middle of a handshake about a certificate whose key nobody has proved to hold yet: 0 lets it go on, an
X509_V_ERR number ends it with the alert that OpenSSL sends for it (ssl_x509err2alert)."""

# The smallest that d2i_X509(3) reads: version 1, serial number 0, empty names, and no bits of a key or a signature, by
# an algorithm that does not exist (1.2.3.4). Nothing verifies it, and it verifies nothing.
_STAND_IN = bytes.fromhex(
    "3046303a020100300506032a03043000301e170d3730303130313030303030305a170d3730303130313030303030305a3000"
    "300a300506032a0304030100300506032a0304030100"
)

TICKET_KEYS = 80
"""Bytes of SSL_CTX_set_tlsext_ticket_keys(3): a name, a key for HMAC, a key for AES."""


class _Running(threading.local):
    """Where the verification that runs in this thread collects what is wrong, and who may end it; None while none runs.

    ``refused`` is whether ``refuse`` did. ``authorities`` (DER) are those whose signatures decide, see
    `OpenSSL.verify_by_keys`.
    """

    alpn: bytes = b""
    found: list[VerifyError] | None = None
    refuse: Refuse | None = None
    refused: bool = False
    authorities: frozenset[bytes] = frozenset()


class OpenSSL:
    """The libssl of this interpreter. Made once in a process by `load_libssl`; nothing in it is ever freed.

    An ``SSL_CTX`` keeps the address of the verify callback for as long as any connection made from it lives, so the
    object must outlive all of them.
    """

    def __init__(self, path: str | None = getattr(_ssl, "__file__", None)) -> None:
        """Look in the module at ``path`` and what it is linked with; None is the program itself (a static Python)."""
        self._libssl = libssl = LibSSL(path)
        self._call = libssl.call
        self._running = _Running()
        self._names_groups = self._libssl.has(GROUP_NAME)
        self._callback = VerifyCallback(self._on_verify)
        self._certificate_callback = CertificateCallback(self._on_certificates)
        self._hello_callback = HelloCallback(self._on_hello)
        self._info_callback = InfoCallback(self._on_message)
        self._issued_callback = IssuedCallback(self._on_issued)

    def complete_every_handshake(self, context: ssl.SSLContext) -> None:
        """Let handshakes on ``context`` finish whatever the client certificate is, and keep no sessions.

        Either all of it is done or BindingError is raised and handshakes are as strict as before.
        """
        pointer = self._libssl.context_pointer(context)
        self._call["SSL_CTX_ctrl"](pointer, _CTRL_SET_SESS_CACHE_MODE, _SESS_CACHE_OFF, None)
        self._call["SSL_CTX_set_cert_verify_callback"](pointer, self._certificate_callback, None)
        self._call["SSL_CTX_set_verify"](pointer, _VERIFY_PEER, self._callback)

    def limit_certificates(self, context: ssl.SSLContext, size: int, depth: int) -> None:
        """Take at most ``size`` bytes of certificates from a visitor (SSL_CTX_set_max_cert_list(3)), and a path with at
        most ``depth`` authorities between its own certificate and a trusted one (SSL_CTX_set_verify_depth(3)).

        A longer list ends the handshake; a longer path is a certificate that is refused.
        """
        pointer = self._libssl.context_pointer(context)
        self._call["SSL_CTX_ctrl"](pointer, _CTRL_SET_MAX_CERT_LIST, size, None)
        self._call["SSL_CTX_set_verify_depth"](pointer, depth)

    def send_chain_as_it_is(self, context: ssl.SSLContext) -> None:
        """Show visitors the server's certificates as they stand in the file, and no others (SSL_CTX_set_mode(3)).

        By default OpenSSL looks for the issuer of a lone certificate among the authorities for clients, in each
        handshake: it verifies our own certificate, which costs 60 to 130 µs, and sends visitors the root as well.
        """
        self._call["SSL_CTX_ctrl"](self._libssl.context_pointer(context), _CTRL_MODE, _MODE_NO_AUTO_CHAIN, None)

    def advertise(self, context: ssl.SSLContext, authorities: Iterable[bytes]) -> None:
        """Name the ``authorities`` (DER certificates) in the CertificateRequest (RFC 8446, 4.2.4; RFC 5246, 7.4.4)."""
        pointer = self._libssl.context_pointer(context)
        for der in authorities:
            with self._libssl.certificate(der) as certificate:
                if not self._call["SSL_CTX_add_client_CA"](pointer, certificate):
                    self._call["ERR_clear_error"]()
                    raise BindingError("OpenSSL does not take the name of a certificate authority")

    def resume_sessions(self, context: ssl.SSLContext, keys: bytes) -> None:
        """Take TLS 1.3 tickets under these keys, and none of TLS 1.2, which is given before anybody was judged.

        Nobody gets one but by `give_ticket`. BindingError if that is not to be had.
        """
        self._libssl.declare(NEW_TICKET)
        pointer = self._libssl.context_pointer(context)
        if not self._call["SSL_CTX_ctrl"](pointer, _CTRL_SET_TICKET_KEYS, TICKET_KEYS, keys):
            raise BindingError("OpenSSL rejects the session ticket keys")
        context.options &= ~_OP_NO_TICKET

    def only_tls13_tickets(self, connection: ssl.SSLObject) -> None:
        """To be called in the servername callback: the version is settled there, a ticket is not yet promised."""
        pointer = self._libssl.connection_pointer(connection)
        if self._call["SSL_version"](pointer) < _TLS13:
            self._call["SSL_set_options"](pointer, _OP_NO_TICKET)

    def advertise_to(self, connection: ssl.SSLObject, authorities: Iterable[bytes]) -> None:
        """As `advertise`, for this connection alone and in place of the context's names; to be called in the
        servername callback.
        """
        pointer = self._libssl.connection_pointer(connection)
        for der in authorities:
            with self._libssl.certificate(der) as certificate:
                self._call["SSL_add_client_CA"](pointer, certificate)

    def remember_alpn(self, context: ssl.SSLContext) -> None:
        """Have `offers_alone` know what a client offers (SSL_CTX_set_client_hello_cb(3)); Python tells nobody."""
        pointer = self._libssl.context_pointer(context)
        self._call["SSL_CTX_set_client_hello_cb"](pointer, self._hello_callback, None)

    def offers_alone(self, protocol: str) -> bool:
        """Whether the client offers this protocol by ALPN and no other (RFC 7301, 3.1); to be called in the servername
        callback, which comes right behind the ClientHello.
        """
        name = protocol.encode("ascii")
        entry = bytes((len(name),)) + name
        return self._running.alpn == len(entry).to_bytes(2, "big") + entry

    def ask_for_no_certificate(self, connection: ssl.SSLObject) -> None:
        """To be called in the servername callback: the client is asked for no certificate (SSL_set_verify(3)), so
        browsers show no choice of them. The connection is then one without a certificate.
        """
        self._call["SSL_set_verify"](self._libssl.connection_pointer(connection), _VERIFY_NONE, None)

    def give_ticket(self, connection: ssl.SSLObject) -> bool:
        """Send a session ticket with the next bytes that are sent; False if the connection cannot have one."""
        given: int = self._call[NEW_TICKET[0]](self._libssl.connection_pointer(connection))
        self._call["ERR_clear_error"]()
        return given == 1

    def handshake(self, connection: ssl.SSLObject, found: list[VerifyError], refuse: Refuse | None = None) -> None:
        """``connection.do_handshake()``, with everything that is wrong with the client's certificates put in ``found``.

        ``refuse`` is asked when something is wrong, and when nothing was; without it, no certificate ends the
        handshake.

        The verify callback runs inside this call, in this thread, and nowhere else: renegotiation and post-handshake
        authentication are off.
        """
        with self._collecting(found, refuse):
            connection.do_handshake()

    def group(self, connection: ssl.SSLObject) -> str:
        """The group of the key exchange (RFC 8446, 4.2.7), as "X25519MLKEM768"; "" where OpenSSL before 3.0 has no name
        for it. Costs 1 µs.
        """
        if not self._names_groups:
            return ""
        pointer = self._libssl.connection_pointer(connection)
        name: bytes | None = self._call[GROUP_NAME[0]](pointer, self._call["SSL_ctrl"](pointer, _GET_GROUP, 0, None))
        return name.decode("ascii", "replace") if name else ""

    def watch_messages(self, connection: ssl.SSLObject) -> None:
        """Call ``connection.on_message()`` for each handshake message, each answer to one, and each alert from now on,
        in the middle of the read or write that meets it (SSL_set_info_callback(3)). Application data costs nothing.
        """
        self._call["SSL_set_info_callback"](self._libssl.connection_pointer(connection), self._info_callback)

    def verify_result(self, connection: ssl.SSLObject, found: list[VerifyError]) -> tuple[VerifyError, ...]:
        """What is wrong with the client's certificate after a finished handshake; empty if nothing is.

        Two witnesses: what the callback collected and ``SSL_get_verify_result``. Nothing is wrong only if both say so.
        It says nothing about whether a certificate came at all.
        """
        pointer = self._libssl.connection_pointer(connection)
        result = self._call["SSL_get_verify_result"](pointer)
        if result != _V_OK and all(error.code != result for error in found):
            found.append(VerifyError(result, 0, self._libssl.words(result)))
        self._call["ERR_clear_error"]()
        return tuple(found)

    def forget_certificates(self, connection: ssl.SSLObject) -> None:
        """Free what OpenSSL holds of the client's certificates; none of it is needed after a full handshake, unless a
        ticket is given.

        OpenSSL keeps each certificate decoded for as long as the session: 24 KiB of alternative names cost a connection
        1.35 MiB. The chains are emptied. The client's own certificate cannot be taken out of an SSL_SESSION, so a
        stand-in is read into it (d2i_X509(3)). It is never judged: the peer was asked about before.
        """
        call, pointer = self._call, self._libssl.connection_pointer(connection)
        self._libssl.empty(call["SSL_get_peer_cert_chain"](pointer))
        self._libssl.empty(call["SSL_get0_verified_chain"](pointer))
        self._libssl.overwrite(call["SSL_SESSION_get0_peer"](call["SSL_get_session"](pointer)), _STAND_IN)

    def say_goodbye(self, connection: ssl.SSLObject) -> None:
        """Say close_notify, if that can be said (SSL_shutdown(3)).

        ``connection.unwrap()`` would then ask for the visitor's, and raise that it has not come: 4 µs more.
        """
        self._call["SSL_shutdown"](self._libssl.connection_pointer(connection))
        self._call["ERR_clear_error"]()

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
            with self._collecting(found, authorities=authorities):
                vouched = self._call["X509_verify_cert"](store)
            result = self._call["X509_STORE_CTX_get_error"](store)
            path = self._libssl.ders(self._call["X509_STORE_CTX_get0_chain"](store))
            self._call["ERR_clear_error"]()
        if result == _V_OK and (vouched != 1 or path[:1] != [leaf]):
            result = _V_UNSPECIFIED
        if result != _V_OK and all(error.code != result for error in found):
            found.append(VerifyError(result, 0, self._libssl.words(result)))
        return Peer(leaf, sent=tuple(chain), verified=() if found else tuple(path[1:]), errors=tuple(found))

    @contextmanager
    def _collecting(
        self, found: list[VerifyError], refuse: Refuse | None = None, authorities: frozenset[bytes] = frozenset()
    ) -> Iterator[None]:
        """For what runs in here. ``refuse`` may verify in the middle of a handshake, so what was before is put back."""
        running = self._running
        before = running.found, running.refuse, running.authorities, running.refused
        running.found, running.refuse, running.authorities, running.refused = found, refuse, authorities, False
        try:
            yield
        finally:
            running.found, running.refuse, running.authorities, running.refused = before

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

        It verifies as OpenSSL would have. Only so may `_on_verify` stop the verification and not the handshake.
        """
        try:
            vouched = self._call["X509_verify_cert"](store)
            self._call["ERR_clear_error"]()
            if vouched != 1 and self._call["X509_STORE_CTX_get_error"](store) == _V_OK:
                self._call["X509_STORE_CTX_set_error"](store, _V_UNSPECIFIED)
            return int(not self._running.refused)
        except BaseException:
            return 0

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
            found = self._running.found
            if not ok and found is not None:
                code = self._call["X509_STORE_CTX_get_error"](store)
                depth = self._call["X509_STORE_CTX_get_error_depth"](store)
                found.append(VerifyError(code, depth, self._libssl.words(code)))
            self._call["ERR_clear_error"]()
            if self._running.refuse is not None and not self._may_go_on(self._running.refuse, ok, store):
                self._running.refused = True
                return 0
            return int(bool(ok) or self._call["X509_STORE_CTX_get_error"](store) not in _NO_PATH)
        except BaseException:
            self._running.refused = True
            return 0

    def _on_issued(self, _store: int, subject: int, issuer: int) -> int:
        """The check_issued callback (X509_STORE_CTX_verify_fn(3)): whether ``issuer`` can have signed ``subject``.

        Only keys of authorities are tried: with those that a visitor sends along, each handshake could cost hundreds of
        signatures. That the key may sign certificates is checked later, as for any path.
        """
        call = self._call
        try:
            code = call["X509_check_issued"](issuer, subject)
            if self._libssl.der(issuer) not in self._running.authorities:
                return int(code == _V_OK)
            fits = code == _V_OK or code in _OTHER_IDENTIFIER
            return int(fits and call["X509_verify"](subject, call["X509_get0_pubkey"](issuer)) == 1)
        except BaseException:
            return 0
        finally:
            call["ERR_clear_error"]()

    def _on_hello(self, pointer: int, _alert: int, _argument: int) -> int:
        """The ClientHello callback: remember the ALPN extension. An exception must not reach ctypes."""
        start, size = ctypes.c_void_p(), ctypes.c_size_t()
        self._running.alpn = b""
        try:
            arguments = (pointer, _EXT_ALPN, ctypes.byref(start), ctypes.byref(size))
            if self._call["SSL_client_hello_get0_ext"](*arguments) == 1 and start.value:
                self._running.alpn = ctypes.string_at(start.value, size.value)
        except BaseException:
            return _HELLO_SUCCESS
        return _HELLO_SUCCESS

    def _on_message(self, pointer: int, where: int, _value: int) -> None:
        """The info callback. CPython keeps the address of its own object with the connection, as
        `LibSSL.connection_pointer` has proved for this one, and the object lives: it is its read or write that calls.
        """
        if where not in _MESSAGE_ENDS:
            return
        inner = ctypes.cast(self._call["SSL_get_ex_data"](pointer, 0), ctypes.py_object).value
        inner.owner.on_message()

    def _may_go_on(self, refuse: Refuse, ok: int, store: int) -> bool:
        """OpenSSL goes from the authority down to the leaf, so if all is well with that, nothing was wrong above."""
        if ok and self._call["X509_STORE_CTX_get_error_depth"](store) > 0:
            return True
        leaf = self._libssl.der(self._call["X509_STORE_CTX_get0_cert"](store))
        errors = tuple(self._running.found or ())
        path = () if errors else tuple(self._libssl.ders(self._call["X509_STORE_CTX_get0_chain"](store))[1:])
        sent = self._libssl.ders(self._call["X509_STORE_CTX_get0_untrusted"](store)) if errors else []
        code = refuse(Peer(leaf, sent=tuple(one for one in sent if one != leaf), verified=path, errors=errors))
        if code and ok:
            self._call["X509_STORE_CTX_set_error"](store, code)
        return not code


@cache
def load_libssl() -> OpenSSL:
    """The one `OpenSSL` of this process. BindingError if there is none."""
    if sys.implementation.name != "cpython":
        raise BindingError(f"{sys.implementation.name} is not CPython")
    return OpenSSL()
