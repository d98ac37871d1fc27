"""Two requests with wolfSSL, each on a connection of its own; for each a line: version, resumed or not, status line."""

import socket
import sys
from ctypes import CDLL, c_char_p, c_int, c_void_p, create_string_buffer

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
PEM = 1  # SSL_FILETYPE_PEM


def main(library: str, port: int, version: str, authority: str, certificate: str, key: str) -> None:
    """``certificate`` and ``key`` are empty for a client that has none."""
    ssl = CDLL(library)
    names = (f"wolfTLSv1_{version[2:]}_client_method", "wolfSSL_CTX_new", "wolfSSL_new", "wolfSSL_get1_session")
    for name in names:
        getattr(ssl, name).restype = c_void_p
    ssl.wolfSSL_get_version.restype = c_char_p
    ssl.wolfSSL_Init()
    context = c_void_p(ssl.wolfSSL_CTX_new(c_void_p(getattr(ssl, names[0])())))
    assert ssl.wolfSSL_CTX_load_verify_locations(context, authority.encode(), None) == 1
    if certificate:
        assert ssl.wolfSSL_CTX_use_certificate_chain_file(context, certificate.encode()) == 1
        assert ssl.wolfSSL_CTX_use_PrivateKey_file(context, key.encode(), PEM) == 1
    session = c_void_p()
    for _ in range(2):
        connection = socket.create_connection(("127.0.0.1", port), 60)
        connection.setblocking(True)
        tls = c_void_p(ssl.wolfSSL_new(context))
        ssl.wolfSSL_set_fd(tls, c_int(connection.fileno()))
        ssl.wolfSSL_UseSNI(tls, 0, b"localhost", 9)
        if session:
            ssl.wolfSSL_set_session(tls, session)
        assert ssl.wolfSSL_connect(tls) == 1, ssl.wolfSSL_get_error(tls, 0)
        ssl.wolfSSL_write(tls, REQUEST, len(REQUEST))
        buffer, response = create_string_buffer(65536), b""
        while (size := ssl.wolfSSL_read(tls, buffer, len(buffer))) > 0:
            response += buffer.raw[:size]
        resumed = "resumed" if ssl.wolfSSL_session_reused(tls) else "full"
        session = c_void_p(ssl.wolfSSL_get1_session(tls))
        print(ssl.wolfSSL_get_version(tls).decode(), resumed, response.partition(b"\r\n")[0].decode())
        connection.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
