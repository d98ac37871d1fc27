"""What ``/status``, ``/metrics`` and ``gatekeeper check`` say of ``[acme]``."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gatekeeper.acme.folder import ACMEFolder, State
from gatekeeper.acme.renewal import held_certificate
from gatekeeper.errors import ACMEError
from gatekeeper.settings.certificate_order import CertificateOrder

if TYPE_CHECKING:
    from gatekeeper.settings.acme import ACMESettings
    from gatekeeper.settings.tables import Settings


@dataclass(frozen=True, slots=True)
class Report:
    """One ordered certificate and the state of its orders. ``ends`` is its notAfter in seconds since the epoch, 0 for
    none.
    """

    names: tuple[str, ...]
    state: State
    ends: float


def reports(settings: "Settings") -> list[Report]:
    """A report for each certificate that is ordered, as the folder is now; empty without ``[acme]``."""
    acme = settings.acme
    return [_report(acme, order) for order in settings.orders] if acme is not None else []


def _report(acme: "ACMESettings", order: CertificateOrder) -> Report:
    folder = ACMEFolder(acme.folder, order.lineage)
    held = held_certificate(folder)
    return Report(order.names, folder.state, held.lifetime.ends if held is not None else 0.0)


def doubts(settings: "Settings") -> Iterator[str]:
    """Reasons why the next order would fail, as far as the directories tell; each is asked over the network."""
    acme = settings.acme
    if acme is None:
        return
    from gatekeeper.acme.orders import DirectoryOrders

    orders = DirectoryOrders(acme, ACMEFolder(acme.folder))
    for directory in acme.directory:
        try:
            yield from orders.doubts(directory)
        except ACMEError as error:
            yield f"{directory} cannot be asked: {error}"
