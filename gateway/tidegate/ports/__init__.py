"""Narrow doors to the outside, with contracts. Adapters promise them, services rely on them."""
