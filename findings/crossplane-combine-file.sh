#!/bin/sh
# crossplane 0.5.8, parse(combine=True): what follows an `include` in a block is given the name of the included file.
#
# The line numbers stay those of the including file, so FILE:LINE names a place that may not exist. Without combine each
# file's directives stand under their own name, and `includes` says where the included ones belong.
#
# Output seen:
#   gzip /extra.conf 1
#   sendfile /extra.conf 3
#
# Source: crossplane/parser.py, parse(): `for fname in fnames` within _parse() rebinds the name of the file that is read.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet crossplane==0.5.8
printf 'gzip on;\n' >"$folder/extra.conf"
printf 'http {\n  include extra.conf;\n  sendfile on;\n}\n' >"$folder/nginx.conf"
"$folder/venv/bin/python" - "$folder" >"$folder/output" <<'PYTHON'
import sys

import crossplane

folder = sys.argv[1]
(config,) = crossplane.parse(f"{folder}/nginx.conf", combine=True)["config"]
for one in config["parsed"][0]["block"]:
    if one["directive"] != "include":
        print(one["directive"], one["file"].removeprefix(folder), one["line"])
PYTHON
cat "$folder/output"
printf 'gzip /extra.conf 1\nsendfile /extra.conf 3\n' | cmp -s - "$folder/output" || {
  echo "crossplane behaves differently now" >&2
  exit 1
}
