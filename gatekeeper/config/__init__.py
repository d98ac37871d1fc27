"""From ``gatekeeper.toml`` to settings: every mistake at once, each with its key and its line.

load
    the file, found and read; ends in a `Configuration` or in a ConfigurationError that lists all that is wrong.
source
    the text of the file, and on which line each key stands.
complaint
    what pydantic found wrong, in plain words.
check
    what spans several tables.
reference
    the settings as an example file, as documentation and as a schema for editors.
starter
    the file that ``gatekeeper init`` writes.
"""

from gatekeeper.config.load import NAME, SYSTEM_WIDE, Configuration, find, load

__all__ = ["NAME", "SYSTEM_WIDE", "Configuration", "find", "load"]
