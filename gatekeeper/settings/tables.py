"""The whole of ``gatekeeper.toml``, and which class describes which of its tables.

Each table is a class in ``server``, ``access``, ``upstream`` or ``identity``; each of its fields has its default and
its description. The descriptions are the only source of ``config/gatekeeper.toml``, ``docs/configuration.md`` and the
JSON Schema. Settings are frozen and are read when something starts, never for each request. In code, durations are
float seconds, sizes are int bytes, and paths are absolute (when they come from ``config.load``).

Rules that span several tables, or need the files that settings name, are not checked by these classes: see
``config.checks``.
"""

from collections.abc import Mapping
from types import NoneType
from typing import Any, get_args

from pydantic import Field

from gatekeeper.settings.access import (
    ClientAuthSettings,
    InvitationsSettings,
    MaintenanceSettings,
    RefusalSettings,
    ResponseSettings,
    RouteSettings,
)
from gatekeeper.settings.acme import ACMESettings
from gatekeeper.settings.certificate_order import CertificateOrder
from gatekeeper.settings.identity import IdentitySettings
from gatekeeper.settings.server import (
    AdminSettings,
    LimitsSettings,
    LogSettings,
    ReadinessSettings,
    ServerSettings,
    TimeoutsSettings,
)
from gatekeeper.settings.table import Table
from gatekeeper.settings.types import UpstreamName
from gatekeeper.settings.upstream import UpstreamSettings


class Settings(Table):
    """The whole file. ``server`` and ``client_auth`` are required; ``upstream`` is the app named "default"."""

    server: ServerSettings
    client_auth: ClientAuthSettings
    upstream: UpstreamSettings | None = None
    upstreams: Mapping[UpstreamName, UpstreamSettings] = Field(default_factory=dict)
    routes: tuple[RouteSettings, ...] = ()
    identity: IdentitySettings = Field(default_factory=IdentitySettings)
    response: ResponseSettings = Field(default_factory=ResponseSettings)
    refusal: RefusalSettings = Field(default_factory=RefusalSettings)
    maintenance: MaintenanceSettings | None = None
    invitations: InvitationsSettings | None = None
    acme: ACMESettings | None = None
    admin: AdminSettings = Field(default_factory=AdminSettings)
    readiness: ReadinessSettings = Field(default_factory=ReadinessSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    timeouts: TimeoutsSettings = Field(default_factory=TimeoutsSettings)
    limits: LimitsSettings = Field(default_factory=LimitsSettings)

    @property
    def orders(self) -> tuple[CertificateOrder, ...]:
        """The certificates that ``[acme]`` orders. The first is for ``acme.domains``, or else for the hosts of all
        routes that no other order includes; it is missing if there are none.
        """
        if self.acme is None:
            return ()
        further = [CertificateOrder(one.domains, one.domains[0]) for one in self.server.certificates if one.domains]
        elsewhere = {name for one in further for name in one.names}
        hosts = dict.fromkeys(host for route in self.routes for host in route.hosts if host not in elsewhere)
        names = self.acme.domains or tuple(hosts)
        return (CertificateOrder(names), *further) if names else tuple(further)

    @property
    def every_upstream(self) -> Mapping[str, UpstreamSettings]:
        """All upstreams by name, the one of ``[upstream]`` as "default"."""
        return ({"default": self.upstream} if self.upstream is not None else {}) | dict(self.upstreams)


def table_at(path: tuple[str | int, ...]) -> type[Table] | None:
    """The class of the table at a path of keys and indexes (indexes may be left out); None if no table is there."""
    annotation: Any = Settings
    for step in path:
        if _is_list(annotation):
            annotation = _entry(annotation)
            if isinstance(step, int):
                continue
        if _is_table(annotation):
            field = annotation.named_fields().get(str(step))
            annotation = _without_none(field.annotation) if field is not None else None
        else:
            annotation = _entry(annotation)
    annotation = _entry(annotation) if _is_list(annotation) else annotation
    return annotation if _is_table(annotation) else None


def _is_table(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Table)


def _is_list(annotation: Any) -> bool:
    return get_args(annotation)[1:] == (...,)


def _entry(annotation: Any) -> Any:
    """What a list or a mapping holds."""
    inner = [one for one in get_args(annotation) if one is not ...]
    return inner[-1] if inner else None


def _without_none(annotation: Any) -> Any:
    """``X`` of ``X | None``."""
    inner = get_args(annotation)
    return next(one for one in inner if one is not NoneType) if NoneType in inner else annotation
