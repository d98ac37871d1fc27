"""The functions of libssl and libcrypto that `gatekeeper.tls.openssl` calls, and where CPython keeps their objects."""

import ctypes
import ssl
from ctypes import c_char_p, c_int, c_long, c_uint64, c_ulong, c_void_p
from typing import Any

from gatekeeper.errors import BindingError

VerifyCallback = ctypes.CFUNCTYPE(c_int, c_int, c_void_p)
InfoCallback = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_int)
IssuedCallback = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p)

# SSL *SSL_new(...) and the like: name, result, arguments (openssl/ssl.h, x509_vfy.h, x509.h, err.h).
FUNCTIONS: tuple[tuple[str, Any, tuple[Any, ...]], ...] = (
    ("OpenSSL_version_num", c_ulong, ()),
    ("ERR_clear_error", None, ()),
    ("SSL_get_ex_data", c_void_p, (c_void_p, c_int)),
    ("SSL_get_SSL_CTX", c_void_p, (c_void_p,)),
    ("SSL_get_verify_result", c_long, (c_void_p,)),
    ("SSL_CTX_ctrl", c_long, (c_void_p, c_int, c_long, c_void_p)),
    ("SSL_CTX_set_verify_depth", None, (c_void_p, c_int)),
    ("SSL_CTX_set_verify", None, (c_void_p, c_int, VerifyCallback)),
    ("SSL_set_verify", None, (c_void_p, c_int, c_void_p)),
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
    ("SSL_get0_param", c_void_p, (c_void_p,)),
    ("SSL_get_security_level", c_int, (c_void_p,)),
    ("SSL_shutdown", c_int, (c_void_p,)),
    ("SSL_version", c_int, (c_void_p,)),
    ("SSL_set_options", c_uint64, (c_void_p, c_uint64)),
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


# Since OpenSSL 3.0; needed for session resumption only.
NEW_TICKET: tuple[str, Any, tuple[Any, ...]] = ("SSL_new_session_ticket", c_int, (c_void_p,))


# typedef struct { PyObject_HEAD; PyObject *Socket; SSL *ssl; PySSLContext *ctx; … } PySSLSocket (Modules/_ssl.c)
_WORD = ctypes.sizeof(c_void_p)
_SOCKET_OFFSET = object.__basicsize__
SSL_OFFSET = _SOCKET_OFFSET + _WORD
_CONTEXT_OFFSET = SSL_OFFSET + _WORD


def check_layout(connection: ssl.SSLObject) -> None:
    """Compare CPython's object with the layout above, before anything that it may point to is touched."""
    inner = connection._sslobj  # type: ignore[attr-defined]
    socket = c_void_p.from_address(id(inner) + _SOCKET_OFFSET).value
    context = c_void_p.from_address(id(inner) + _CONTEXT_OFFSET).value
    if type(inner).__basicsize__ < _CONTEXT_OFFSET + _WORD or socket or context != id(connection.context):
        raise BindingError("this Python lays out its TLS connections in another way")


def open_library(path: str | None) -> ctypes.PyDLL:
    """The module at ``path`` and what it is linked with; None is the program itself. BindingError if there is none."""
    try:
        # PyDLL keeps the GIL: each of the calls is shorter than letting go of it and taking it again.
        return ctypes.PyDLL(path)
    except OSError as error:
        raise BindingError(f"the library of Python's ssl cannot be opened: {error}") from error


def declare(library: ctypes.PyDLL, name: str, result: Any, arguments: tuple[Any, ...]) -> Any:
    """The function of this name; BindingError if the library does not show it."""
    try:
        function = library[name]
    except AttributeError:
        raise BindingError(f"{name} cannot be found; this Python hides its OpenSSL") from None
    function.restype = result
    function.argtypes = arguments
    return function
