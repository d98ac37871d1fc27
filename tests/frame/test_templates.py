"""The forms for issues, as GitHub will read them."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / ".github" / "ISSUE_TEMPLATE"
SCHEMAS = {"bug.yml": "github-issue-forms", "idea.yml": "github-issue-forms", "config.yml": "github-issue-config"}


def test_every_form_is_checked() -> None:
    """No form is left out below."""
    assert {path.name for path in FOLDER.iterdir()} == set(SCHEMAS)


@pytest.mark.parametrize(("form", "schema"), SCHEMAS.items())
def test_the_form_fits_githubs_schema(form: Path, schema: str) -> None:
    """GitHub shows nothing at all of a form with a mistake."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", FOLDER / form]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # type: ignore[arg-type]
    assert done.returncode == 0, done.stdout
