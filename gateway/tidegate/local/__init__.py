"""Local mode: everything in one process, on loopback."""
