"""The command `tidegate`, a file a noun."""
