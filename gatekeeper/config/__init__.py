"""From ``gatekeeper.toml`` to settings: every mistake at once, each with its key and its line.

load
    finds and reads the file; returns a `Configuration`, or raises a ConfigurationError that lists every mistake.
source
    the text of the file, and on which line each key stands.
messages
    pydantic's errors as plain sentences.
checks
    what spans several tables.
shadowed_routes
    routes that can never match, because earlier ones cover them.
reference
    the settings as an example file, as documentation and as a schema for editors.
starter
    the file that ``gatekeeper init`` writes.
"""

from gatekeeper.config.load import NAME, SYSTEM_WIDE, Configuration, find, load

__all__ = ["NAME", "SYSTEM_WIDE", "Configuration", "find", "load"]
