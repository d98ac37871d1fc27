"""``gatekeeper init``: write a configuration to start from."""

import argparse
from pathlib import Path

from gatekeeper.admin.wording import pluralized
from gatekeeper.cli.parser import Commands
from gatekeeper.config.document import NAME
from gatekeeper.config.nginx import translate
from gatekeeper.config.starter import left_to_enter, starter
from gatekeeper.errors import GatekeeperError, UsageError


def add_command(commands: Commands) -> None:
    """Add ``init`` to the command line."""
    parser = commands.add_parser(
        "init",
        help=f"write a commented {NAME} to start from",
        description=f"Write a commented {NAME} into a folder; an existing one is kept. "
        "It names the files that gatekeeper ca created in ca/ there. With --from-nginx, "
        "translate a configuration of nginx.",
        epilog="example: gatekeeper init --from-nginx /etc/nginx/nginx.conf /etc/gatekeeper",
    )
    parser.add_argument("folder", nargs="?", default=Path(), type=Path, metavar="DIR", help="by default this folder")
    parser.add_argument(
        "--from-nginx",
        type=Path,
        metavar="FILE",
        help="translate this configuration of nginx, with its includes; what has no counterpart becomes a comment",
    )
    parser.set_defaults(run=_init)


def _init(options: argparse.Namespace) -> int:
    path = options.folder / NAME
    translation = translate(options.from_nginx) if options.from_nginx is not None else None
    made = [found.relative_to(options.folder).as_posix() for found in options.folder.glob("ca/*")]
    try:
        options.folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(translation.text if translation is not None else starter(made))
    except FileExistsError:
        raise UsageError(f"{path} already exists; nothing was changed") from None
    except OSError as error:
        raise GatekeeperError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}") from error
    if translation is not None and translation.notes:
        print(f"{pluralized(len(translation.notes), 'note')} about what was not translated: at the end of {path}.")
    print(f"Wrote {path}. Next: {_next_step(options.from_nginx, made)}, then run")
    print(f"  gatekeeper check -c {path}")
    print(f"  gatekeeper serve -c {path}")
    return 0


def _next_step(nginx: Path | None, made: list[str]) -> str:
    if nginx is not None:
        return f"compare it with {nginx}"
    *others, last = left_to_enter(made)
    return f"enter {' and '.join((', '.join(others), last)) if others else last} there"
