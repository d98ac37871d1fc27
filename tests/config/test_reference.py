"""What is written out of the settings, and the examples."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from gatekeeper.cli.reference import main
from gatekeeper.config import reference
from gatekeeper.config.load import load
from gatekeeper.settings.tables import Settings, table_at
from tests.configurations import MINIMAL, mistakes

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "config").glob("*.toml"))
ENVIRON = {"APP": "app:3000"}


@pytest.mark.parametrize(
    ("form", "path"),
    [
        ("toml", "config/gatekeeper.toml"),
        ("markdown", "docs/configuration.md"),
        ("schema", "config/gatekeeper.schema.json"),
        ("cli", "docs/cli.md"),
    ],
)
def test_the_repository_holds_what_the_settings_say(form: str, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """After a change: ``python -m gatekeeper.cli.reference FORM > PATH``."""
    assert main([form]) == 0
    assert capsys.readouterr().out == (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("arguments", [[], ["html"], ["toml", "schema"]])
def test_another_form_is_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and nothing on stdout that could land in a file."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", "usage: python -m gatekeeper.cli.reference toml|markdown|schema|cli\n")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_loads(path: Path) -> None:
    """With the environment that the example names."""
    assert load(path, ENVIRON).settings


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_names_the_schema_and_fits_it(path: Path) -> None:
    """So that an editor completes and checks it."""
    text = path.read_text(encoding="utf-8")
    assert text.startswith("#:schema ./gatekeeper.schema.json\n")
    assert list(validator().iter_errors(tomllib.loads(text))) == []


def test_the_example_with_every_key_says_nothing_but_defaults(tmp_path: Path) -> None:
    """It means the same as the three tables that must be written."""
    path = tmp_path / "gatekeeper.toml"
    path.write_text(reference.toml(), encoding="utf-8")
    every = load(path, {}).settings
    path.write_text(MINIMAL, encoding="utf-8")
    assert every == load(path, {}).settings


def test_the_example_with_every_key_loads_with_every_comment_taken_off(tmp_path: Path) -> None:
    """What is commented out is right too, but for keys that exclude each other, placeholders and features to come."""
    text = re.sub(r"(?m)^#(?=[\[a-z])", "", reference.toml())
    assert tomllib.loads(text)
    allowed = (
        "is not available yet",
        "has ca, which only means something",
        "has no effect while",
        "there is no upstream",
        "needs port 80 for http-01",
    )
    for found in mistakes(tmp_path, text):
        assert any(words in found for words in allowed), found


def test_every_key_stands_in_both_references() -> None:
    """Those of rules and of the assertion as well."""
    toml, markdown = reference.toml(), reference.markdown()
    for name in Settings.model_fields:
        table = table_at((name,))
        for key in table.named_fields() if table is not None else ():
            assert re.search(rf"(?m)^#?{key} = ", toml), (name, key)
            assert f"| `{key}` |" in markdown, (name, key)
    for key in ("spki", "issuer", "audience", "lifetime"):
        assert f"\n#   {key} " in toml
        assert f"| `{key}` |" in markdown


# The schema ---------------------------------------------------------------------------------------------------------


def validator() -> Draft7Validator:
    schema = json.loads(reference.schema())
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("", True),
        ('[timeouts]\nidle = "75s"\ndrain_delay = "0s"\n', True),
        ("[timeouts]\nidle = 75\n", False),
        ('[timeouts]\nidel = "75s"\n', False),
        ('[limits]\nrequest_body = "unlimited"\n', True),
        ('[limits]\nrequest_body = "1MiB"\n', True),
        ('[limits]\nrequest_body = "1MB"\n', False),
        ('[identity]\nheaders = ["apache"]\n', False),
        ('[[routes]]\nhosts = "a"\nallow = [{ cn = "a" }]\n', True),
        ("[[routes]]\nallow = []\n", False),
        ('[[routes]]\nallow = [{ name = "a" }]\n', False),
        ('[[routes]]\npath = "/a/../b"\n', False),
        ('[upstreams.api]\nurl = "http://a"\n', True),
        ("[upstreams.api]\nul = 1\n", False),
        ("[nowhere]\n", False),
    ],
)
def test_the_schema_takes_what_gatekeeper_takes(text: str, good: bool) -> None:
    """Kinds, choices, unknown keys; sentences and checks across tables are `gatekeeper check`'s."""
    assert validator().is_valid(tomllib.loads(MINIMAL + text)) is good


def test_the_schema_asks_for_the_tables_that_must_be_written() -> None:
    """And for their keys, but not for the server's certificate, which [acme] can order."""
    for missing in ("server", "client_auth"):
        document = tomllib.loads(MINIMAL)
        del document[missing]
        assert not validator().is_valid(document)
        assert validator().is_valid(document | {missing: {}}) is (missing == "server")


def walk(value: Any) -> list[dict[str, Any]]:
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [one for inner in below for one in walk(inner)] + ([value] if isinstance(value, dict) else [])


def test_the_schema_shows_what_toml_can_say() -> None:
    """TOML has no null; durations are shown as they are written."""
    schema = json.loads(reference.schema())
    assert {"type": "null"} not in walk(schema)
    assert schema["definitions"]["TimeoutsSettings"]["properties"]["idle"]["default"] == "75s"
    assert schema["definitions"]["ServerSettings"]["properties"]["listen"]["default"] == "0.0.0.0:8443"
    for one in schema["definitions"].values():
        assert all(about.get("description") for about in one["properties"].values())
