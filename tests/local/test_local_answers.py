"""gatekeeper.local.answers: which module answers, and for whom. The whole way is in tests/proxy."""

from dataclasses import replace

import pytest

from gatekeeper.gate.routes import EST_RENEW, ME, RENEW
from gatekeeper.local.answers import answer
from tests.local.test_local_page import asked


@pytest.mark.parametrize("path", [ME, RENEW, EST_RENEW, b"/.gatekeeper/", b"/.gatekeeper/other"])
def test_without_an_identity_there_is_nothing(path: bytes) -> None:
    """The proxy sends nobody here who was not admitted; if it did, nothing would be told."""
    assert answer(replace(asked(), path=path)).status == 404
