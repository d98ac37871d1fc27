"""What the commands that read the configuration share."""

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
    """Find and read the configuration that the command line means."""
    return config.load(config.find(options.config, os.environ))


@contextmanager
def naming_lines(configuration: Configuration) -> Iterator[None]:
    """Give mistakes that only show when files are loaded the line of their key in the configuration file."""
    try:
        yield
    except ConfigurationError as error:
        raise configuration.located(error) from None
