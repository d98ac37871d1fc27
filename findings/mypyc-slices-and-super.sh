#!/usr/bin/env bash
# mypyc 2.4.1 (PyPI: mypy), CPython 3.11: two expressions that mean something else once they are compiled.
#
# 1. The bounds of a slice of a memoryview are evaluated twice. A loop that writes a buffer away,
#    `view = view[write(view):]`, writes each part twice. bytes, str, list and tuple are not affected.
# 2. `super().__init__(*rest, **named)` passes the tuple for every positional parameter, and the dictionary for each that
#    is keyword-only.
#
# Neither is an error or a warning of the compiler, and mypy accepts both files. Seen:
#   interpreted: writes=['abcd', 'cd'] rest=('a', 'b', 3)
#   compiled: writes=['abcd', 'abcd', 'cd', 'cd'] rest=(('a', 'b'), ('a', 'b'), {'third': 3})
# Source: observed; https://mypyc.readthedocs.io/en/latest/differences_from_python.html lists neither.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mypy==2.4.1 setuptools==80.9.0 2>/dev/null
cd "$folder"
cat >sample.py <<'PYTHON'
from collections.abc import Callable
from typing import Any


def write_all(data: bytes, write: Callable[[memoryview], int]) -> None:
    view = memoryview(data)
    while view:
        view = view[write(view) :]


class Base:
    def __init__(self, first: object, second: object = None, *, third: object = 0) -> None:
        self.rest = (first, second, third)


class Derived(Base):
    def __init__(self, *rest: Any, **named: Any) -> None:
        super().__init__(*rest, **named)
PYTHON
cat >try.py <<'PYTHON'
import sample

writes = []


def write(view):
    writes.append(bytes(view).decode())
    return 2


sample.write_all(b"abcd", write)
form = "interpreted" if sample.__file__.endswith(".py") else "compiled"
print(f"{form}: writes={writes} rest={sample.Derived('a', 'b', third=3).rest}")
PYTHON
interpreted=$("$folder/venv/bin/python" try.py)
"$folder/venv/bin/mypyc" sample.py >mypyc.out 2>&1 || { cat mypyc.out; exit 1; }
compiled=$("$folder/venv/bin/python" try.py)
printf '%s\n%s\n' "$interpreted" "$compiled"
[ "$interpreted" = "interpreted: writes=['abcd', 'cd'] rest=('a', 'b', 3)" ] || exit 1
[ "$compiled" = "compiled: writes=['abcd', 'abcd', 'cd', 'cd'] rest=(('a', 'b'), ('a', 'b'), {'third': 3})" ] || exit 1
