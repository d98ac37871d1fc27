"""A configuration that was read: its settings, and where each of them stands."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gatekeeper.config.source import Source
from gatekeeper.errors import ConfigurationError, Mistake

if TYPE_CHECKING:
    from gatekeeper.settings.tables import Settings  # pydantic, which an idle gate does without


@dataclass(frozen=True, slots=True)
class Configuration:
    """Settings, and the file they came from, so that a mistake found later still gets its line number.

    Pickled and read again, the settings are plain values (`gatekeeper.settings.plain`).
    """

    settings: "Settings"
    source: Source

    def refusal(self, *mistakes: Mistake) -> ConfigurationError:
        """The error to raise for mistakes that are found later; create them with ``source.mistake``."""
        return ConfigurationError(*mistakes, source=str(self.source.path))

    def located(self, error: ConfigurationError) -> ConfigurationError:
        """The same mistakes, each with the line of its key in the file, and in the file's order."""
        found = (self.source.mistake(mistake.key, mistake.message) for mistake in error.mistakes)
        return self.refusal(*sorted(found, key=lambda mistake: mistake.line or 0))
