"""What the directives of nginx mean here: those that need no key, and what to do about those without a counterpart."""

# What the gate does anyway, or what its process model leaves nothing to say about.
ALWAYS = frozenset(
    {
        "accept_mutex", "charset", "daemon", "default_type", "events", "grpc_buffer_size", "grpc_socket_keepalive",
        "http", "if_modified_since", "include", "index", "keepalive",
        "keepalive_requests", "least_conn", "lingering_close", "location", "multi_accept", "pid", "postpone_output",
        "proxy_buffer_size", "proxy_buffering", "proxy_buffers", "proxy_busy_buffers_size", "proxy_http_version",
        "proxy_pass_request_body", "proxy_pass_request_headers", "proxy_redirect",
        "proxy_socket_keepalive", "reset_timedout_connection", "sendfile", "server", "server_names_hash_bucket_size",
        "server_names_hash_max_size", "server_tokens", "ssl", "ssl_dhparam",
        "ssl_prefer_server_ciphers", "ssl_session_cache", "ssl_session_timeout", "tcp_nodelay",
        "tcp_nopush", "types", "types_hash_bucket_size", "types_hash_max_size", "upstream", "use", "worker_connections",
        "worker_rlimit_nofile", "zone",
    }
)  # fmt: skip

# Read by `gatekeeper.config.nginx`, which itself says what it could not take over of them.
TRANSLATED = frozenset(
    {
        "access_log", "allow", "client_body_timeout", "client_header_timeout", "client_max_body_size", "deny",
        "grpc_connect_timeout",
        "grpc_pass", "grpc_read_timeout", "grpc_send_timeout", "grpc_set_header", "grpc_ssl_certificate",
        "grpc_ssl_certificate_key", "grpc_ssl_name", "grpc_ssl_server_name", "grpc_ssl_trusted_certificate",
        "grpc_ssl_verify", "grpc_ssl_verify_depth", "http2", "http2_max_concurrent_streams", "if",
        "keepalive_timeout", "listen",
        "proxy_connect_timeout", "proxy_pass", "proxy_read_timeout", "proxy_request_buffering", "proxy_send_timeout",
        "proxy_set_header",
        "proxy_ssl_certificate", "proxy_ssl_certificate_key", "proxy_ssl_name", "proxy_ssl_server_name",
        "proxy_ssl_trusted_certificate", "proxy_ssl_verify", "proxy_ssl_verify_depth", "root", "server_name",
        "set_real_ip_from", "ssl_certificate", "ssl_certificate_key",
        "ssl_ciphers", "ssl_client_certificate", "ssl_conf_command", "ssl_crl",
        "ssl_ecdh_curve", "ssl_ocsp",
        "ssl_password_file", "ssl_protocols", "ssl_session_tickets", "ssl_trusted_certificate", "ssl_verify_client",
        "ssl_verify_depth", "user", "worker_processes",
    }
)  # fmt: skip

_NOT_DONE = "gatekeeper does not do this; keep nginx behind the gate where it is needed"
_RULES = "write rules instead: allow and deny of a route"

# Directives without a counterpart, and what to do about each.
REASONS = {
    "add_header": "response.headers adds it everywhere, routes.response.headers for a route",
    "alias": 'write an app of its own, url = "static:/folder"',
    "auth_basic": "the certificate takes its place",
    "auth_basic_user_file": "the certificate takes its place",
    "auth_request": "the certificate takes its place; see allow and deny of a route",
    "auth_request_set": "the certificate takes its place; see identity.headers",
    "autoindex": "folders are not listed",
    "break": _NOT_DONE,
    "brotli": _NOT_DONE,
    "client_body_buffer_size": "bodies are streamed; with request_buffering, 256 KiB of each stay in memory",
    "client_body_temp_path": "with request_buffering, bodies are written to $TMPDIR",
    "error_log": "messages go to stderr; log.level chooses which",
    "error_page": "the app's own errors pass unchanged; refusal.template is the page for refused visitors",
    "expires": "let the app send Cache-Control",
    "fastcgi_pass": "gatekeeper speaks HTTP to apps; keep nginx behind the gate, or give the app an HTTP port",
    "fastcgi_param": "gatekeeper speaks HTTP to apps",
    "gzip": _NOT_DONE,
    "hash": "requests go to the endpoint with the fewest requests",
    "ip_hash": "requests go to the endpoint with the fewest requests",
    "js_import": _NOT_DONE,
    "large_client_header_buffers": "see limits.request_header and limits.request_line",
    "limit_conn": "see limits.connections_per_ip",
    "limit_conn_zone": "see limits.connections_per_ip",
    "limit_except": "see methods of a route",
    "limit_rate": _NOT_DONE,
    "limit_req": "see limits.rate",
    "limit_req_zone": "see limits.rate",
    "load_module": "gatekeeper has no modules",
    "log_format": 'log.format is "json", "combined" or "text"',
    "lua_package_path": _NOT_DONE,
    "map": _RULES,
    "mirror": _NOT_DONE,
    "proxy_cache": _NOT_DONE,
    "proxy_cache_path": _NOT_DONE,
    "proxy_cookie_path": "let the app write its cookies",
    "proxy_hide_header": "response.headers removes it with an empty value",
    "proxy_ignore_headers": "no header of an app has a meaning for the gate",
    "proxy_intercept_errors": "the app's own errors pass unchanged",
    "proxy_next_upstream": "a request is tried at another endpoint if none of it can have been acted on",
    "real_ip_header": "X-Forwarded-For of server.trusted_proxies is read",
    "real_ip_recursive": "always so",
    "resolver": "names are resolved by the system",
    "return": "let the app redirect or answer",
    "rewrite": "let the app see the path as it came",
    "satisfy": _RULES,
    "scgi_pass": "gatekeeper speaks HTTP to apps",
    "set": _RULES,
    "split_clients": _NOT_DONE,
    "ssl_early_data": "early data can be replayed, so none is accepted",
    "ssl_reject_handshake": "a request for an unknown host gets 404",
    "ssl_session_ticket_key": "see client_auth.session_resumption",
    "ssl_stapling": "no answer is stapled",
    "ssl_stapling_verify": "no answer is stapled",
    "stream": "gatekeeper passes on HTTP only",
    "stub_status": "see /metrics of the admin listener",
    "sub_filter": _NOT_DONE,
    "try_files": 'url = "static:/folder" serves files; an app has to answer the rest',
    "underscores_in_headers": "headers with an underscore never pass: apps take them for those of the gate",
    "uwsgi_pass": "gatekeeper speaks HTTP to apps; give uWSGI an http-socket",
}
UNKNOWN = "gatekeeper has no counterpart"
