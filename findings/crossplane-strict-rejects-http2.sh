#!/bin/sh
# crossplane 0.5.8, parse(strict=True): directives of current versions of nginx, such as "http2 on", are errors.
#
# strict=True is documented as "unrecognized directives raise errors", and reads like a check of the configuration. The
# table behind it, crossplane.analyzer.DIRECTIVES, has 634 names, NGINX Plus included, but not those below, so files that
# nginx -t accepts fail. A directive that nginx has not had for years passes.
#
# Output seen (directive, version of nginx that brought it, error):
#   ssl_conf_command 1.19.4 unknown directive "ssl_conf_command"
#   ssl_reject_handshake 1.19.4 unknown directive "ssl_reject_handshake"
#   proxy_cookie_flags 1.19.3 unknown directive "proxy_cookie_flags"
#   keepalive_time 1.19.10 unknown directive "keepalive_time"
#   http2 1.25.1 unknown directive "http2"
#   spdy_chunk_size removed in 1.9.5, none
#
# Source: crossplane/analyzer.py, DIRECTIVES and analyze(); nginx.org/en/CHANGES.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet crossplane==0.5.8
"$folder/venv/bin/python" - "$folder/nginx.conf" >"$folder/output" <<'PYTHON'
import re
import sys

import crossplane

CASES = (
    ("ssl_conf_command", "1.19.4", "ssl_conf_command Groups X25519;"),
    ("ssl_reject_handshake", "1.19.4", "ssl_reject_handshake on;"),
    ("proxy_cookie_flags", "1.19.3", "proxy_cookie_flags one httponly;"),
    ("keepalive_time", "1.19.10", "keepalive_time 1h;"),
    ("http2", "1.25.1", "http2 on;"),
    ("spdy_chunk_size", "removed in 1.9.5,", "spdy_chunk_size 8k;"),
)
for name, version, text in CASES:
    with open(sys.argv[1], "w") as file:
        file.write(f"events {{ }}\nhttp {{ server {{ {text} }} }}\n")
    errors = crossplane.parse(sys.argv[1], strict=True)["errors"]
    print(name, version, re.sub(r" in \S+$", "", errors[0]["error"]) if errors else "none")
PYTHON
cat "$folder/output"
diff - "$folder/output" <<'EXPECTED'
ssl_conf_command 1.19.4 unknown directive "ssl_conf_command"
ssl_reject_handshake 1.19.4 unknown directive "ssl_reject_handshake"
proxy_cookie_flags 1.19.3 unknown directive "proxy_cookie_flags"
keepalive_time 1.19.10 unknown directive "keepalive_time"
http2 1.25.1 unknown directive "http2"
spdy_chunk_size removed in 1.9.5, none
EXPECTED
