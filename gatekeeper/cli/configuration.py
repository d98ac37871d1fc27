"""Shared by the commands that read the configuration."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gatekeeper.config.document import find
from gatekeeper.errors import ConfigurationError

if TYPE_CHECKING:
    from gatekeeper.config.configuration import Configuration


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """Add ``-c FILE``."""
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        help="the configuration; by default $GATEKEEPER_CONFIG, ./gatekeeper.toml or /etc/gatekeeper/gatekeeper.toml",
    )


def load_configuration(options: argparse.Namespace, command: str) -> "Configuration":
    """Find and load the configuration; ConfigurationError if it is missing or wrong. ``command`` needs it."""
    from gatekeeper.config.load import load  # pydantic, which `gatekeeper healthcheck` can do without

    path = find(options.config, os.environ)
    with needed_by(command):
        return load(path)


@contextmanager
def needed_by(command: str) -> Iterator[None]:
    """Say of mistakes in a file, not of one that cannot be read, that this command cannot be carried out because of
    them.
    """
    try:
        yield
    except ConfigurationError as error:
        if not any(one.key or one.line for one in error.mistakes):
            raise
        raise ConfigurationError(*error.mistakes, source=error.source, command=command) from error


@contextmanager
def naming_lines(configuration: "Configuration") -> Iterator[None]:
    """Add the line in the configuration file to mistakes that are found only when the named files are loaded."""
    try:
        yield
    except ConfigurationError as error:
        raise configuration.located(error) from None
