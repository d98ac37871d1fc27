"""What the directives of nginx mean here: those that need no key, and what to do about those without a counterpart."""

# Directives that need no key: gatekeeper does this anyway, or its process model has no use for it.
ALWAYS = frozenset(
    {
        "absolute_redirect", "accept_mutex", "aio", "aio_write", "brotli_static", "charset",
        "chunked_transfer_encoding", "connection_pool_size", "daemon", "default_type", "directio",
        "directio_alignment", "etag", "events", "grpc_buffer_size", "grpc_socket_keepalive", "gzip_static",
        "gzip_vary", "http", "if_modified_since", "include", "index", "keepalive", "keepalive_disable",
        "keepalive_requests", "keepalive_time", "least_conn", "limit_req_log_level", "lingering_close",
        "lingering_time", "lingering_timeout", "location", "lock_file", "log_not_found", "log_subrequest",
        "master_process", "multi_accept", "output_buffers", "pcre_jit", "pid", "port_in_redirect", "postpone_output",
        "proxy_buffer_size", "proxy_buffering", "proxy_buffers", "proxy_busy_buffers_size",
        "proxy_headers_hash_bucket_size", "proxy_headers_hash_max_size", "proxy_http_version",
        "proxy_max_temp_file_size", "proxy_pass_header", "proxy_pass_request_body", "proxy_pass_request_headers",
        "proxy_redirect", "proxy_socket_keepalive", "proxy_ssl_session_reuse", "proxy_temp_file_write_size",
        "proxy_temp_path", "read_ahead", "request_pool_size", "reset_timedout_connection", "send_lowat", "sendfile",
        "sendfile_max_chunk", "server", "server_name_in_redirect", "server_names_hash_bucket_size",
        "server_names_hash_max_size", "server_tokens", "ssl", "ssl_buffer_size", "ssl_dhparam",
        "ssl_prefer_server_ciphers", "ssl_session_cache", "ssl_session_timeout", "tcp_nodelay", "tcp_nopush",
        "thread_pool", "timer_resolution", "types", "types_hash_bucket_size", "types_hash_max_size", "upstream", "use",
        "variables_hash_bucket_size", "variables_hash_max_size", "worker_aio_requests", "worker_connections",
        "worker_cpu_affinity", "worker_priority", "worker_rlimit_core", "worker_rlimit_nofile", "working_directory",
        "zone",
    }
)  # fmt: skip

# Translated by `gatekeeper.config.nginx`, which notes by itself what it cannot translate.
TRANSLATED = frozenset(
    {
        "access_log", "add_header", "alias", "allow", "client_body_timeout", "client_header_timeout",
        "client_max_body_size", "deny", "grpc_connect_timeout",
        "grpc_pass", "grpc_read_timeout", "grpc_send_timeout", "grpc_set_header", "grpc_ssl_certificate",
        "grpc_ssl_certificate_key", "grpc_ssl_name", "grpc_ssl_server_name", "grpc_ssl_trusted_certificate",
        "grpc_ssl_verify", "grpc_ssl_verify_depth", "http2", "http2_max_concurrent_streams", "if",
        "keepalive_timeout", "limit_req", "limit_req_dry_run", "limit_req_status", "limit_req_zone", "listen",
        "proxy_connect_timeout", "proxy_hide_header", "proxy_pass", "proxy_read_timeout",
        "proxy_request_buffering", "proxy_send_timeout",
        "proxy_set_header",
        "proxy_ssl_certificate", "proxy_ssl_certificate_key", "proxy_ssl_name", "proxy_ssl_server_name",
        "proxy_ssl_trusted_certificate", "proxy_ssl_verify", "proxy_ssl_verify_depth", "root", "server_name",
        "set_real_ip_from", "ssl_certificate", "ssl_certificate_key",
        "ssl_ciphers", "ssl_client_certificate", "ssl_conf_command", "ssl_crl",
        "ssl_ecdh_curve", "ssl_ocsp",
        "ssl_password_file", "ssl_protocols", "ssl_session_tickets", "ssl_trusted_certificate", "ssl_verify_client",
        "ssl_verify_depth", "try_files", "user", "worker_processes",
    }
)  # fmt: skip

_NOT_DONE = "gatekeeper does not do this; keep nginx behind the gate where it is needed"
_FEWEST = "requests go to the endpoint with the fewest requests"
_JUDGES = "the gate does not ask it; routes are closed, or the file is not loaded until you have decided"
_RULES = "write rules instead: allow and deny of a route"

# Directives without a counterpart, and what to do about each.
REASONS = {
    "auth_basic": "the certificate takes its place only where nginx asks for a password instead of one",
    "auth_basic_user_file": "goes with auth_basic",
    "auth_request": f"{_JUDGES}; see allow and deny of a route",
    "auth_request_set": "see identity.headers for what the app is told",
    "autoindex": "folders are not listed",
    "break": _NOT_DONE,
    "brotli": _NOT_DONE,
    "client_body_buffer_size": "bodies are streamed; with request_buffering, 64 KiB of each stay in memory",
    "client_header_buffer_size": "see limits.request_header",
    "client_body_temp_path": "with request_buffering, bodies are written to $TMPDIR",
    "disable_symlinks": "static: follows links as long as they stay in the folder",
    "error_log": "messages go to stderr; log.level chooses which",
    "error_page": "the app's own errors pass unchanged; refusal.template is the page for refused visitors",
    "expires": "cache_control of a static: upstream; else let the app send Cache-Control",
    "fastcgi_pass": "gatekeeper speaks HTTP to apps; keep nginx behind the gate, or give the app an HTTP port",
    "fastcgi_param": "gatekeeper speaks HTTP to apps",
    "gzip": _NOT_DONE,
    "hash": _FEWEST,
    "internal": "its route is closed",
    "ip_hash": _FEWEST,
    "js_import": _NOT_DONE,
    "large_client_header_buffers": "see limits.request_header and limits.request_line",
    "least_time": _FEWEST,
    "limit_conn": "see limits.connections_per_ip",
    "limit_conn_zone": "see limits.connections_per_ip",
    "limit_except": "becomes methods of a route, and a closed one for the other methods",
    "limit_rate": _NOT_DONE,
    "load_module": "gatekeeper has no modules",
    "log_format": 'log.format is "json", "combined" or "text"',
    "lua_package_path": _NOT_DONE,
    "map": _RULES,
    "merge_slashes": "paths are compared and passed on as they came; // makes a path ambiguous where routes differ",
    "mirror": _NOT_DONE,
    "proxy_cache": _NOT_DONE,
    "proxy_cache_path": _NOT_DONE,
    "proxy_cookie_domain": "let the app write its cookies",
    "proxy_cookie_flags": "let the app write its cookies",
    "proxy_cookie_path": "let the app write its cookies",
    "proxy_ignore_headers": "no header of an app has a meaning for the gate",
    "proxy_intercept_errors": "the app's own errors pass unchanged",
    "proxy_next_upstream": "a request is tried at another endpoint if none of it can have been acted on",
    "random": _FEWEST,
    "real_ip_header": "X-Forwarded-For of server.trusted_proxies is read",
    "real_ip_recursive": "always so",
    "resolver": "names are resolved by the system",
    "resolver_timeout": "names are resolved by the system",
    "return": "its route is closed; let the app redirect or answer",
    "rewrite": "strip_prefix of a route takes a prefix off; no other is followed, and the path stays as it came",
    "satisfy": _RULES,
    "send_timeout": "see timeouts.stream_idle",
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
    "sticky": _FEWEST,
    "sub_filter": _NOT_DONE,
    "underscores_in_headers": "headers with an underscore never pass: apps take them for those of the gate",
    "worker_shutdown_timeout": "see timeouts.drain",
    "uwsgi_pass": "gatekeeper speaks HTTP to apps; give uWSGI an http-socket",
}
# Prefixes of directives that share a reason above.
_FAMILIES = {
    "brotli_": _NOT_DONE,
    "fastcgi_": REASONS["fastcgi_param"],
    "gzip_": _NOT_DONE,
    "limit_conn_": REASONS["limit_conn"],
    "limit_rate_": _NOT_DONE,
    "open_file_cache": "nothing is cached",
    "proxy_cache_": _NOT_DONE,
    "proxy_next_upstream_": REASONS["proxy_next_upstream"],
    "proxy_no_cache": _NOT_DONE,
    "proxy_store": _NOT_DONE,
    "scgi_": REASONS["scgi_pass"],
    "uwsgi_": REASONS["uwsgi_pass"],
}
UNKNOWN = "gatekeeper has no counterpart"

# Directives that need no key, unless they have other values than these.
_USUAL = {
    "index": ({"index.html"}, "static: serves index.html for a folder, and no other name"),
    "proxy_http_version": ({"1.1", "2"}, "apps are spoken to in HTTP/1.1 or HTTP/2"),
    "proxy_pass_request_body": ({"on"}, "a request passes with its body, or its route is closed"),
    "proxy_pass_request_headers": ({"on"}, "a request passes with its headers, or its route is closed"),
    "proxy_redirect": ({"default", "off"}, "a Location at the app's own address is mapped back, and no other"),
}


def reason(name: str) -> str:
    """What to do about a directive that is not translated."""
    family = next((why for beginning, why in _FAMILIES.items() if name.startswith(beginning)), UNKNOWN)
    return REASONS.get(name, family)


def unusual(name: str, args: tuple[str, ...]) -> str:
    """What to know about a directive that needs no key, because of its value; "" if nothing."""
    usual, why = _USUAL.get(name, ((), ""))
    return why if not set(args) & set(usual) else ""
