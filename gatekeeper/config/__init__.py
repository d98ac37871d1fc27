"""From ``gatekeeper.toml`` to settings: every mistake at once, each with its key and its line.

load
    reads the file; returns a `Configuration`, or raises a ConfigurationError that lists every mistake.
document
    finds the file, and reads it as far as that goes without knowing what its keys mean.
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
