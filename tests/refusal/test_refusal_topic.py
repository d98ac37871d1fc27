"""Which page a refusal or a failure gets."""

from dataclasses import replace

import pytest

from gatekeeper.gate.verdict import Reason
from gatekeeper.refusal.catalogue import catalogues
from gatekeeper.refusal.shown import show
from gatekeeper.refusal.topic import layout, topic_of_failure, topic_of_refusal
from tests.refusal.presented import CERTIFICATE, EXPIRED, NOW

TOPICS = list(catalogues()["en"].topics)


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_its_own_topic(reason: Reason) -> None:
    """Also where no certificate can be looked at."""
    assert topic_of_refusal(reason, None, NOW) == reason


def test_dates_of_the_visitor_are_blamed_only_when_they_are_to_blame() -> None:
    """An authority that has run out refuses as `expired` too, but the visitor's own dates are fine then."""
    early = replace(CERTIFICATE, not_before=NOW + 1)
    assert topic_of_refusal(Reason.EXPIRED, EXPIRED, NOW) == "expired"
    assert topic_of_refusal(Reason.EXPIRED, CERTIFICATE, NOW) == "authority_expired"
    assert topic_of_refusal(Reason.NOT_YET_VALID, early, NOW) == "not_yet_valid"
    assert topic_of_refusal(Reason.NOT_YET_VALID, CERTIFICATE, NOW) == "authority_not_yet_valid"


def test_the_last_second_belongs_to_the_certificate() -> None:
    """RFC 5280, 4.1.2.5: notAfter is included, so the visitor's date is to blame from one second later on."""
    assert topic_of_refusal(Reason.EXPIRED, EXPIRED, EXPIRED.not_after + 0.9) == "authority_expired"
    assert topic_of_refusal(Reason.EXPIRED, EXPIRED, EXPIRED.not_after + 1) == "expired"


@pytest.mark.parametrize(
    "status", [400, 404, 405, 408, 413, 414, 417, 421, 426, 431, 500, 501, 502, 503, 504, 505, 499, 599]
)
def test_every_failure_has_a_calm_page(status: int) -> None:
    """A topic that the catalogues know, without a certificate to blame; 4xx and 5xx are not mixed up."""
    topic = topic_of_failure(status)
    assert topic in TOPICS
    assert layout(topic).icon == "notice"
    assert (topic == "broken") <= (status >= 500)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_mark_has_a_field_to_stand_at(topic: str) -> None:
    """A topic with a mark names a field that the page shows, and the other way round."""
    faulty = layout(topic).faulty
    assert bool(faulty) == bool(catalogues()["en"].topics[topic].mark)
    assert not faulty or hasattr(show(CERTIFICATE), faulty)
