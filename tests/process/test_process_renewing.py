"""The thread that orders certificates."""

from pathlib import Path

from gatekeeper.acme.folder import ACMEFolder
from gatekeeper.process.renewing import Renewing
from gatekeeper.settings.tables import Settings
from gatekeeper.settings.validation import Loading
from tests.gate_process import until

SETTINGS = {
    "server": {"redirect": "127.0.0.1:80", "certificates": [{"domains": "www.example.com"}]},
    "client_auth": {"ca": "ca.crt"},
    "acme": {"accept_terms": True, "folder": "acme", "domains": "example.com", "directory": "https://127.0.0.1:1/dir"},
}


def test_an_order_that_breaks_does_not_stop_the_next(tmp_path: Path) -> None:
    """The state of the first certificate cannot be written; the second is tried all the same, and again when told."""
    settings = Settings.model_validate(SETTINGS, context=Loading(tmp_path))
    (tmp_path / "acme" / "state.json" / "in the way").mkdir(parents=True)
    second = ACMEFolder(tmp_path / "acme", "www.example.com")
    renewing = Renewing(lambda: settings)
    renewing.start()
    try:
        until(lambda: second.state.failed == 1)
        (tmp_path / "acme" / "state-www.example.com.json").unlink()
        renewing.look()
        until(lambda: second.state.failed == 1)
    finally:
        renewing.stop()
