"""Configuration files for tests: a good one in parts, and what `load` finds wrong with another."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from gatekeeper.config.configuration import Configuration
from gatekeeper.config.load import load
from gatekeeper.errors import ConfigurationError

SERVER = '[server]\ncertificate = "fullchain.pem"\nkey = "privkey.pem"\n'
CLIENT_AUTH = '[client_auth]\nca = "client-ca.crt"\n'
UPSTREAM = '[upstream]\nurl = "http://127.0.0.1:8000"\n'
MINIMAL = SERVER + CLIENT_AUTH + UPSTREAM


def loaded(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> Configuration:
    path = folder / "gatekeeper.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, environ or {})


def mistakes(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """The mistakes in a file, each as ``line N: key: message``; the test fails if it has none."""
    with pytest.raises(ConfigurationError) as caught:
        loaded(folder, text, environ)
    return [str(mistake) for mistake in caught.value.mistakes]
