"""releasing.release: what stands in the way of a release, and the texts that it takes from the repository."""

import re

import pytest

from gatekeeper import __version__
from releasing import release

CHANGELOG = """\
# Changelog

## [Unreleased]

## [1.2.0] - 2026-01-02

### Added

- One.

## [1.1.0] - 2026-01-01

- Two.
"""


def test_this_checkout_agrees_with_its_version() -> None:
    """Changelog, chart, manifests and Dockerfile name the version; changes may still wait under [Unreleased]."""
    assert [line for line in release.mistakes(f"v{__version__}") if "[Unreleased]" not in line] == []


def test_no_file_names_an_image_that_stamp_would_leave_behind() -> None:
    """`gatekeeper:` and a version is an image that the next release must rename."""
    given = ("README.md", "Dockerfile", "docs/**/*.md", "config/**/*.*", "charts/**/*.*")
    paths = {path for pattern in given for path in release.ROOT.glob(pattern) if path.is_file()}
    named = [path for path in paths if re.search(r"\bgatekeeper:\d+\.\d+\.\d+", path.read_text(errors="replace"))]
    found = {str(path.relative_to(release.ROOT)) for path in named}
    assert "config/compose/compose.yaml" in found
    assert found <= set(release.REPEATS)


def test_changes_that_the_notes_would_not_name_are_a_mistake() -> None:
    """The release page would say less than the release brings."""
    waiting = CHANGELOG.replace("## [Unreleased]\n", "## [Unreleased]\n\n### Fixed\n\n- Three.\n")
    assert release.unwritten(CHANGELOG, "1.2.0") == []
    assert release.unwritten(CHANGELOG, "1.3.0") == ["CHANGELOG.md has no section for 1.3.0"]
    (found,) = release.unwritten(waiting, "1.2.0")
    assert "[Unreleased]" in found


def test_a_tag_of_another_version_is_noticed() -> None:
    """A tag on the wrong commit would publish the old version again."""
    (found,) = release.mistakes("v99.0.0")
    assert "v99.0.0" in found
    assert __version__ in found


def test_every_file_that_repeats_another_version_is_named() -> None:
    """Each is found by its own pattern, so none of the patterns has stopped matching."""
    assert [line.split()[0] for line in release.stale("99.0.0")] == list(release.REPEATS)
    assert not any("nothing" in line for line in release.stale("99.0.0"))


def test_every_file_that_names_an_image_is_stamped() -> None:
    """A tag that `make stamp` does not know would still be the old version after a release."""
    texts = [
        release.ROOT / "README.md",
        *(path for top in ("docs", "config") for path in (release.ROOT / top).rglob("*.*")),
    ]
    named = {
        str(path.relative_to(release.ROOT))
        for path in texts
        if path.is_file() and re.search(r"\bgatekeeper:\d+\.\d", path.read_text(encoding="utf-8", errors="replace"))
    }
    assert len(named) > 5
    assert named <= set(release.REPEATS)


@pytest.mark.parametrize(
    ("version", "notes"), [("1.2.0", "### Added\n\n- One."), ("1.1.0", "- Two."), ("1.0.0", ""), ("1x2.0", "")]
)
def test_the_notes_are_the_section_of_the_version(version: str, notes: str) -> None:
    """Up to the next heading; a dot is a dot, and a missing section is empty."""
    assert release.notes(CHANGELOG, version) == notes
