"""What can be configured, as validated values.

tables
    the whole of ``gatekeeper.toml``, and which class describes which of its tables.
server, server_certificate, access, host_authorities, upstream, identity, acme
    one class for each table, each field with its default and its description; ``table`` is their base.
types, certificate_types, http_types, crl_types, cipher_names
    the types of those fields, made of ``validation``: how TOML writes each, what is rejected and why.
plain
    a table without pydantic, which a running gate does not load.
certificate_order
    the certificates that ``[acme]`` orders.
addresses, units
    network addresses and URLs; durations and sizes.
own_listeners
    whether an address leads to a listener of the gate itself.
files, file_lock
    the files that settings name, and how they are read; a lock for folders that processes share.
"""
