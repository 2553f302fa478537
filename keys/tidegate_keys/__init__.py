"""Administering partners and keys: the verbs that join `tidegate`."""
