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


def load_configuration(options: argparse.Namespace) -> "Configuration":
    """Find and load the configuration; ConfigurationError if it is missing or wrong."""
    from gatekeeper.config.load import load  # pydantic, which `gatekeeper healthcheck` can do without

    return load(find(options.config, os.environ))


@contextmanager
def naming_lines(configuration: "Configuration") -> Iterator[None]:
    """Add the line in the configuration file to mistakes that are found only when the named files are loaded."""
    try:
        yield
    except ConfigurationError as error:
        raise configuration.located(error) from None
