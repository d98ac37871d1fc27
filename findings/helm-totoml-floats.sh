#!/bin/sh
# Helm 4.2.3 (as a library: helm-python-sdk 0.2.2): toToml writes every whole number of the values as a float.
#
# Values are read from YAML by way of JSON, so that 4 is a float64 in the template; toJson writes it as 4 again, toToml as
# 4.0 and a larger one with an exponent. TOML tells integers and floats apart (tomllib gives int and float), so a program
# that is strict about its types rejects the file that its chart has made. A chart that writes TOML has to write the text.
#
# Output seen:
#   big = 1e+07
#   workers = 4.0
#   {"big":10000000,"workers":4}
#
# Source: helm/helm v4, pkg/engine/funcs.go, toTOML(); pkg/chart/common/values.go, ReadValues() by sigs.k8s.io/yaml.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet helm-python-sdk==0.2.2
mkdir -p "$folder/c/templates"
printf 'apiVersion: v2\nname: c\nversion: 0.1.0\n' >"$folder/c/Chart.yaml"
printf 'table:\n  big: 10000000\n  workers: 4\n' >"$folder/c/values.yaml"
printf '{{ .Values.table | toToml }}{{ .Values.table | toJson }}\n' >"$folder/c/templates/x.yaml"
"$folder/venv/bin/python" - "$folder/c" >"$folder/output" <<'PYTHON'
import sys

import helm_python

with helm_python.Chart.load(sys.argv[1]) as chart:
    print(chart.render({}, name="r")["c/templates/x.yaml"].strip())
PYTHON
cat "$folder/output"
printf 'big = 1e+07\nworkers = 4.0\n{"big":10000000,"workers":4}\n' | cmp -s - "$folder/output" || {
  echo "Helm behaves differently now" >&2
  exit 1
}
