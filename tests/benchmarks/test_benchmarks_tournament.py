"""Who takes part in which scenario."""

import contextlib
from pathlib import Path

from benchmarks.certificates import Certificates
from benchmarks.contenders import NAMES, Contender, contender
from benchmarks.scenarios import SCENARIOS
from benchmarks.tournament import Stage, run_rounds
from benchmarks.upstream import Upstream


def taking_part(contenders: list[Contender]) -> dict[str, set[str]]:
    """A run without a round: its cells, by scenario."""
    nowhere = Path("/nonexistent")
    files = dict.fromkeys(Certificates.__dataclass_fields__, nowhere) | {"client_serial": 1}
    stage = Stage(nowhere, Certificates(**files), Upstream(0, 0, 0, nowhere), nowhere, contextlib.ExitStack())  # type: ignore[arg-type]
    cells = run_rounds(stage, SCENARIOS, contenders, 0, 1.0, lambda _: None)
    return {name: set(found) for name, found in cells.items()}


def test_the_three_that_are_slow_take_part_where_everyone_does() -> None:
    """A run of everything is to take ten minutes; nginx and both forms of gatekeeper take part everywhere."""
    found = taking_part([contender(name) for name in NAMES])
    assert found["small"] == found["browser"] == set(NAMES)
    assert found["messages"] == {"nginx", "gatekeeper", "compiled", "haproxy"}
    assert all(names >= {"nginx", "gatekeeper", "compiled"} for names in found.values())
