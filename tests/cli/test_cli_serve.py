"""gatekeeper serve: before anything is opened."""

import pytest

from gatekeeper.cli.serve import check_interpreter
from gatekeeper.errors import GatekeeperError


def test_a_free_threaded_interpreter_is_rejected_with_a_sentence() -> None:
    """Rather than served on something that nobody has tried; every other one is taken."""
    with pytest.raises(GatekeeperError, match="free-threaded builds of Python are not supported"):
        check_interpreter(free_threaded=True)
    check_interpreter(free_threaded=False)
