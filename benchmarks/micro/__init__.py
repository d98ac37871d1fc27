"""The cost of single steps, in memory: no socket, no loop, no other process."""
