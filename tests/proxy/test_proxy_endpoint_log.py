"""What the log says of an endpoint that fails: once, and when it is back."""

import logging

import pytest

from gatekeeper.proxy.upstream.endpoint import Endpoint
from gatekeeper.settings.addresses import Address


def fail(endpoint: Endpoint, times: int) -> None:
    """Requests without an answer, a minute apart, so that each pause is over before the next."""
    for minute in range(times):
        endpoint.failed("no answer", 60.0 * minute)


def test_a_dead_app_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever number of requests finds out; the repetitions are there at log.level = "debug"."""
    caplog.set_level(logging.DEBUG)
    fail(Endpoint("default", Address("127.0.0.1", 1)), 20)
    said = [record for record in caplog.records if "ejected for" in record.getMessage()]
    assert len(said) > 5
    assert [record.levelno for record in said[:2]] == [logging.WARNING, logging.DEBUG]
    assert {record.levelno for record in said[1:]} == {logging.DEBUG}


def test_it_is_said_again_after_the_app_was_back(caplog: pytest.LogCaptureFixture) -> None:
    """A check that finds it fit ends the silence."""
    endpoint = Endpoint("default", Address("127.0.0.1", 1))
    fail(endpoint, 20)
    endpoint.checked("", 10_000.0)
    for second in range(10):
        endpoint.failed("no answer", 20_000.0 + 60.0 * second)
    assert [r.levelname for r in caplog.records if "ejected for" in r.getMessage()] == ["WARNING", "WARNING"]
