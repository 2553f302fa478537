"""Shipped test support: the pytest plugin and a gateway to test against."""
