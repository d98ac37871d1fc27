#!/usr/bin/env bash
# cryptography 50.0.2 (PyPI), the wheel for musllinux_1_2: its copy of libgcc_s needs musl 1.2.4, and no tag can say so.
#
# musl 1.2.4 learned packed relative relocations (DT_RELR); the loaders of 1.2.0 to 1.2.3 pass over the entry and leave
# the pointers as they stand in the file. PEP 656 names a wheel after the major and minor version of musl alone, so pip
# picks this wheel on 1.2.3 too (Debian 12), where the import of cryptography ends the interpreter.
# cryptography's own module has none: auditwheel copies libgcc_s from the build image, where Alpine's packages are
# linked so. For glibc the linker leaves a mark, the symbol version GLIBC_ABI_DT_RELR, and auditwheel's policies for
# manylinux know from which version on it is there. musl has no versions of symbols; the policies for musllinux hold
# names of libraries only. The wheel for musllinux_1_2_aarch64 is the same, and so is that of 47.0.0.
#
# Output seen:
#   tags for musl 1.2.3: musllinux_1_2 musllinux_1_1 musllinux_1_0
#   _rust.abi3.so RELR=0
#   libgcc_s-0cd532bd.so.1 RELR=1
# Source: https://peps.python.org/pep-0656/; musl's commit d32dadd60efb9d3b255351a3b532f8e4c3dd0db1; auditwheel 6.8.2,
# policy/musllinux-policy.json; observed with the loaders of Debian's musl 1.2.3-1 and 1.2.5-3.1~deb13u1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check packaging==25.0
"$folder/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$folder" --only-binary :all: \
  --platform musllinux_1_2_x86_64 --python-version 3.11 cryptography==50.0.2
"$folder/venv/bin/python" - "$folder" >"$folder/output" <<'PYTHON'
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch
from zipfile import ZipFile

from packaging import _musllinux

version = _musllinux._parse_musl_version("musl libc (x86_64)\nVersion 1.2.3\n")
with patch.object(_musllinux, "_get_musl_version", lambda _: version):
    print("tags for musl 1.2.3:", *(tag.removesuffix("_x86_64") for tag in _musllinux.platform_tags(["x86_64"])))
(wheel,) = Path(sys.argv[1]).glob("*musllinux_1_2*.whl")
with ZipFile(wheel) as archive:
    for name in sorted(name for name in archive.namelist() if ".so" in name)[::-1]:
        path = archive.extract(name, sys.argv[1])
        entries = subprocess.run(["readelf", "--dynamic", path], capture_output=True, text=True, check=True).stdout
        print(Path(name).name, f"RELR={entries.count('(RELR)')}")
PYTHON
cat "$folder/output"
diff - "$folder/output" <<'SEEN'
tags for musl 1.2.3: musllinux_1_2 musllinux_1_1 musllinux_1_0
_rust.abi3.so RELR=0
libgcc_s-0cd532bd.so.1 RELR=1
SEEN
