"""releasing.release: what stands in the way of a release, and the texts that it takes from the repository."""

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


def test_this_checkout_could_be_released() -> None:
    """Version, changelog, chart, manifests and Dockerfile agree."""
    assert release.mistakes(f"v{__version__}") == []


def test_a_tag_of_another_version_is_noticed() -> None:
    """A tag on the wrong commit would publish the old version again."""
    (found,) = release.mistakes("v99.0.0")
    assert "v99.0.0" in found
    assert __version__ in found


def test_every_file_that_repeats_another_version_is_named() -> None:
    """Each is found by its own pattern, so none of the patterns has stopped matching."""
    assert [line.split()[0] for line in release.stale("99.0.0")] == list(release.REPEATS)
    assert not any("nothing" in line for line in release.stale("99.0.0"))


@pytest.mark.parametrize(
    ("version", "notes"), [("1.2.0", "### Added\n\n- One."), ("1.1.0", "- Two."), ("1.0.0", ""), ("1x2.0", "")]
)
def test_the_notes_are_the_section_of_the_version(version: str, notes: str) -> None:
    """Up to the next heading; a dot is a dot, and a missing section is empty."""
    assert release.notes(CHANGELOG, version) == notes
