"""Shared by the commands that read the configuration."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gatekeeper import config
from gatekeeper.config import Configuration
from gatekeeper.errors import ConfigurationError


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """Add ``-c FILE``."""
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        help="the configuration; by default $GATEKEEPER_CONFIG, ./gatekeeper.toml or /etc/gatekeeper/gatekeeper.toml",
    )


def load_configuration(options: argparse.Namespace) -> Configuration:
    """Find and load the configuration; ConfigurationError if it is missing or wrong."""
    return config.load(config.find(options.config, os.environ))


@contextmanager
def naming_lines(configuration: Configuration) -> Iterator[None]:
    """Add the line in the configuration file to mistakes that are found only when the named files are loaded."""
    try:
        yield
    except ConfigurationError as error:
        raise configuration.located(error) from None
