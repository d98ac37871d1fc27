"""The examples of docs/routes.md, carried out."""

import re
import shlex
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.decision import Authorizer, Decision, Denied, Forward
from gatekeeper.gate.routes import NoRoute, Routes
from gatekeeper.gate.verdict import Admit, Identity, Reason, Refuse, Verdict
from gatekeeper.settings.access import RouteSettings, RuleSettings
from tests.people import ALICE

TEXT = (Path(__file__).parents[2] / "docs" / "routes.md").read_text(encoding="utf-8")
ROUTES = Routes(
    [
        RouteSettings.model_validate(one)
        for one in tomllib.loads(re.search(r"```toml\n(.*?)```", TEXT, re.S)[1])["routes"]
    ]
)
ROWS = re.findall(r"^\| (.+?) \| `([A-Z]+) https://([^/]+)(/[^`]*)` \| (.+?) \|$", TEXT, re.MULTILINE)


def certificate(words: str) -> Certificate:
    said: dict[str, list[str]] = {}
    for word in shlex.split(words):
        key, _, value = word.partition("=")
        said.setdefault(key, []).append(value)
    return replace(
        ALICE,
        common_names=tuple(said.get("cn", ())),
        organizational_units=tuple(said.get("ou", ())),
        emails=tuple(said.get("email", ())),
        issuer_common_names=tuple(said.get("issuer", ["Home CA"])),
        serial=said.get("serial", ["0A1B"])[0],
    )


def verdict(words: str) -> Verdict:
    if words == "none":
        return Refuse(Reason.NO_CERTIFICATE, "No client certificate was sent.")
    return Admit(Identity(certificate(words), issuer_is_known=True), float("inf"))


def written(decision: Decision) -> str:
    if isinstance(decision, Forward):
        return "forwarded" if decision.identity is not None else "forwarded, as nobody"
    if isinstance(decision, Denied):
        return f"403 {decision.refusal.reason}"
    assert isinstance(decision, NoRoute)
    return str(decision.status)


@pytest.mark.parametrize(("who", "method", "host", "target", "answer"), ROWS)
def test_each_row_of_the_table(who: str, method: str, host: str, target: str, answer: str) -> None:
    """The routes are those of the example above the table."""
    assert written(Authorizer(verdict(who), ROUTES).decide(method.encode(), host.encode(), target.encode())) == answer


def test_the_table_was_found() -> None:
    """A table that is written in another way would be no test at all."""
    assert len(ROWS) == 18
    assert len(ROUTES.all) == 4


def test_every_key_of_a_rule_is_explained() -> None:
    """In the table of keys, and no other key is."""
    table = TEXT.partition("| key | compared with |")[2].partition("\n\n")[0]
    assert sorted(
        re.findall(r"`([a-z0-9_]+)`(?=[, ].*\|)", "\n".join(re.findall(r"^\| (.+? \|)", table, re.M)))
    ) == sorted(RuleSettings.model_fields)
