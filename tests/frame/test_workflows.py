"""GitHub's workflows and the commit hooks: valid by their schemas, and made of words that the Makefile has."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(path.name for path in FOLDER.glob("*.yml"))
HOOKS = ROOT / ".pre-commit-config.yaml"
WORDS = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split()
# Programs that a step may start beside make and .ci/run: those of the runner's own image.
OF_THE_RUNNER = {"apt-get", "cp", "echo", "gh", "git", "grep", "helm", "jq", "mkdir"}


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())
    return found


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in read(name)["jobs"].values() for step in job["steps"]]


def commands(name: str) -> list[list[str]]:
    """Each command of each step, as words."""
    lines = "\n".join(step["run"] for step in steps(name) if "run" in step)
    return [part.split() for part in re.split(r"&&|\|\||\||\n", lines) if part.strip()]


def judged(schema: str, *files: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", WORKFLOWS)
@pytest.mark.parametrize("schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"])
def test_the_workflow_fits_githubs_schema(name: str, schema: str) -> None:
    """A workflow with a mistake does not run, and says so to nobody; a job without a limit runs for six hours."""
    done = judged(schema, FOLDER / name)
    assert done.returncode == 0, done.stdout


def test_dependabot_takes_its_file() -> None:
    """By GitHub's schema."""
    done = judged("vendor.dependabot", ROOT / ".github" / "dependabot.yml")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", WORKFLOWS)
def test_what_a_step_does_can_be_done_anywhere(name: str) -> None:
    """It is a word of the Makefile, .ci/run, or a program that moves what those have made."""
    assert any(command[0] == "make" for command in commands(name))
    for command in commands(name):
        if command[0] == "make":
            word = next(part for part in command[1:] if not part.startswith("-"))
            assert word in WORDS, command
        else:
            assert command[0] in OF_THE_RUNNER | {".ci/run"}, command


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_job_waits_for_jobs_that_are_there(name: str) -> None:
    """`needs` names jobs, and an expression reads only what is needed."""
    jobs = read(name)["jobs"]
    for job in jobs.values():
        needs = job.get("needs", [])
        needs = [needs] if isinstance(needs, str) else needs
        assert set(needs) <= jobs.keys()
        assert set(re.findall(r"needs\.([a-z]+)\.", str(job.get("if", "")))) <= set(needs)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_git_trusts_the_checkout_in_a_container(name: str) -> None:
    """The checkout belongs to another user there, and git refuses that ("dubious ownership") unless safe.directory
    names it; `make core-compiled` asks git which files there are.
    """
    inside = [job["steps"] for job in read(name)["jobs"].values() if "container" in job]
    assert len(inside) == 1
    words = [step.get("uses", step.get("run", "")) for step in inside[0]]
    trusted = words.index('git config --global --add safe.directory "$GITHUB_WORKSPACE"')
    assert words.index("actions/checkout@v6") < trusted < words.index(".ci/run")


@pytest.mark.parametrize("name", WORKFLOWS)
def test_nobody_has_more_rights_than_a_reader_unless_a_job_says_so(name: str) -> None:
    """The token of a workflow reads the repository; what else a job needs stands at the job."""
    assert read(name)["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_expression_reaches_a_shell(name: str) -> None:
    """GitHub pastes `${{ … }}` into the script: what a pull request may choose would be run. Variables are safe."""
    for step in steps(name):
        assert "${{" not in step.get("run", ""), step


def test_pull_requests_get_no_secret() -> None:
    """`pull_request_target` would run a stranger's code with the repository's token."""
    # YAML 1.1 reads the key `on` as true.
    triggers = {name: dict(read(name).items())[True] for name in WORKFLOWS}
    assert all("pull_request_target" not in trigger for trigger in triggers.values())
    assert "pull_request" in triggers["check.yml"]


def test_every_promised_python_is_tried() -> None:
    """The classifiers of pyproject.toml and the matrix name the same versions."""
    promised = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text())
    assert read("check.yml")["jobs"]["python"]["strategy"]["matrix"]["python"] == promised


def test_a_release_is_tested_first() -> None:
    """Nothing is published but by jobs that wait, one by the other, for the whole suite and the check of the tag."""
    jobs = read("release.yml")["jobs"]
    assert [step["run"] for step in jobs["test"]["steps"] if "make" in step.get("run", "").split()[:1]] == [
        'make release-check TAG="$GITHUB_REF_NAME"'
    ]
    assert ".ci/run" in [step.get("run") for step in jobs["test"]["steps"]]
    assert all(job["needs"] == "test" for name, job in jobs.items() if name not in ("test", "publish"))
    assert set(jobs["publish"]["needs"]) == jobs.keys() - {"test", "publish"}


def test_pre_commit_takes_its_file() -> None:
    """By pre-commit's own judgement; every hook runs what the environment or the Makefile has."""
    command = [sys.executable, "-m", "pre_commit", "validate-config", str(HOOKS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    (local,) = yaml.safe_load(HOOKS.read_text())["repos"]
    for hook in local["hooks"]:
        program, *arguments = hook["entry"].split()
        if program == "make":
            assert next(word for word in arguments if not word.startswith("-")) in WORDS
        else:
            assert program.startswith(".venv/bin/")
