"""Print the lowest version of each dependency that pyproject.toml allows, as constraints for pip.

Used by `make test-lowest`.
"""

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.requirements import Requirement


def constraints(dependencies: Iterable[str]) -> Iterator[str]:
    """``name==version`` for each; ValueError where a requirement has no lower bound."""
    for text in dependencies:
        requirement = Requirement(text)
        lowest = [one.version for one in requirement.specifier if one.operator == ">="]
        if len(lowest) != 1:
            raise ValueError(f"{text} has no lower bound")
        marker = f"; {requirement.marker}" if requirement.marker else ""
        yield f"{requirement.name}=={lowest[0]}{marker}"


if __name__ == "__main__":
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    print("\n".join(constraints(project["dependencies"])))
