"""From ``gatekeeper.toml`` to settings: every mistake at once, each with its key and its line.

load, configuration
    reads the file; returns a `Configuration`, or raises a ConfigurationError that lists every mistake.
partial
    the settings without what is wrong, so that `gatekeeper check` can look for further mistakes.
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
overwritten
    files that the gate would write over.
misdirected
    upstreams that lead back to the gate, or publish its keys.
reference
    the settings as an example file, as documentation and as a schema for editors.
starter
    the file that ``gatekeeper init`` writes.
nginx, nginx_reading, nginx_servers, nginx_locations, nginx_targets, nginx_tls, nginx_headers, nginx_request_headers,
nginx_limits
    translates a configuration of nginx (``init --from-nginx``).
nginx_writer, nginx_notes
    the text of the translation; what could not be translated, with file and line.
nginx_refusals, nginx_judging
    what nginx refuses, or may refuse, so that the translation refuses it too.
nginx_redirects, nginx_rewrites
    servers that only send visitors to https; paths that a ``rewrite`` changes.
nginx_directives, nginx_values
    what becomes of each directive; times and sizes as nginx writes them.
"""
