"""The compiled form says what the source says, byte for byte. For `make core-compiled`, where that form runs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

import gatekeeper
from releasing.compiled import SUFFIX, sources

ROOT = Path(gatekeeper.__file__).parents[1]


def transcripts(form: str, folder: Path) -> dict[str, list[str]]:
    """What the gate of that folder says to the corpus."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.proxy.transcripts", form],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def test_the_form_that_was_asked_for_runs() -> None:
    """`make core-compiled` would prove nothing if the source ran all the same."""
    wanted = os.environ.get("EXPECTED_FORM", "pure")
    assert gatekeeper.form() == wanted
    built = {str(path.relative_to(ROOT)) for path in (ROOT / "gatekeeper").rglob(f"*{SUFFIX}")}
    expected = {name.removesuffix(".py") + SUFFIX for name in sources(ROOT)} if wanted == "compiled" else set()
    assert built == expected


def test_the_compiled_form_is_small() -> None:
    """The image with it takes at most 90 MB over its base (`test_the_image_is_small`)."""
    libraries = [*ROOT.glob(f"*{SUFFIX}"), *(ROOT / "gatekeeper").rglob(f"*{SUFFIX}")]
    assert bool(libraries) is (gatekeeper.form() == "compiled")
    assert sum(path.stat().st_size for path in libraries) < 10e6


@pytest.mark.timeout(300)
def test_both_forms_say_the_same(tmp_path: Path) -> None:
    """Every message of the corpus: what the client, the app and the log get."""
    if gatekeeper.form() == "pure":
        pytest.skip("the compiled form does not run here: make core-compiled")
    for name in ("gatekeeper", "tests", "releasing"):
        copytree(ROOT / name, tmp_path / name, ignore=ignore_patterns(f"*{SUFFIX}", "__pycache__"))
    compiled, pure = transcripts("compiled", ROOT), transcripts("pure", tmp_path)
    assert len(compiled) > 500
    assert compiled == pure
