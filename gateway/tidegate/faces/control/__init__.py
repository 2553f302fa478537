"""The Transfer Family API face."""
