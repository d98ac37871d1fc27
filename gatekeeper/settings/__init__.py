"""What can be configured, as validated values.

tables
    one class for each table of ``gatekeeper.toml``, each field with its default and its meaning.
types
    the types of those fields: how TOML writes each, what is rejected and why, how a value is shown again.
addresses, units
    network addresses and URLs; durations and sizes.
files
    the files that settings name, and how they are read.
"""
