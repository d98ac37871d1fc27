"""Orders and renews the gate's certificates (``[acme]``) beside the traffic, on a thread of each worker.

All workers do so, and all replicas: the lock in the folder lets one of them order, and the others find its certificate
when they look at the file (`gatekeeper.process.reload`).
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from gatekeeper.settings.certificate_order import CertificateOrder

if TYPE_CHECKING:
    from gatekeeper.settings.acme import ACMESettings
    from gatekeeper.settings.tables import Settings

_log = logging.getLogger("gatekeeper")

# How often to check whether something is due: other processes write to the same folder, and clocks can be set.
LOOK_SECONDS = 30.0


def load_libraries() -> None:
    """Load what orders need, if there is an ``[acme]``: the libraries take 15 MiB, and most gates order nothing."""
    import gatekeeper.acme.orders
    import gatekeeper.acme.report  # noqa: F401


class Renewing:
    """Runs `Renewal.step` for each order of the settings in force, from `start` to `stop`."""

    def __init__(self, settings: "Callable[[], Settings]") -> None:
        self._settings = settings
        self._stopped = False
        self._wake = threading.Event()
        self._told: dict[str, str] = {}
        self._thread = threading.Thread(target=self._run, name="acme", daemon=True)

    def start(self) -> None:
        """Begin, at once with what is due."""
        self._thread.start()

    def look(self) -> None:
        """Look now whether something is due: the settings may be others."""
        self._wake.set()

    def stop(self) -> None:
        """Begin no further order. One under way is not waited for: it ends with the process, and so does its lock."""
        self._stopped = True
        self._wake.set()

    def _run(self) -> None:
        seconds = 0.0
        while True:
            if self._wake.wait(seconds):  # otherwise a request that arrives now would be lost
                self._wake.clear()
            if self._stopped:
                return
            self._step(self._settings())
            seconds = LOOK_SECONDS

    def _step(self, settings: "Settings") -> None:
        for order in settings.orders:
            try:
                if settings.acme is not None and not self._stopped:
                    _renew(settings.acme, order)
            except Exception as error:  # no exception may end the thread, or certificates would expire
                self._tell(order, error)
            else:
                self._told.pop(order.lineage, None)

    def _tell(self, order: CertificateOrder, error: Exception) -> None:
        """Log a message once for as long as it applies."""
        if str(error) != self._told.get(order.lineage):
            self._told[order.lineage] = str(error)
            _log.error("acme: %s", error, exc_info=None if isinstance(error, OSError) else error)


def _renew(acme: "ACMESettings", order: CertificateOrder) -> None:
    from gatekeeper.acme.folder import ACMEFolder
    from gatekeeper.acme.orders import DirectoryOrders
    from gatekeeper.acme.renewal import Renewal

    folder = ACMEFolder(acme.folder, order.lineage)
    Renewal(folder, order.names, acme.directory, DirectoryOrders(acme, folder)).step(time.time())
