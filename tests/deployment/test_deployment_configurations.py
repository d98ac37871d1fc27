"""The gate's own configuration in each way to run it: read by the gate's own reader."""

import tomllib
from pathlib import Path

import pytest
import yaml

from gatekeeper.config.load import load
from gatekeeper.errors import ConfigurationError
from tests.config.test_reference import validator

CONFIG = Path(__file__).resolve().parents[2] / "config"


def found() -> dict[str, str]:
    """Every gatekeeper.toml of compose, and every one in a ConfigMap."""
    files = {str(path.relative_to(CONFIG)): path.read_text() for path in CONFIG.glob("compose/*/gatekeeper.toml")}
    for manifest in CONFIG.glob("kubernetes/*.yaml"):
        for document in yaml.safe_load_all(manifest.read_text()):
            if document["kind"] == "ConfigMap":
                files[str(manifest.relative_to(CONFIG))] = document["data"]["gatekeeper.toml"]
    return files


def test_all_are_found() -> None:
    """The guard of the test below: two for compose, two for Kubernetes."""
    assert len(found()) == 4


@pytest.mark.parametrize("name", found())
def test_the_gate_takes_the_configuration(name: str, tmp_path: Path) -> None:
    """No unknown key, no bad value, no contradiction; and an editor's schema says the same."""
    file = tmp_path / "gatekeeper.toml"
    file.write_text(found()[name])
    try:
        load(file, environ={"GATE": "gate.example.com"})
    except ConfigurationError as error:
        wrong = [mistake for mistake in error.mistakes if "is not available yet" not in mistake.message]
        assert wrong == []
    assert list(validator().iter_errors(tomllib.loads(found()[name].replace("${GATE}", "gate.example.com")))) == []
