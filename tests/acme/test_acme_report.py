"""What is told of the certificates that the gate orders."""

from pathlib import Path
from typing import Any

from gatekeeper.acme.folder import ACMEFolder, State
from gatekeeper.acme.report import Report, doubts, reports
from gatekeeper.settings.tables import Settings
from gatekeeper.settings.validation import Loading
from tests.acme.test_acme_orders import directory
from tests.acme.test_acme_renewal import START, certificate
from tests.ports import free_port

DAY = 86400.0


def settings(folder: Path, **acme: Any) -> Settings:
    """A gate that orders two certificates, or, without ``acme``, none."""
    document: dict[str, Any] = {"server": {"certificate": "a", "key": "a"}, "client_auth": {"ca": "ca.crt"}}
    if acme:
        document["acme"] = {"accept_terms": True, "folder": "acme", "domains": "home.example.com"} | acme
        document["server"] = {"certificates": [{"domains": ["www.example.com", "m.example.com"]}]}
    return Settings.model_validate(document, context=Loading(folder))


def test_each_certificate_is_told_apart(tmp_path: Path) -> None:
    """Its names, its state, its end; one that has not come yet has none."""
    found = settings(tmp_path, email="you@example.com")
    home = ACMEFolder(tmp_path / "acme")
    home.write_certificate(certificate(["home.example.com"], START, 90))
    home.write_state(State(issued=3))
    ACMEFolder(tmp_path / "acme", "www.example.com").write_state(State(failed=2, error="it is away"))
    assert reports(found) == [
        Report(("home.example.com",), State(issued=3), START + 90 * DAY),
        Report(("www.example.com", "m.example.com"), State(failed=2, error="it is away"), 0.0),
    ]


def test_a_gate_that_orders_none_tells_of_none(tmp_path: Path) -> None:
    """And asks nobody."""
    assert reports(settings(tmp_path)) == []
    assert list(doubts(settings(tmp_path))) == []


def test_every_directory_is_asked_what_it_would_refuse(tmp_path: Path) -> None:
    """Once, for all certificates; one that is away is told too."""
    away = f"https://127.0.0.1:{free_port()}/dir"
    with directory(meta={"profiles": {"classic": "…"}, "externalAccountRequired": True}) as there:
        # The settings take https alone, and the directory of this test has no certificate.
        found = settings(tmp_path, directory=[away], profile="shortlived")
        acme = found.acme
        assert acme is not None
        acme = acme.model_copy(update={"directory": (away, there)})
        told = list(doubts(found.model_copy(update={"acme": acme})))
    assert told[0].startswith(f"{away} cannot be asked: ")
    assert told[1:] == [
        f"{there} has no profile shortlived, only classic",
        f"{there} requires an account of its operator: acme.eab",
    ]
