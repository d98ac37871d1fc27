"""What can be configured, as validated values.

tables
    the whole of ``gatekeeper.toml``, and which class describes which of its tables.
server, access, upstream, identity
    one class for each table, each field with its default and its description; ``table`` is their base.
types, certificate_types, http_types
    the types of those fields, made of ``validation``: how TOML writes each, what is rejected and why.
addresses, units
    network addresses and URLs; durations and sizes.
files
    the files that settings name, and how they are read.
"""
