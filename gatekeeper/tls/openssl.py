"""What `ssl` cannot do with OpenSSL, by its C functions: handshakes that bad certificates do not end, names, ALPN.

CPython's ``ssl`` has no verify callback, so with a bad client certificate the handshake ends in an alert. This file
sets the callback (`verifier`) on the libssl that ``_ssl`` itself is linked with. An address is used only after a proof
that it is the right one; where the proof fails, `BindingError` is raised and the caller goes on without this file. No
other file knows C but `verifier`, `sessions` and `libssl`, which declares the functions.
"""

import _ssl
import ctypes
import hashlib
import ssl
import sys
import threading
from collections.abc import Iterable
from functools import cache

from gatekeeper.errors import BindingError
from gatekeeper.gate.verdict import VerifyError
from gatekeeper.tls.libssl import GROUP_NAME, HelloCallback, InfoCallback, LibSSL
from gatekeeper.tls.verifier import V_OK, Recall, Refuse, Verification, Verifier

_HELLO_SUCCESS, _HELLO_ERROR = 1, 0  # SSL_CLIENT_HELLO_SUCCESS, SSL_CLIENT_HELLO_ERROR
_EXT_SERVER_NAME = 0  # TLSEXT_TYPE_server_name
_EXT_ALPN = 16  # TLSEXT_TYPE_application_layer_protocol_negotiation (openssl/tls1.h)
_VERIFY_NONE = 0x00  # SSL_VERIFY_NONE: ask for none
_VERIFY_PEER = 0x01  # SSL_VERIFY_PEER: ask for a certificate, take none as an answer
_CTRL_MODE = 33  # openssl/ssl.h
_MODE_NO_AUTO_CHAIN = 0x08
_CTRL_SET_SESS_CACHE_MODE = 44
_SESS_CACHE_OFF = 0x00
_CTRL_SET_MAX_CERT_LIST = 51
_CTRL_SET_GROUPS_LIST = 92
# SSL_CB_ACCEPT_EXIT: the state machine has run; SSL_CB_READ_ALERT, SSL_CB_WRITE_ALERT.
_MESSAGE_ENDS = frozenset({0x2002, 0x4004, 0x4008})
_GET_GROUP = 134  # SSL_CTRL_GET_NEGOTIATED_GROUP
_NO_CALLBACK = InfoCallback()
# The smallest that d2i_X509(3) reads: version 1, serial number 0, empty names, and no bits of a key or a signature, by
# an algorithm that does not exist (1.2.3.4). Nothing verifies it, and it verifies nothing.
_STAND_IN = bytes.fromhex(
    "3046303a020100300506032a03043000301e170d3730303130313030303030305a170d3730303130313030303030305a3000"
    "300a300506032a0304030100300506032a0304030100"
)


class _Alpn(threading.local):
    """The ALPN extension of the ClientHello that this thread has read last."""

    offered: bytes = b""


class OpenSSL(Verifier):
    """The libssl of this interpreter. Made once in a process by `load_libssl`; nothing in it is ever freed.

    An ``SSL_CTX`` keeps the address of the verify callback for as long as any connection made from it lives, so the
    object must outlive all of them.
    """

    def __init__(self, path: str | None = getattr(_ssl, "__file__", None)) -> None:
        """Look in the module at ``path`` and what it is linked with; None is the program itself (a static Python)."""
        super().__init__(path)
        self._alpn = _Alpn()
        self._groups: dict[int, str] = {}
        self._names_groups = self._libssl.has(GROUP_NAME)
        self._hello_callback = HelloCallback(self._on_hello)
        self._info_callback = InfoCallback(self._on_message)

    @property
    def libssl(self) -> LibSSL:
        """For `sessions`."""
        return self._libssl

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

    def choose_ciphersuites(self, context: ssl.SSLContext, names: str) -> None:
        """Take these suites of TLS 1.3 and no others (SSL_CTX_set_ciphersuites(3)), separated by colons.

        BindingError if OpenSSL does not take the list; since 3.0 it passes over names that it does not know.
        """
        pointer = self._libssl.context_pointer(context)
        taken = self._call["SSL_CTX_set_ciphersuites"](pointer, names.encode("ascii"))
        self._call["ERR_clear_error"]()
        if not taken:
            raise BindingError("OpenSSL does not take the suites of TLS 1.3")

    def choose_groups(self, context: ssl.SSLContext, names: str) -> None:
        """Take these groups for the key exchange and no others (SSL_CTX_set1_groups_list(3)), separated by colons.

        BindingError if OpenSSL does not know one of them.
        """
        pointer = self._libssl.context_pointer(context)
        taken = self._call["SSL_CTX_ctrl"](pointer, _CTRL_SET_GROUPS_LIST, 0, names.encode("ascii"))
        self._call["ERR_clear_error"]()
        if not taken:
            raise BindingError("OpenSSL does not take the groups")

    def advertise(self, context: ssl.SSLContext, authorities: Iterable[bytes]) -> None:
        """Name the ``authorities`` (DER certificates) in the CertificateRequest (RFC 8446, 4.2.4; RFC 5246, 7.4.4)."""
        pointer = self._libssl.context_pointer(context)
        for der in authorities:
            with self._libssl.certificate(der) as certificate:
                if not self._call["SSL_CTX_add_client_CA"](pointer, certificate):
                    self._call["ERR_clear_error"]()
                    raise BindingError("OpenSSL does not take the name of a certificate authority")

    def advertise_to(self, connection: ssl.SSLObject, authorities: Iterable[bytes]) -> None:
        """As `advertise`, for this connection alone and in place of the context's names; to be called in the
        servername callback.
        """
        pointer = self._libssl.connection_pointer(connection)
        for der in authorities:
            with self._libssl.certificate(der) as certificate:
                self._call["SSL_add_client_CA"](pointer, certificate)

    def read_hellos(self, context: ssl.SSLContext) -> None:
        """Read each ClientHello before OpenSSL does (SSL_CTX_set_client_hello_cb(3)): for `offers_alone`, and so that a
        session is resumed only under the server name that it began with (RFC 6066, 3).

        OpenSSL looks for the session before it calls the servername callback, and does not compare the names itself.
        """
        pointer = self._libssl.context_pointer(context)
        self._call["SSL_CTX_set_client_hello_cb"](pointer, self._hello_callback, None)

    def offers_alone(self, protocol: str) -> bool:
        """Whether the client offers this protocol by ALPN and no other (RFC 7301, 3.1); to be called in the servername
        callback, which comes right behind the ClientHello.
        """
        name = protocol.encode("ascii")
        entry = bytes((len(name),)) + name
        return self._alpn.offered == len(entry).to_bytes(2, "big") + entry

    def ask_for_no_certificate(self, connection: ssl.SSLObject) -> None:
        """To be called in the servername callback: the client is asked for no certificate (SSL_set_verify(3)), so
        browsers show no choice of them. The connection is then one without a certificate.
        """
        self._call["SSL_set_verify"](self._libssl.connection_pointer(connection), _VERIFY_NONE, None)

    def handshake(
        self,
        connection: ssl.SSLObject,
        found: list[VerifyError],
        refuse: Refuse | None = None,
        recall: Recall | None = None,
    ) -> bool:
        """``connection.do_handshake()``, with everything that is wrong with the client's certificates put in ``found``.
        False if the client has more to say first.

        ``refuse`` is asked when something is wrong, and when nothing was; without it, no certificate ends the
        handshake. Where ``recall`` knows the certificates, they are not verified again.

        The verify callback runs inside this call, in this thread, and nowhere else: renegotiation and post-handshake
        authentication are off.
        """
        try:
            # The method in C: the exception has one function less to leave.
            self._during(Verification(found, refuse, recall), connection._sslobj.do_handshake)  # type: ignore[attr-defined]
        except ssl.SSLWantReadError:
            return False
        return True

    def group(self, connection: ssl.SSLObject) -> str:
        """The group of the key exchange (RFC 8446, 4.2.7), as "X25519MLKEM768"; "" where OpenSSL before 3.0 has no name
        for it.
        """
        if not self._names_groups:
            return ""
        pointer = self._libssl.connection_pointer(connection)
        group = self._call["SSL_ctrl"](pointer, _GET_GROUP, 0, None)
        if group not in self._groups:
            name: bytes | None = self._call[GROUP_NAME[0]](pointer, group)
            self._groups[group] = name.decode("ascii", "replace") if name else ""
        return self._groups[group]

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
        if result != V_OK and all(error.code != result for error in found):
            found.append(VerifyError(result, 0, self._libssl.words(result)))
        self._call["ERR_clear_error"]()
        return tuple(found)

    def forget_certificates(self, connection: ssl.SSLObject) -> None:
        """Free what OpenSSL holds of the client's certificates; none of it is needed after a full handshake, unless the
        session may be resumed.

        OpenSSL keeps each certificate decoded for as long as the session: 24 KiB of alternative names cost a connection
        1.35 MiB. The chains are emptied. The client's own certificate cannot be taken out of an SSL_SESSION, so a
        stand-in is read into it (d2i_X509(3)). It is never judged: the peer was asked about before.
        """
        call, pointer = self._call, self._libssl.connection_pointer(connection)
        self._libssl.empty(call["SSL_get_peer_cert_chain"](pointer))
        self._libssl.empty(call["SSL_get0_verified_chain"](pointer))
        self._libssl.overwrite(call["SSL_SESSION_get0_peer"](call["SSL_get_session"](pointer)), _STAND_IN)

    def free_buffers(self, connection: ssl.SSLObject) -> None:
        """Free the buffers of both of the connection's memory BIOs, which must be empty. They never shrink by
        themselves: after a handshake they take 3 of the 31 KiB of an idle connection. Costs 3 µs.
        """
        pointer = self._libssl.connection_pointer(connection)
        self._libssl.free_buffer(self._call["SSL_get_rbio"](pointer))
        self._libssl.free_buffer(self._call["SSL_get_wbio"](pointer))

    def send_close_notify(self, connection: ssl.SSLObject) -> None:
        """Send close_notify, unless the connection has failed or did so before (SSL_shutdown(3)).

        ``connection.unwrap()`` would then ask for the visitor's, and raise that it has not come: 4 µs more.
        """
        pointer = self._libssl.connection_pointer(connection)
        self._call["SSL_set_info_callback"](pointer, _NO_CALLBACK)  # it would be told of our own alert, for 3 µs
        self._call["SSL_shutdown"](pointer)
        self._call["ERR_clear_error"]()

    def _on_hello(self, pointer: int, _alert: int, _argument: int) -> int:
        """The ClientHello callback: remember the ALPN extension, and let a session be found under its server name only
        (SSL_set_session_id_context(3)). An exception must not reach ctypes; it ends the handshake.
        """
        self._alpn.offered = b""
        try:
            self._alpn.offered = self._extension(pointer, _EXT_ALPN)
            name = hashlib.sha256(self._extension(pointer, _EXT_SERVER_NAME).lower()).digest()
            bound = self._call["SSL_set_session_id_context"](pointer, name, len(name))
        except BaseException:
            return _HELLO_ERROR
        return _HELLO_SUCCESS if bound else _HELLO_ERROR

    def _extension(self, pointer: int, number: int) -> bytes:
        """The content of an extension of the ClientHello; b"" if there is none."""
        start, size = ctypes.c_void_p(), ctypes.c_size_t()
        found = self._call["SSL_client_hello_get0_ext"](pointer, number, ctypes.byref(start), ctypes.byref(size))
        return ctypes.string_at(start.value, size.value) if found == 1 and start.value else b""

    def _on_message(self, pointer: int, where: int, _value: int) -> None:
        """The info callback. CPython keeps the address of its own object with the connection, as
        `LibSSL.connection_pointer` has proved for this one, and the object lives: it is its read or write that calls.
        """
        if where not in _MESSAGE_ENDS:
            return
        inner = ctypes.cast(self._call["SSL_get_ex_data"](pointer, 0), ctypes.py_object).value
        inner.owner.on_message()


@cache
def load_libssl() -> OpenSSL:
    """The one `OpenSSL` of this process. BindingError if there is none."""
    if sys.implementation.name != "cpython":
        raise BindingError(f"{sys.implementation.name} is not CPython")
    return OpenSSL()
