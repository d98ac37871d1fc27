"""The functions of libssl and libcrypto that `gatekeeper.tls.openssl` calls, and where CPython keeps their objects."""

import ctypes
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ctypes import c_char_p, c_int, c_long, c_uint, c_ulong, c_void_p
from typing import Any

from gatekeeper.errors import BindingError

VerifyCallback = ctypes.CFUNCTYPE(c_int, c_int, c_void_p)
CertificateCallback = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p)
HelloCallback = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p)
InfoCallback = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_int)
IssuedCallback = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p)

Function = tuple[str, Any, tuple[Any, ...]]

# SSL *SSL_new(...) and the like: name, result, arguments (openssl/ssl.h, x509_vfy.h, x509.h, err.h).
_FUNCTIONS: tuple[Function, ...] = (
    ("OpenSSL_version_num", c_ulong, ()),
    ("ERR_clear_error", None, ()),
    ("SSL_get_ex_data", c_void_p, (c_void_p, c_int)),
    ("SSL_get_SSL_CTX", c_void_p, (c_void_p,)),
    ("SSL_get_verify_result", c_long, (c_void_p,)),
    ("SSL_CTX_ctrl", c_long, (c_void_p, c_int, c_long, c_void_p)),
    ("SSL_ctrl", c_long, (c_void_p, c_int, c_long, c_void_p)),
    ("SSL_CTX_set_ciphersuites", c_int, (c_void_p, c_char_p)),
    ("SSL_CTX_set_verify_depth", None, (c_void_p, c_int)),
    ("SSL_CTX_set_verify", None, (c_void_p, c_int, VerifyCallback)),
    ("SSL_CTX_set_cert_verify_callback", None, (c_void_p, CertificateCallback, c_void_p)),
    ("SSL_set_verify", None, (c_void_p, c_int, c_void_p)),
    ("SSL_CTX_set_client_hello_cb", None, (c_void_p, HelloCallback, c_void_p)),
    ("SSL_set_session_id_context", c_int, (c_void_p, c_char_p, c_uint)),
    ("SSL_client_hello_get0_ext", c_int, (c_void_p, c_uint, c_void_p, c_void_p)),
    ("SSL_add_client_CA", c_int, (c_void_p, c_void_p)),
    ("SSL_CTX_add_client_CA", c_int, (c_void_p, c_void_p)),
    ("X509_STORE_CTX_get_error", c_int, (c_void_p,)),
    ("X509_STORE_CTX_get_error_depth", c_int, (c_void_p,)),
    ("X509_STORE_CTX_set_error", None, (c_void_p, c_int)),
    ("X509_STORE_CTX_get0_cert", c_void_p, (c_void_p,)),
    ("X509_STORE_CTX_get0_untrusted", c_void_p, (c_void_p,)),
    ("X509_STORE_set_check_issued", None, (c_void_p, IssuedCallback)),
    ("X509_check_issued", c_int, (c_void_p, c_void_p)),
    ("X509_get0_pubkey", c_void_p, (c_void_p,)),
    ("X509_verify", c_int, (c_void_p, c_void_p)),
    ("X509_verify_cert_error_string", c_char_p, (c_long,)),
    ("d2i_X509", c_void_p, (c_void_p, c_void_p, c_long)),
    ("i2d_X509", c_int, (c_void_p, c_void_p)),
    ("X509_free", None, (c_void_p,)),
    ("OPENSSL_sk_new_null", c_void_p, ()),
    ("OPENSSL_sk_push", c_int, (c_void_p, c_void_p)),
    ("OPENSSL_sk_num", c_int, (c_void_p,)),
    ("OPENSSL_sk_value", c_void_p, (c_void_p, c_int)),
    ("OPENSSL_sk_free", None, (c_void_p,)),
    ("OPENSSL_sk_pop", c_void_p, (c_void_p,)),
    ("SSL_get_session", c_void_p, (c_void_p,)),
    ("SSL_SESSION_get0_peer", c_void_p, (c_void_p,)),
    ("SSL_get_peer_cert_chain", c_void_p, (c_void_p,)),
    ("SSL_get0_verified_chain", c_void_p, (c_void_p,)),
    ("SSL_get0_param", c_void_p, (c_void_p,)),
    ("SSL_get_security_level", c_int, (c_void_p,)),
    ("SSL_shutdown", c_int, (c_void_p,)),
    ("SSL_get_rbio", c_void_p, (c_void_p,)),
    ("SSL_get_wbio", c_void_p, (c_void_p,)),
    ("BIO_ctrl", c_long, (c_void_p, c_int, c_long, c_void_p)),
    ("BUF_MEM_new", c_void_p, ()),
    ("SSL_version", c_int, (c_void_p,)),
    ("SSL_set_info_callback", None, (c_void_p, InfoCallback)),
    ("SSL_CTX_get_cert_store", c_void_p, (c_void_p,)),
    ("X509_STORE_CTX_new", c_void_p, ()),
    ("X509_STORE_CTX_init", c_int, (c_void_p, c_void_p, c_void_p, c_void_p)),
    ("X509_STORE_CTX_set_default", c_int, (c_void_p, c_char_p)),
    ("X509_STORE_CTX_set_verify_cb", None, (c_void_p, VerifyCallback)),
    ("X509_STORE_CTX_get0_param", c_void_p, (c_void_p,)),
    ("X509_STORE_CTX_get0_chain", c_void_p, (c_void_p,)),
    ("X509_STORE_CTX_free", None, (c_void_p,)),
    ("X509_VERIFY_PARAM_set_auth_level", None, (c_void_p, c_int)),
    ("X509_VERIFY_PARAM_set1", c_int, (c_void_p, c_void_p)),
    ("X509_verify_cert", c_int, (c_void_p,)),
)
# Since OpenSSL 3.0. The gate does without.
GROUP_NAME: Function = ("SSL_group_to_name", c_char_p, (c_void_p, c_int))

_SET_BUFFER, _BIO_CLOSE = 114, 1  # BIO_C_SET_BUF_MEM, BIO_CLOSE: openssl/bio.h

# typedef struct { PyObject_HEAD; PyObject *Socket; SSL *ssl; PySSLContext *ctx; … } PySSLSocket (Modules/_ssl.c)
_WORD = ctypes.sizeof(c_void_p)
_SOCKET_OFFSET = object.__basicsize__
_SSL_OFFSET = _SOCKET_OFFSET + _WORD
_CONTEXT_OFFSET = _SSL_OFFSET + _WORD


class LibSSL:
    """The functions by name, and OpenSSL's objects as the addresses that they take (``X509 *``, ``SSL *``)."""

    def __init__(self, path: str | None) -> None:
        """Look in the module at ``path`` and what it is linked with; None is the program itself (a static Python).

        BindingError if it is another OpenSSL than Python's, or hides its functions.
        """
        try:
            # PyDLL keeps the GIL: each of the calls is shorter than letting go of it and taking it again.
            self._library = ctypes.PyDLL(path)
        except OSError as error:
            raise BindingError(f"the library of Python's ssl cannot be opened: {error}") from error
        self.call: dict[str, Any] = {}
        for function in _FUNCTIONS:
            self.declare(function)
        found, linked = self.call["OpenSSL_version_num"](), ssl.OPENSSL_VERSION_NUMBER
        if found != linked:
            raise BindingError(f"found OpenSSL {found:#x}, but Python's ssl runs on {linked:#x}")

    def declare(self, function: Function) -> None:
        """Add a function; BindingError if the library does not show it."""
        name, result, arguments = function
        if name in self.call:
            return
        try:
            found = self._library[name]
        except AttributeError:
            raise BindingError(f"{name} cannot be found; this Python hides its OpenSSL") from None
        found.restype, found.argtypes = result, arguments
        self.call[name] = found

    def has(self, function: Function) -> bool:
        """Add a function that the library may lack; whether it is there."""
        try:
            self.declare(function)
        except BindingError:
            return False
        return True

    def context_pointer(self, context: ssl.SSLContext) -> int:
        """The ``SSL_CTX *``, asked of OpenSSL through a connection whose own address has been proved."""
        server_side = context.protocol is not ssl.PROTOCOL_TLS_CLIENT
        connection = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=server_side)
        check_layout(connection)
        pointer: int | None = self.call["SSL_get_SSL_CTX"](self.connection_pointer(connection))
        if not pointer:
            raise BindingError("a connection has no SSL_CTX")
        return pointer

    def connection_pointer(self, connection: ssl.SSLObject) -> int:
        """The ``SSL *``. Proof: CPython stores the address of its own object in it as application data. It is given
        once: both stay what they are for as long as the connection lives.
        """
        known: int | None = getattr(connection, "pointer", None)
        if known:
            return known
        inner = connection._sslobj  # type: ignore[attr-defined]
        pointer = c_void_p.from_address(id(inner) + _SSL_OFFSET).value
        if not pointer or self.call["SSL_get_ex_data"](pointer, 0) != id(inner):
            raise BindingError("the address of a connection does not lead to OpenSSL's part of it")
        connection.pointer = pointer  # type: ignore[attr-defined]
        return pointer

    @contextmanager
    def certificate(self, der: bytes) -> Iterator[int]:
        """An ``X509 *`` that is freed afterwards."""
        start = c_void_p(ctypes.cast(c_char_p(der), c_void_p).value)
        certificate = self.call["d2i_X509"](None, ctypes.byref(start), len(der))
        if not certificate:
            self.call["ERR_clear_error"]()
            raise BindingError("OpenSSL cannot read a certificate that Python could")
        try:
            yield certificate
        finally:
            self.call["X509_free"](certificate)

    @contextmanager
    def stack_of(self, certificates: Iterable[int]) -> Iterator[int]:
        """A ``STACK_OF(X509) *`` that borrows its certificates."""
        stack = self.call["OPENSSL_sk_new_null"]()
        try:
            if not (stack and all(self.call["OPENSSL_sk_push"](stack, one) for one in certificates)):
                raise BindingError("OpenSSL has no memory for a list of certificates")
            yield stack
        finally:
            self.call["OPENSSL_sk_free"](stack)

    def ders(self, certificates: int | None) -> list[bytes]:
        """The certificates of a ``STACK_OF(X509) *``, as DER."""
        count = self.call["OPENSSL_sk_num"](certificates) if certificates else 0
        return [self.der(self.call["OPENSSL_sk_value"](certificates, at)) for at in range(count)]

    def empty(self, certificates: int | None) -> None:
        """Free the certificates of a ``STACK_OF(X509) *``, but not the stack."""
        while certificates and (one := self.call["OPENSSL_sk_pop"](certificates)):
            self.call["X509_free"](one)

    def free_buffer(self, bio: int) -> None:
        """Give a ``BIO *`` in memory a buffer without content in place of its own (BIO_set_mem_buf, BIO_s_mem(3))."""
        if new := self.call["BUF_MEM_new"]():
            self.call["BIO_ctrl"](bio, _SET_BUFFER, _BIO_CLOSE, new)

    def overwrite(self, certificate: int | None, der: bytes) -> None:
        """Read ``der`` into an ``X509 *``, so that all that it held is freed. BindingError if that is not to be had."""
        if not certificate:
            return
        pointer, start = c_void_p(certificate), c_void_p(ctypes.cast(c_char_p(der), c_void_p).value)
        read = self.call["d2i_X509"](ctypes.byref(pointer), ctypes.byref(start), len(der))
        self.call["ERR_clear_error"]()
        if read != certificate:
            raise BindingError("OpenSSL cannot read a certificate in the place of another")

    def der(self, certificate: int) -> bytes:
        """An ``X509 *`` as DER."""
        size = self.call["i2d_X509"](certificate, None)
        if size <= 0:
            raise BindingError("OpenSSL cannot write a certificate that it has read")
        buffer = ctypes.create_string_buffer(size)
        self.call["i2d_X509"](certificate, ctypes.byref(c_void_p(ctypes.addressof(buffer))))
        return buffer.raw

    def words(self, code: int) -> str:
        """What OpenSSL calls an X509_V_ERR number."""
        words: bytes = self.call["X509_verify_cert_error_string"](code)
        return words.decode("ascii", "replace")


def check_layout(connection: ssl.SSLObject) -> None:
    """Compare CPython's object with the layout above, before anything that it may point to is touched."""
    inner = connection._sslobj  # type: ignore[attr-defined]
    socket = c_void_p.from_address(id(inner) + _SOCKET_OFFSET).value
    context = c_void_p.from_address(id(inner) + _CONTEXT_OFFSET).value
    if type(inner).__basicsize__ < _CONTEXT_OFFSET + _WORD or socket or context != id(connection.context):
        raise BindingError("this Python lays out its TLS connections in another way")
