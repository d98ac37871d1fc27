"""``python -m gatekeeper.cli.reference toml|markdown|schema|cli`` prints a file that is generated from the code."""

import sys

from gatekeeper.cli.manual import manual
from gatekeeper.config import reference

_FORMS = {"toml": reference.toml, "markdown": reference.markdown, "schema": reference.schema, "cli": manual}


def main(arguments: list[str]) -> int:
    """Print one form; returns 2 for an unknown one."""
    if len(arguments) != 1 or arguments[0] not in _FORMS:
        print(f"usage: python -m gatekeeper.cli.reference {'|'.join(_FORMS)}", file=sys.stderr)
        return 2
    sys.stdout.write(_FORMS[arguments[0]]())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
